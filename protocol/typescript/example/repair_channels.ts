// The channels between the preload script and repairs.ts, and what a page gets as `window.hub`.
export const START = "hub:start";
export const OPEN_LOG = "hub:open-log";
export const LOG_FILE = "hub:log-file";

export interface HubBridge {
  start(): Promise<void>;
  /** Resolves to an empty text, or to why the log cannot be opened. */
  openLog(): Promise<string>;
  logFile(): Promise<string>;
}
