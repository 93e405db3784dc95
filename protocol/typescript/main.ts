// The main process: starts a sidecar, supervises it, shares it among windows and stops it before the app quits.
//
// Electron is never imported.  The app passes the modules to use, so that this also runs in plain Node.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Shell } from "electron";
import { nested } from "./calls.ts";
import type { Api, Caller, NotificationSource } from "./calls.ts";
import type { Diagnostics } from "./contract.ts";
import { localError } from "./errors.ts";
import { consumerOf, withMethods } from "./event_iterator.ts";
import type { EventConsumer } from "./event_iterator.ts";
import type { EventPosition } from "./events.ts";
import { KEY_FILE, loadKey } from "./keys.ts";
import type { ElectronSafeStorage } from "./keys.ts";
import { onSystemWake, stopBeforeQuit } from "./lifecycle.ts";
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
import type { ElectronIpcMain, WindowContext, WindowOptions } from "./windows.ts";

export { authorizePage, PAGE_METHODS, trustsFolder } from "./authorize.ts";
export type { Authorize, Verdict } from "./authorize.ts";
export { MAX_WAITING_EVENTS } from "./event_iterator.ts";
export type { EventConsumer, EventsOptions, OnceOptions } from "./event_iterator.ts";
export { toolInput, unknownJob } from "./jobs.ts";
export type { ToolInputs } from "./jobs.ts";
export { isSidecarError, RpcError } from "./errors.ts";
export type { ErrorDetail, LocalErrorKind, RpcErrorData, RpcErrorObject, SidecarErrorKind } from "./errors.ts";
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
export { guardNavigation } from "./trust.ts";
export type { AppLocation, NavigationGuard, OwnPages } from "./trust.ts";
export type { ElectronIpcMain, WindowOptions } from "./windows.ts";

/** The Electron modules to use.  Each is optional; without it, its feature is missing. */
export interface ElectronParts {
  /** Delays the app's quit until the sidecar has stopped. */
  app?: ElectronApp;
  /** Connects the windows' bridges. */
  ipcMain?: ElectronIpcMain;
  /** Makes the sidecar look for due jobs after the machine has slept. */
  powerMonitor?: ElectronPowerMonitor;
  /** Encrypts the key of the stored credentials. */
  safeStorage?: ElectronSafeStorage;
  /** Opens sign-in pages in the user's browser. */
  shell?: Pick<Shell, "openExternal">;
}

export interface SidecarOptions {
  /** The program and its arguments, for example `["uv", "run", "python", "-m", "sidecar"]`. */
  command: readonly string[];
  /** The folder of the database, the logs and the backups: `app.getPath("userData")`. */
  dataDir: string;
  electron?: ElectronParts;
  /** Additional environment variables of the process: GOOGLE_CLIENT_ID, CLAUDE_PATH, … */
  env?: Readonly<Record<string, string | undefined>>;
  cwd?: string;
  /** The client's name and version for the log; by default those of `electron.app`. */
  clientInfo?: { name: string; version: string };
  /** Names of notifications that the sidecar does not send. */
  optOut?: readonly string[];
  /** Restricts which windows may use the sidecar, and what they may use. */
  windows?: WindowOptions;
  /** What to do if the sidecar has another contract than this package: `warn` by default, `refuse` in packaged apps. */
  schemaMismatch?: "warn" | "refuse";
  restarts?: Partial<RestartPolicy>;
  /**
   * A file to which everything that is said is appended, one run after another, for `sidecar inspect` and
   * `sidecar replay`.  Secrets are left out; prompts, file contents and titles are not.
   */
  record?: string;
  /** Receives each line of the sidecar's log, which is JSON. */
  onLog?: (line: string) => void;
  /** Receives errors that belong to no call; by default they are logged to the console. */
  onFault?: OnFault;
}

/** The data for a bug report; it contains no secrets. */
export interface BugReport {
  state: SidecarState;
  /** The last lines of the log, oldest first, including those of a crashed process. */
  log: string[];
  /** Null if the sidecar is not running. */
  diagnostics: Diagnostics | null;
}

/** The members of a supervised sidecar besides the contract's methods. */
export interface SidecarControls extends Caller, NotificationSource, EventConsumer {
  readonly state: SidecarState;
  /** The position of the last durable notification that listeners have received; null before the first handshake. */
  readonly position: EventPosition | null;
  /** The id of the process, or of a wrapper such as `uv`; undefined while no process is running. */
  readonly pid: number | undefined;
  onState(listener: (state: SidecarState) => void): () => void;
  onAny(listener: AnyListener): () => void;
  /** Resolves once the sidecar is ready; rejects if it has failed or was stopped.  Calls wait for this themselves. */
  ready(): Promise<void>;
  /** Resolves once the process has ended and its files are closed.  Await it before `quitAndInstall`. */
  stop(): Promise<void>;
  /** Starts the sidecar again after `stop` or a failure. */
  start(): Promise<void>;
  /** Returns the last lines of the log, oldest first, including those of a crashed process. */
  logTail(): string[];
  bugReport(): Promise<BugReport>;
  signIn: SignIn;
  /** Stops the sidecar and removes all listeners and handlers from Electron's modules. */
  dispose(): Promise<void>;
}

/** A supervised sidecar: `sidecar.jobs.list()`, `sidecar.on("jobs.updated", …)`, `sidecar.stop()`. */
export type Sidecar = SidecarControls & Api;

/** Starts a sidecar and returns at once.  Calls wait until it is ready. */
export function startSidecar(options: SidecarOptions): Sidecar {
  const { onFault = toConsole, electron = {}, windows = {} } = options;
  const log = new LogTail(options.onLog);
  const supervisor = new Supervisor({
    command: {
      command: options.record === undefined ? options.command : [...options.command, "--record", options.record],
      cwd: options.cwd,
      env: { ...isolated(process.env), ...options.env, APP_DATA_DIR: options.dataDir },
    },
    handshake: () => handshake(options, onFault),
    policy: { ...RESTARTS, ...options.restarts },
    schemaMismatch: options.schemaMismatch ?? "warn",
    log,
    onFault,
  });
  const api = nested(supervisor);
  const signIn = signInWith(api, electron.shell);
  const detach = attach(supervisor, electron, { ...windows, signIn, onFault, app: electron.app });
  void supervisor.start();
  return withMethods(controls(supervisor, log, signIn, detach), api);
}

/** Returns the command that starts what `sidecar bundle` has put into `<resources>/sidecar`. */
export function packagedCommand(resourcesPath: string): string[] {
  const folder = join(resourcesPath, "sidecar");
  if (process.platform !== "win32") return [join(folder, "sidecar")];
  const python = join(folder, "python", "python.exe");
  return existsSync(python) ? [python, "-I", "-m", "sidecar"] : [join(folder, "sidecar.exe")];
}

/** Removes Python's variables, as its isolated mode does: with the PYTHONHOME of an AppImage, no other Python starts. */
function isolated(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("PYTHON")));
}

async function handshake({ electron, dataDir, clientInfo, env, optOut = [] }: SidecarOptions, onFault: OnFault) {
  const { app, safeStorage } = electron ?? {};
  if (safeStorage !== undefined) await app?.whenReady(); // the keyring is not available earlier
  const key = safeStorage === undefined ? null : await loadKey(safeStorage, join(dataDir, KEY_FILE), onFault);
  const token = { ...process.env, ...env }["BACKEND_TOKEN"]; // the process reads it from the same environment
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
  windows: WindowOptions & WindowContext,
): Array<() => void> {
  const lookForDueJobs = (): void => {
    if (supervisor.state.status === "ready") supervisor.call("jobs.queue.wake").catch(windows.onFault);
  };
  return [
    // First: it throws, before anything is attached, if another sidecar serves these windows.
    ...(ipcMain === undefined ? [] : [serveWindows(ipcMain, supervisor, windows)]),
    ...(app === undefined ? [] : [stopBeforeQuit(app, supervisor)]),
    ...(powerMonitor === undefined ? [] : [onSystemWake(powerMonitor, lookForDueJobs)]),
  ];
}

function signInWith({ calendar }: Api, shell: ElectronParts["shell"]): SignIn {
  return async (provider, params = {}, options = {}) => {
    if (shell === undefined) throw localError("sign_in_unavailable", "This app cannot open a browser to sign in.");
    if (provider !== "google")
      throw localError("sign_in_unavailable", `Sign-in with ${String(provider)} is not supported.`);
    const openExternal = (url: string): Promise<void> => shell.openExternal(url);
    return signInWithGoogle(calendar.oauth.google, params, { ...options, openExternal });
  };
}

function controls(supervisor: Supervisor, log: LogTail, signIn: SignIn, detach: Array<() => void>): SidecarControls {
  const ends = new Set<() => void>();
  return {
    ...consumerOf(supervisor, (listener) => {
      ends.add(listener);
      return () => void ends.delete(listener);
    }),
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
      detach.splice(0).forEach((step) => step());
      [...ends].forEach((end) => end());
      await supervisor.stop();
    },
  };
}
