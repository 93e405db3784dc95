// The bridge between a page and the main process.  It runs in the preload script's isolated world; the page only gets
// functions of plain values, and no part of Electron: no ipcRenderer, no event, no channel name.
//
// Its allow-lists only prevent mistakes.  The main process protects against a compromised page: it checks every name
// and every sender again (windows.ts).
import type { ContextBridge, IpcRenderer } from "electron";
import { EVENT_NAMES, REQUEST_NAMES } from "./calls.ts";
import type { EventName, RequestName } from "./calls.ts";
import * as channel from "./channels.ts";
import type { BridgeCallOptions, BridgeResponse, SidecarBridge } from "./channels.ts";
import { localError } from "./errors.ts";
import { parseFilter } from "./event_filter.ts";
import { withResync } from "./events.ts";
import type { EventPosition } from "./events.ts";
import type { SidecarState } from "./state.ts";

export type { BridgeResponse, SidecarBridge } from "./channels.ts";

export interface PreloadOptions {
  contextBridge: Pick<ContextBridge, "exposeInMainWorld">;
  ipcRenderer: Pick<IpcRenderer, "invoke" | "send" | "on">;
  /** The bridge's property name in the page's `window`; `sidecar` by default. */
  key?: string;
  /** The requests and notifications that the page may use; all by default. */
  methods?: readonly RequestName[];
  notifications?: readonly EventName[];
}

/** Exposes the bridge to the page.  Call it once, in the preload script. */
export function exposeSidecar(options: PreloadOptions): void {
  options.contextBridge.exposeInMainWorld(options.key ?? "sidecar", createBridge(options));
}

function createBridge(options: PreloadOptions): SidecarBridge {
  const { ipcRenderer, methods = REQUEST_NAMES } = options;
  const notifications = withResync(options.notifications ?? EVENT_NAMES);
  const page = crypto.getRandomValues(new Uint32Array(4)).join("-");
  const progress = new Map<number, NonNullable<BridgeCallOptions["onProgress"]>>();
  const listeners = new Map<number, (name: string, params: unknown) => void>();
  const stateListeners = new Set<(state: SidecarState) => void>();
  let lastSubscription = 0;

  // The event is not passed on: a page could send any message through its `sender`.
  const receive = (name: string, listener: (...args: never[]) => void): void =>
    void ipcRenderer.on(name, (_event, to, ...args) => void (to === page && listener(...(args as never[]))));
  receive(channel.NOTIFICATION, (ids: number[], name: string, params: unknown) =>
    ids.forEach((id) => listeners.get(id)?.(name, params)),
  );
  receive(channel.PROGRESS, (call: number, value: never) => progress.get(call)?.(value));
  receive(channel.STATE_CHANGED, (state: SidecarState) => stateListeners.forEach((listener) => listener(state)));
  ipcRenderer.send(channel.PAGE_LOADED, page);

  const notAllowed = (method: string): BridgeResponse => ({
    ok: false,
    error: localError("not_allowed", `This page may not call ${method}.`).toJSON(),
  });

  return {
    methods,
    notifications,
    async call(call, method, params, { timeoutMs, onProgress } = {}) {
      if (!(methods as readonly string[]).includes(method)) return notAllowed(method);
      if (onProgress !== undefined) progress.set(call, onProgress);
      const options = {
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(onProgress === undefined ? {} : { wantsProgress: true }),
      };
      try {
        return (await ipcRenderer.invoke(channel.CALL, { page, call, method, params, ...options })) as BridgeResponse;
      } finally {
        progress.delete(call);
      }
    },
    cancel: (call) => ipcRenderer.send(channel.CANCEL, page, call),
    subscribe(names, after: EventPosition | null, listener, ownFilter) {
      const refused = names.filter((name) => !notifications.includes(name));
      if (refused.length > 0) throw new Error(`not_allowed: this page may not listen to ${refused.join(", ")}`);
      const filter = parseFilter(ownFilter);
      if (filter === undefined) throw new Error("invalid_params: a filter has the members session_id and job_id");
      const id = (lastSubscription += 1);
      listeners.set(id, listener);
      ipcRenderer.send(channel.SUBSCRIBE, page, id, names, after, filter);
      return () => {
        if (listeners.delete(id)) ipcRenderer.send(channel.UNSUBSCRIBE, page, id);
      };
    },
    state: () => ipcRenderer.invoke(channel.STATE, page) as Promise<SidecarState>,
    position: () => ipcRenderer.invoke(channel.POSITION, page) as Promise<EventPosition | null>,
    onState(listener) {
      stateListeners.add(listener);
      return () => void stateListeners.delete(listener);
    },
    signIn: (call, provider, params) =>
      ipcRenderer.invoke(channel.SIGN_IN, { page, call, method: provider, params }) as Promise<BridgeResponse>,
  };
}
