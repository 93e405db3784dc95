// The main process's side: one call starts a sidecar that is supervised, shared by all windows, and gone at quit.
//
// Nothing of Electron is imported: what is wanted of it is passed in, so that all of this runs in plain Node as well.
import { join } from "node:path";
import type { Shell } from "electron";
import { nested } from "./calls.ts";
import type { Api, Caller, NotificationSource } from "./calls.ts";
import type { Diagnostics } from "./contract.ts";
import { localError } from "./errors.ts";
import type { EventPosition } from "./events.ts";
import { KEY_FILE, loadKey } from "./keys.ts";
import type { ElectronSafeStorage } from "./keys.ts";
import { stopBeforeQuit, watchSleep } from "./lifecycle.ts";
import type { ElectronApp, ElectronPowerMonitor } from "./lifecycle.ts";
import { toConsole } from "./listeners.ts";
import type { AnyListener, OnFault } from "./listeners.ts";
import { LogTail } from "./log_tail.ts";
import { RESTARTS } from "./restarts.ts";
import type { RestartPolicy } from "./restarts.ts";
import { signInWithGoogle } from "./sign_in.ts";
import { Supervisor } from "./supervisor.ts";
import type { SidecarState } from "./state.ts";
import { serveWindows } from "./windows.ts";
import type { SignIn } from "./channels.ts";
import type { ElectronIpcMain, WindowOptions } from "./windows.ts";

export { RpcError } from "./errors.ts";
export type { LocalErrorKind, RpcErrorData, RpcErrorObject } from "./errors.ts";
export type { Api, CallOptions, EventName, RequestName } from "./calls.ts";
export type { EventPosition } from "./events.ts";
export { claimSingleInstance } from "./lifecycle.ts";
export type { ElectronApp, ElectronPowerMonitor } from "./lifecycle.ts";
export type { ElectronSafeStorage } from "./keys.ts";
export type { RestartPolicy } from "./restarts.ts";
export { signInWithGoogle } from "./sign_in.ts";
export type { GoogleOAuth, SignInOptions } from "./sign_in.ts";
export type { Failure, SidecarState } from "./state.ts";
export type { SignIn, SignInParams } from "./channels.ts";
export type { ElectronIpcMain, WindowOptions } from "./windows.ts";

/** The parts of Electron that are put to use; each is optional, and what it would do is then left out. */
export interface ElectronParts {
  /** The app does not quit before the sidecar has. */
  app?: ElectronApp;
  /** Windows get their bridge. */
  ipcMain?: ElectronIpcMain;
  /** After sleep the sidecar looks at the clock. */
  powerMonitor?: ElectronPowerMonitor;
  /** Credentials are stored encrypted. */
  safeStorage?: ElectronSafeStorage;
  /** People can sign in with their browser. */
  shell?: Pick<Shell, "openExternal">;
}

export interface SidecarOptions {
  /** The program and its arguments, such as `["uv", "run", "python", "-m", "sidecar"]`. */
  command: readonly string[];
  /** The folder of the database, the logs and the backups: `app.getPath("userData")`. */
  dataDir: string;
  electron?: ElectronParts;
  /** More for the process's environment, over the app's own: GOOGLE_CLIENT_ID, CLAUDE_PATH, … */
  env?: Readonly<Record<string, string | undefined>>;
  cwd?: string;
  /** Who calls, for the log; of `app` where that is given. */
  clientInfo?: { name: string; version: string };
  /** Names of notifications that nobody wants. */
  optOut?: readonly string[];
  /** What windows may call and hear, and which windows. */
  windows?: WindowOptions;
  /** A sidecar of another version than this package: `refuse` in what is shipped, `warn` (the default) elsewhere. */
  schemaMismatch?: "warn" | "refuse";
  restarts?: Partial<RestartPolicy>;
  /** Each line of the sidecar's log, which is JSON. */
  onLog?: (line: string) => void;
  /** What went wrong beside any call; written to the console unless said otherwise. */
  onFault?: OnFault;
}

/** What a bug report needs, with nothing secret in it. */
export interface BugReport {
  state: SidecarState;
  /** The last lines of the process's log, oldest first; also of one that has crashed. */
  log: string[];
  /** Null where the sidecar cannot answer. */
  diagnostics: Diagnostics | null;
}

/** What is done with the process as a whole. */
export interface SidecarControls extends Caller, NotificationSource {
  readonly state: SidecarState;
  /** Where listeners are in the event log. */
  readonly position: EventPosition | null;
  /** Its process id, or that of a wrapper such as `uv`; undefined while there is none. */
  readonly pid: number | undefined;
  onState(listener: (state: SidecarState) => void): () => void;
  onAny(listener: AnyListener): () => void;
  /** Resolves once it can be called; rejects where it has failed or was stopped.  Calls wait for that by themselves. */
  ready(): Promise<void>;
  /**
   * Lets it finish, and resolves once the process is gone and its files are free: await it before `quitAndInstall`.
   * `start` brings it back, should the update not be installed after all.
   */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** The end of the log, also of a process that has crashed. */
  logTail(): string[];
  bugReport(): Promise<BugReport>;
  /** Opens the person's browser and returns the new account. */
  signIn: SignIn;
  /** Stops, and takes everything back that was registered with Electron. */
  dispose(): Promise<void>;
}

/** A supervised sidecar: `sidecar.jobs.list()`, `sidecar.on("jobs.updated", …)`, `sidecar.stop()`. */
export type Sidecar = SidecarControls & Api;

/** Starts a sidecar and returns at once; calls wait until it is ready. */
export function startSidecar(options: SidecarOptions): Sidecar {
  const { onFault = toConsole, electron = {}, windows = {} } = options;
  const log = new LogTail(options.onLog);
  const supervisor = new Supervisor({
    command: {
      command: options.command,
      cwd: options.cwd,
      env: { ...process.env, ...options.env, APP_DATA_DIR: options.dataDir },
    },
    handshake: () => handshake(options, onFault),
    policy: { ...RESTARTS, ...options.restarts },
    schemaMismatch: options.schemaMismatch ?? "warn",
    log,
    onFault,
  });
  const api = nested(supervisor);
  const signIn = signInBy(api, electron.shell);
  const undo = attach(supervisor, electron, { ...windows, signIn, onFault });
  void supervisor.start();
  return Object.freeze(Object.assign(controls(supervisor, log, signIn, undo), api));
}

/** Looks the program up where a packaged app has it: `<resources>/sidecar/sidecar`, or `sidecar.exe`. */
export function packagedCommand(resourcesPath: string): string[] {
  return [join(resourcesPath, "sidecar", process.platform === "win32" ? "sidecar.exe" : "sidecar")];
}

async function handshake({ electron, dataDir, clientInfo, env, optOut = [] }: SidecarOptions, onFault: OnFault) {
  const { app, safeStorage } = electron ?? {};
  if (safeStorage !== undefined) await app?.whenReady(); // before that no keyring can be reached
  const key = safeStorage === undefined ? null : await loadKey(safeStorage, join(dataDir, KEY_FILE), onFault);
  const token = { ...process.env, ...env }["BACKEND_TOKEN"]; // the process has it from the same environment
  const own =
    app === undefined ? { name: "sidecar-electron", version: "0" } : { name: app.getName(), version: app.getVersion() };
  return {
    client_info: clientInfo ?? own,
    capabilities: { opt_out: [...optOut] },
    ...(key === null ? {} : { secrets: { key } }),
    ...(token ? { token } : {}),
  };
}

function attach(
  supervisor: Supervisor,
  { app, ipcMain, powerMonitor }: ElectronParts,
  windows: WindowOptions & { signIn: SignIn; onFault: OnFault },
): Array<() => void> {
  const wake = (): void => {
    if (supervisor.state.status === "ready") supervisor.call("jobs.queue.wake").catch(windows.onFault);
  };
  return [
    ...(app === undefined ? [] : [stopBeforeQuit(app, supervisor)]),
    ...(ipcMain === undefined ? [] : [serveWindows(ipcMain, supervisor, windows)]),
    ...(powerMonitor === undefined ? [] : [watchSleep(powerMonitor, wake)]),
  ];
}

function signInBy({ calendar }: Api, shell: ElectronParts["shell"]): SignIn {
  return async (provider, params = {}, options = {}) => {
    if (shell === undefined) throw localError("sign_in_unavailable", "This app has no browser to sign in with.");
    if (provider !== "google")
      throw localError("sign_in_unavailable", `Nobody can sign in with ${String(provider)} here.`);
    const openExternal = (url: string): Promise<void> => shell.openExternal(url);
    return signInWithGoogle(calendar.oauth.google, params, { ...options, openExternal });
  };
}

function controls(supervisor: Supervisor, log: LogTail, signIn: SignIn, undo: Array<() => void>): SidecarControls {
  return {
    get state() {
      return supervisor.state;
    },
    get position() {
      return supervisor.position;
    },
    get pid() {
      return supervisor.pid;
    },
    call: (...args) => supervisor.call(...args),
    on: (name, listener) => supervisor.on(name, listener),
    onAny: (listener) => supervisor.onAny(listener),
    onState: (listener) => supervisor.onState(listener),
    ready: () => supervisor.ready(),
    start: () => supervisor.start(),
    stop: () => supervisor.stop(),
    logTail: () => log.lines(),
    signIn,
    async bugReport() {
      const isReady = supervisor.state.status === "ready";
      const diagnostics = isReady ? await supervisor.call("system.diagnostics").catch(() => null) : null;
      return { state: supervisor.state, log: log.lines(), diagnostics };
    },
    async dispose() {
      undo.splice(0).forEach((step) => step());
      await supervisor.stop();
    },
  };
}
