// Keeps a sidecar running: starts the process, performs the handshake and restarts the process after a crash.
//
// Calls that are made while no process is ready wait for the next one.  Calls in flight during a crash reject, because
// only the caller knows whether they may be repeated.  Listeners stay, and missed notifications are replayed.
import { GRACE_MS, MAX_WAITING, TIMEOUT_MS } from "./client.ts";
import type { Client } from "./client.ts";
import type {
  CallArguments,
  CallOptions,
  Caller,
  EventName,
  RequestName,
  Result,
  NotificationSource,
} from "./calls.ts";
import { PROTOCOL_VERSION, SCHEMA_HASH } from "./contract.ts";
import type { EventPage, InitializeParams, Initialized, Notifications } from "./contract.ts";
import { callError, localError, RpcError } from "./errors.ts";
import { EventStream } from "./events.ts";
import type { EventPosition } from "./events.ts";
import { Listeners } from "./listeners.ts";
import type { AnyListener, OnFault } from "./listeners.ts";
import type { LogTail } from "./log_tail.ts";
import { SidecarProcess } from "./process.ts";
import type { Command, ProcessExit } from "./process.ts";
import { decideRestart } from "./restarts.ts";
import type { RestartPolicy } from "./restarts.ts";
import type { Failure, SidecarState } from "./state.ts";

/** The timeout of the handshake: before responding, the sidecar may back up and migrate a large database. */
const HANDSHAKE_TIMEOUT_MS = 10 * 60_000;

export interface SupervisorOptions {
  command: Command;
  /** Returns the host's params for each handshake. */
  handshake: () => Promise<Omit<InitializeParams, "protocol_version" | "schema_hash" | "resume" | "process_id">>;
  policy: RestartPolicy;
  schemaMismatch: "warn" | "refuse";
  log: LogTail;
  onFault: OnFault;
}

/** A sidecar over several processes. */
export class Supervisor implements Caller, NotificationSource {
  readonly #options: SupervisorOptions;
  readonly #listeners: Listeners;
  readonly #stateListeners: Listeners;
  readonly #events: EventStream;
  #state: SidecarState = {
    status: "stopped",
    failure: null,
    crashes: 0,
    exitCode: null,
    message: null,
    version: null,
    schemaMatch: null,
    secrets: null,
  };
  #process: SidecarProcess | null = null;
  /** The client of the process; null until the handshake is done. */
  #client: Client | null = null;
  /** Forgets the crashes once the process has run for long enough. */
  #steady: ReturnType<typeof setTimeout> | null = null;
  #waiting = 0;
  #restart: ReturnType<typeof setTimeout> | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#listeners = new Listeners(options.onFault);
    this.#stateListeners = new Listeners(options.onFault);
    const fetch = async (after: number): Promise<EventPage> => {
      if (this.#client === null) throw this.#unavailable();
      return this.#client.call("events.replay", { after_seq: after });
    };
    this.#events = new EventStream(fetch, (name, params) => this.#listeners.emit(name, params), options.onFault);
  }

  get state(): SidecarState {
    return this.#state;
  }

  /** The position of the last durable notification that listeners have received. */
  get position(): EventPosition | null {
    return this.#events.position;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get isRunning(): boolean {
    return this.#process !== null;
  }

  onState(listener: (state: SidecarState) => void): () => void {
    return this.#stateListeners.on("state", listener);
  }

  on<Name extends EventName>(name: Name, listener: (params: Notifications[Name]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  onAny(listener: AnyListener): () => void {
    return this.#listeners.onAny(listener);
  }

  call<Name extends RequestName>(name: Name, ...[params, options]: CallArguments<Name>): Result<Name> {
    return this.request(name, params, options) as Result<Name>;
  }

  async request(name: string, params?: object, options: CallOptions = {}): Promise<unknown> {
    if (this.#client !== null) return this.#client.request(name, params, options);
    const { timeoutMs = TIMEOUT_MS } = options;
    const deadline = Date.now() + timeoutMs;
    const client = await this.#waitUntilReady(name, timeoutMs + GRACE_MS, options.signal).catch((reason: unknown) => {
      throw callError(reason, name, options.signal);
    });
    const remaining = options.timeoutMs === undefined ? {} : { timeoutMs: Math.max(1, deadline - Date.now()) };
    return client.request(name, params, { ...options, ...remaining });
  }

  /** Starts the sidecar if it was stopped or has failed. */
  async start(): Promise<void> {
    const { status } = this.#state;
    if (status !== "stopped" && status !== "failed") return;
    this.#setState({ status: "starting", failure: null, crashes: 0, message: null });
    await this.#process?.ended; // two processes cannot open the same database
    // `stop` may have been called meanwhile, and `start` again.
    if (this.#state.status === "starting" && this.#process === null) this.#launch();
  }

  /** Resolves once the handshake is done; rejects if the sidecar has failed or was stopped. */
  async ready(): Promise<void> {
    if (this.#client === null) await this.#waitUntilReady("ready", HANDSHAKE_TIMEOUT_MS, undefined);
  }

  /** Stops the sidecar; resolves once the process has ended and its files are closed. */
  async stop(): Promise<void> {
    if (this.#restart !== null) clearTimeout(this.#restart);
    this.#restart = null;
    this.#client = null;
    this.#forgetSteady();
    this.#setState({ status: "stopped", failure: null });
    await this.#process?.stop();
  }

  #launch(): void {
    this.#restart = null;
    const { command, log, onFault } = this.#options;
    log.resetMessage();
    let launched: SidecarProcess;
    try {
      launched = new SidecarProcess(command, log, onFault);
    } catch (error) {
      this.#fail("not_startable", String(error)); // `spawn` throws if the command is not valid
      return;
    }
    this.#process = launched;
    this.#events.detach();
    this.#setState({ status: this.#state.crashes === 0 ? "starting" : "restarting", failure: null });
    launched.client.onAny((name, params) => this.#events.receive(name, params));
    void launched.ended.then((exit) => this.#onExit(launched, exit));
    this.#handshake(launched).catch((error: unknown) => this.#onHandshakeError(launched, error));
  }

  async #handshake(launched: SidecarProcess): Promise<void> {
    const { client } = launched;
    const hostParams = await this.#options.handshake();
    const position = this.#events.position;
    const resume = position === null ? {} : { resume: { epoch: position.epoch, after_seq: position.seq } };
    const params = {
      ...hostParams,
      ...resume,
      protocol_version: PROTOCOL_VERSION,
      schema_hash: SCHEMA_HASH,
      process_id: process.pid,
    };
    const initialized = await client.initialize(params, { timeoutMs: HANDSHAKE_TIMEOUT_MS });
    const mismatch = this.#mismatchOf(initialized);
    if (mismatch !== null) {
      this.#fail("protocol_mismatch", mismatch);
      return;
    }
    if (launched.isStopping) return;
    this.#client = client;
    this.#steady = setTimeout(() => this.#setState({ crashes: 0 }), this.#options.policy.steadyMs);
    this.#steady.unref();
    this.#events.attach(initialized.events);
    const { server_info: server, schema_match: schemaMatch, secrets } = initialized;
    this.#setState({ status: "ready", message: null, version: server.version, schemaMatch, secrets });
  }

  /** Returns why the sidecar must not be used, or null. */
  #mismatchOf({ protocol_version: theirs, schema_match: match, server_info: server }: Initialized): string | null {
    if (theirs !== PROTOCOL_VERSION)
      return `The sidecar uses protocol version ${theirs}, but this app uses ${PROTOCOL_VERSION}.`;
    if (match !== false) return null;
    const text = `Sidecar ${server.version} was built from another contract than this app: reinstall both together.`;
    if (this.#options.schemaMismatch === "refuse") return text;
    this.#options.onFault(new Error(text));
    return null;
  }

  #onHandshakeError(launched: SidecarProcess, error: unknown): void {
    if (launched.isStopping) return;
    if (error instanceof RpcError && error.kind === "sidecar_ended") return; // #onExit handles it
    if (error instanceof RpcError && error.kind === "timed_out") launched.kill();
    else this.#fail("refused", error instanceof Error ? error.message : String(error));
  }

  /** Stops the sidecar until `start` is called. */
  #fail(failure: Failure, message: string): void {
    this.#setState({ status: "failed", failure, message });
    void this.#process?.stop();
  }

  #onExit({ isStopping }: SidecarProcess, exit: ProcessExit): void {
    this.#process = null;
    this.#client = null;
    if (isStopping) return;
    const message = exit.spawnError ?? this.#options.log.message;
    this.#forgetSteady();
    const crashes = this.#state.crashes + 1;
    const ended = { crashes, exitCode: exit.code, message };
    const decision = decideRestart(exit, crashes, this.#options.policy);
    if ("failure" in decision) {
      this.#setState({ status: "failed", failure: decision.failure, ...ended });
      return;
    }
    this.#restart = setTimeout(() => this.#launch(), decision.restartInMs);
    this.#setState({ status: "restarting", ...ended });
  }

  #forgetSteady(): void {
    if (this.#steady !== null) clearTimeout(this.#steady);
    this.#steady = null;
  }

  #setState(change: Partial<SidecarState>): void {
    this.#state = Object.freeze({ ...this.#state, ...change });
    this.#stateListeners.emit("state", this.#state);
  }

  #unavailable(): RpcError {
    const { status, message } = this.#state;
    const text =
      status === "failed"
        ? `The sidecar is not running: ${message ?? this.#state.failure}`
        : "The sidecar was stopped.";
    return localError("sidecar_ended", text, { retryable: false, exit_code: this.#state.exitCode });
  }

  #waitUntilReady(name: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<Client> {
    return new Promise((resolve, reject) => {
      if (this.#waiting >= MAX_WAITING) throw localError("too_many_calls", `${MAX_WAITING} calls are already waiting.`);
      this.#waiting += 1;
      const check = (): void => {
        const client = this.#client;
        if (client !== null) settle(() => resolve(client));
        else if (this.#state.status === "stopped" || this.#state.status === "failed")
          settle(() => reject(this.#unavailable()));
      };
      const settle = (finish: () => void): void => {
        this.#waiting -= 1;
        clearTimeout(timer);
        removeListener();
        signal?.removeEventListener("abort", aborted);
        finish();
      };
      const aborted = (): void => settle(() => reject(signal?.reason));
      const text = `${name}: the sidecar was not ready in time.`;
      const timedOut = (): void => settle(() => reject(localError("timed_out", text, { retryable: true })));
      const timer = setTimeout(timedOut, timeoutMs);
      const removeListener = this.onState(check);
      if (signal?.aborted) aborted();
      else {
        signal?.addEventListener("abort", aborted);
        check();
      }
    });
  }
}
