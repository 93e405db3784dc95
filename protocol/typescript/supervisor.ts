// Keeps one sidecar alive: starts it, shakes hands, restarts it, and lets callers and listeners not notice.
//
// A call that is made while no process is ready waits for one; a call that a process took with it is rejected, since
// only the caller knows whether to repeat it.  Listeners stay; what they missed meanwhile is replayed.
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
import { localError, RpcError } from "./errors.ts";
import { Feed } from "./events.ts";
import type { EventPosition } from "./events.ts";
import { Listeners } from "./listeners.ts";
import type { AnyListener, OnFault } from "./listeners.ts";
import type { LogTail } from "./log_tail.ts";
import { SidecarProcess } from "./process.ts";
import type { Command, ProcessExit } from "./process.ts";
import { decideRestart } from "./restarts.ts";
import type { RestartPolicy } from "./restarts.ts";
import type { Failure, SidecarState } from "./state.ts";

/** A large database is copied before it is migrated, and only then is the handshake answered. */
const HANDSHAKE_MS = 10 * 60_000;

export interface SupervisorOptions {
  command: Command;
  /** What is said at each handshake, beside what this package knows. */
  handshake: () => Promise<Omit<InitializeParams, "protocol_version" | "schema_hash" | "resume" | "process_id">>;
  policy: RestartPolicy;
  schemaMismatch: "warn" | "refuse";
  log: LogTail;
  onFault: OnFault;
}

/** The sidecar, whichever process it is just now. */
export class Supervisor implements Caller, NotificationSource {
  readonly #options: SupervisorOptions;
  readonly #events: Listeners;
  readonly #states: Listeners;
  readonly #feed: Feed;
  #state: SidecarState = {
    status: "stopped",
    failure: null,
    exitCode: null,
    message: null,
    version: null,
    schemaMatch: null,
    secrets: null,
  };
  #process: SidecarProcess | null = null;
  /** The process's client, once it has shaken hands. */
  #ready: Client | null = null;
  #failures = 0;
  #readySince: number | null = null;
  #waiting = 0;
  #restart: ReturnType<typeof setTimeout> | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#events = new Listeners(options.onFault);
    this.#states = new Listeners(options.onFault);
    const fetch = (after: number): Promise<EventPage> =>
      this.#readyClient().call("events.replay", { after_seq: after });
    this.#feed = new Feed(fetch, (name, params) => this.#events.emit(name, params), options.onFault);
  }

  get state(): SidecarState {
    return this.#state;
  }

  /** The last durable notification that listeners were given. */
  get position(): EventPosition | null {
    return this.#feed.position;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get isRunning(): boolean {
    return this.#process !== null;
  }

  onState(listener: (state: SidecarState) => void): () => void {
    return this.#states.on("state", listener);
  }

  on<Name extends EventName>(name: Name, listener: (params: Notifications[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  onAny(listener: AnyListener): () => void {
    return this.#events.onAny(listener);
  }

  call<Name extends RequestName>(name: Name, ...[params, options]: CallArguments<Name>): Result<Name> {
    return this.request(name, params, options) as Result<Name>;
  }

  async request(name: string, params?: object, options: CallOptions = {}): Promise<unknown> {
    if (this.#ready !== null) return this.#ready.request(name, params, options);
    const { timeoutMs = TIMEOUT_MS } = options;
    const until = Date.now() + timeoutMs;
    const client = await this.#nextReady(name, timeoutMs + GRACE_MS, options.signal);
    const left = options.timeoutMs === undefined ? {} : { timeoutMs: Math.max(1, until - Date.now()) };
    return client.request(name, params, { ...options, ...left });
  }

  /** Starts it, unless it runs; after `stop`, or once it has failed, that is how it comes back. */
  async start(): Promise<void> {
    const { status } = this.#state;
    if (status !== "stopped" && status !== "failed") return;
    this.#failures = 0;
    this.#change({ status: "starting", failure: null, message: null });
    await this.#process?.ended; // two at a time would fight for the database
    // `stop` may have been called meanwhile, and even `start` once more.
    if (this.#state.status === "starting" && this.#process === null) this.#launch();
  }

  /** Resolves once the handshake is done; rejects where the sidecar has failed or was stopped. */
  async ready(): Promise<void> {
    if (this.#ready === null) await this.#nextReady("ready", HANDSHAKE_MS, undefined);
  }

  /** Lets it finish and waits until the process is gone: its files are then free, for an update as well. */
  async stop(): Promise<void> {
    if (this.#restart !== null) clearTimeout(this.#restart);
    this.#restart = null;
    this.#ready = null;
    this.#change({ status: "stopped", failure: null });
    await this.#process?.stop();
  }

  #launch(): void {
    this.#restart = null;
    const { command, log, onFault } = this.#options;
    log.begin();
    let launched: SidecarProcess;
    try {
      launched = new SidecarProcess(command, log, onFault);
    } catch (error) {
      this.#fail("not_startable", String(error)); // most reasons come as an ending; a few are thrown
      return;
    }
    this.#process = launched;
    this.#feed.detach();
    this.#change({ status: this.#failures === 0 ? "starting" : "restarting", failure: null });
    launched.client.onAny((name, params) => this.#feed.take(name, params));
    void launched.ended.then((ending) => this.#ended(launched, ending));
    this.#greet(launched).catch((error: unknown) => this.#notGreeted(launched, error));
  }

  async #greet(launched: SidecarProcess): Promise<void> {
    const { client } = launched;
    const said = await this.#options.handshake();
    const position = this.#feed.position;
    const resume = position === null ? {} : { resume: { epoch: position.epoch, after_seq: position.seq } };
    const params = {
      ...said,
      ...resume,
      protocol_version: PROTOCOL_VERSION,
      schema_hash: SCHEMA_HASH,
      process_id: process.pid,
    };
    const initialized = await client.initialize(params, { timeoutMs: HANDSHAKE_MS });
    const misfit = this.#misfit(initialized);
    if (misfit !== null) {
      this.#fail("protocol_mismatch", misfit);
      return;
    }
    if (launched.isStopping) return;
    this.#ready = client;
    this.#readySince = performance.now();
    this.#feed.attach(initialized.events);
    const { server_info: server, schema_match: schemaMatch, secrets } = initialized;
    this.#change({ status: "ready", message: null, version: server.version, schemaMatch, secrets });
  }

  #misfit({ protocol_version: theirs, schema_match: match, server_info: server }: Initialized): string | null {
    if (theirs !== PROTOCOL_VERSION) return `The sidecar speaks protocol ${theirs}, this app ${PROTOCOL_VERSION}.`;
    if (match !== false) return null;
    const words = `Sidecar ${server.version} was built from another contract than this app: reinstall both together.`;
    if (this.#options.schemaMismatch === "refuse") return words;
    this.#options.onFault(new Error(words));
    return null;
  }

  #notGreeted(launched: SidecarProcess, error: unknown): void {
    if (launched.isStopping) return;
    if (error instanceof RpcError && error.kind === "sidecar_ended") return; // its end is dealt with as such
    if (error instanceof RpcError && error.kind === "timed_out") launched.kill();
    else this.#fail("refused", error instanceof Error ? error.message : String(error));
  }

  /** Stops for good, until somebody calls `start`. */
  #fail(failure: Failure, message: string): void {
    this.#change({ status: "failed", failure, message });
    void this.#process?.stop();
  }

  #ended({ isStopping }: SidecarProcess, ending: ProcessExit): void {
    this.#process = null;
    this.#ready = null;
    if (isStopping) return;
    const message = ending.spawnError ?? this.#options.log.complaint;
    if (this.#readySince !== null && performance.now() - this.#readySince >= this.#options.policy.steadyMs)
      this.#failures = 0;
    this.#readySince = null;
    this.#failures += 1;
    const decided = decideRestart(ending, this.#failures, this.#options.policy);
    if ("failure" in decided) {
      this.#change({ status: "failed", failure: decided.failure, exitCode: ending.code, message });
      return;
    }
    this.#restart = setTimeout(() => this.#launch(), decided.restartInMs);
    this.#change({ status: "restarting", exitCode: ending.code, message });
  }

  #change(change: Partial<SidecarState>): void {
    this.#state = Object.freeze({ ...this.#state, ...change });
    this.#states.emit("state", this.#state);
  }

  #readyClient(): Client {
    if (this.#ready === null) throw this.#unavailable();
    return this.#ready;
  }

  #unavailable(): RpcError {
    const { status, message } = this.#state;
    const words =
      status === "failed" ? `The sidecar does not run: ${message ?? this.#state.failure}` : "The sidecar was stopped.";
    return localError("sidecar_ended", words, { retryable: false, exit_code: this.#state.exitCode });
  }

  #nextReady(name: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<Client> {
    return new Promise((resolve, reject) => {
      if (this.#waiting >= MAX_WAITING) throw localError("too_many_calls", `${MAX_WAITING} calls wait already.`);
      this.#waiting += 1;
      const look = (): void => {
        if (this.#ready !== null) settle(() => resolve(this.#readyClient()));
        else if (this.#state.status === "stopped" || this.#state.status === "failed")
          settle(() => reject(this.#unavailable()));
      };
      const settle = (finish: () => void): void => {
        this.#waiting -= 1;
        clearTimeout(timer);
        unwatch();
        signal?.removeEventListener("abort", aborted);
        finish();
      };
      const aborted = (): void => settle(() => reject(signal?.reason));
      const words = `${name}: the sidecar was not ready in time.`;
      const late = (): void => settle(() => reject(localError("timed_out", words, { retryable: true })));
      const timer = setTimeout(late, timeoutMs);
      const unwatch = this.onState(look);
      if (signal?.aborted) aborted();
      else {
        signal?.addEventListener("abort", aborted);
        look();
      }
    });
  }
}
