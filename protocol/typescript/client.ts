// One conversation with one sidecar, over any pair of byte streams.  It imports neither Electron nor Node.
//
// Who owns the streams pushes what was read into `receive`, takes lines from `send`, and says `end` once nothing more
// can come: answers that were already under way are then delivered, and only what is left is rejected.
import type { ClientNotifications, InitializeParams, Initialized, Methods, Notifications } from "./contract.ts";
import type {
  CallArguments,
  CallOptions,
  Caller,
  EventName,
  RequestName,
  Result,
  NotificationSource,
} from "./calls.ts";
import { localError, RpcError } from "./errors.ts";
import type { RpcErrorObject } from "./errors.ts";
import { LineSplitter } from "./framing.ts";
import { Listeners, toConsole } from "./listeners.ts";
import type { AnyListener, OnFault } from "./listeners.ts";

export * from "./contract.ts";
export * from "./calls.ts";
export { LineSplitter, MAX_LINE_BYTES } from "./framing.ts";
export { localError, RpcError } from "./errors.ts";
export type { LocalErrorKind, RpcErrorData, RpcErrorObject } from "./errors.ts";
export type { AnyListener, OnFault } from "./listeners.ts";

/** What a call may take where nothing else is said; requests answer in milliseconds, and long work is a job. */
export const TIMEOUT_MS = 60_000;
/** The sidecar's own deadline comes first and says more, so ours leaves it this much. */
export const GRACE_MS = 2_000;
/** The sidecar refuses more than 256 at a time; what is beyond waits here, in order. */
export const MAX_IN_FLIGHT = 256;
/** More than this is a loop that has gone wrong. */
export const MAX_WAITING = 10_000;
/** A deadline may be a day away; what takes longer is a job. */
export const MAX_TIMEOUT_MS = 24 * 3600 * 1000;

export interface ClientOptions {
  /** Takes a line with its end; called in order. */
  send: (line: string) => void;
  onFault?: OnFault;
}

interface Pending {
  name: string;
  params: object | undefined;
  options: CallOptions;
  resolve: (result: unknown) => void;
  reject: (reason: unknown) => void;
  /** Null once nobody waits any more; the answer will still come, and until then counts as in flight. */
  stopWaiting: (() => void) | null;
}

interface Incoming {
  id?: number | string | null;
  method?: unknown;
  params?: unknown;
  result?: unknown;
  error?: RpcErrorObject;
}

/** Calls out, answers and notifications in. */
export class Client implements Caller, NotificationSource {
  readonly #send: (line: string) => void;
  readonly #onFault: OnFault;
  readonly #listeners: Listeners;
  readonly #lines: LineSplitter;
  /** By id: what was sent and is not answered. */
  readonly #inFlight = new Map<number, Pending>();
  /** By id, in the order of the calls: what is not sent yet. */
  readonly #waiting = new Map<number, Pending>();
  #lastId = 0;
  #ended: RpcError | null = null;

  constructor({ send, onFault = toConsole }: ClientOptions) {
    this.#send = send;
    this.#onFault = onFault;
    this.#listeners = new Listeners(onFault);
    const drop = (bytes: number): void => onFault(new Error(`a line of ${bytes} bytes was dropped`));
    this.#lines = new LineSplitter((line) => this.#read(line), drop);
  }

  call<Name extends RequestName>(name: Name, ...[params, options]: CallArguments<Name>): Result<Name> {
    return this.request(name, params, options) as Result<Name>;
  }

  /** The handshake; the first thing to be said. */
  initialize(params: InitializeParams, options?: CallOptions): Promise<Initialized> {
    return this.request("initialize", params, options) as Promise<Initialized>;
  }

  /** Asks the process to finish what is in flight and stop its children.  Then `tell("exit")`, or close its stdin. */
  shutdown(params: Methods["shutdown"]["params"] = {}, options?: CallOptions): Result<"shutdown"> {
    return this.request("shutdown", params, options) as Result<"shutdown">;
  }

  /** Any request by its name, unchecked by the compiler: for names that were checked otherwise. */
  request(name: string, params?: object, options: CallOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (options.signal?.aborted) throw options.signal.reason;
      if (this.#ended !== null) throw this.#ended;
      checkTimeout(options.timeoutMs);
      if (this.#waiting.size >= MAX_WAITING) throw localError("too_many_calls", `${MAX_WAITING} calls wait already.`);
      const id = (this.#lastId += 1);
      const pending: Pending = { name, params, options, resolve, reject, stopWaiting: null };
      this.#waiting.set(id, pending);
      pending.stopWaiting = this.#giveUpWhenAsked(id, pending);
      this.#sendWaiting();
    });
  }

  /** Tells the sidecar something; nothing is answered. */
  tell<Name extends keyof ClientNotifications>(name: Name, params: ClientNotifications[Name]): void {
    if (this.#ended === null) this.#send(`${JSON.stringify({ jsonrpc: "2.0", method: name, params })}\n`);
  }

  on<Name extends EventName | "events.lag">(name: Name, listener: (params: Notifications[Name]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  /** Hears every notification, those included that this version of the contract does not know. */
  onAny(listener: AnyListener): () => void {
    return this.#listeners.onAny(listener);
  }

  /** Takes what was read, in any pieces. */
  receive(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  /** Nothing more will be read: what is unanswered is rejected with `reason`, and so is every later call. */
  end(reason: RpcError): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    if (this.#lines.unfinished > 0) {
      this.#onFault(new Error(`the sidecar ended ${this.#lines.unfinished} bytes into a line`));
    }
    const left = [...this.#inFlight.values(), ...this.#waiting.values()];
    this.#inFlight.clear();
    this.#waiting.clear();
    for (const pending of left) {
      pending.stopWaiting?.();
      pending.reject(reason);
    }
  }

  /** What is asked and not answered. */
  get unanswered(): number {
    return this.#inFlight.size + this.#waiting.size;
  }

  #sendWaiting(): void {
    for (const [id, pending] of this.#waiting) {
      if (this.#inFlight.size >= MAX_IN_FLIGHT) return;
      this.#waiting.delete(id);
      try {
        const line = this.#encoded(id, pending);
        this.#inFlight.set(id, pending);
        this.#send(line);
      } catch (error) {
        // JSON has no place for a BigInt or a cycle.
        this.#inFlight.delete(id);
        pending.stopWaiting?.();
        pending.reject(error);
      }
    }
  }

  #encoded(id: number, { name, params, options }: Pending): string {
    const meta = {
      ...(options.timeoutMs === undefined ? {} : { timeout_ms: options.timeoutMs }),
      ...(options.onProgress === undefined ? {} : { progress_token: id }),
    };
    const whole = Object.keys(meta).length === 0 ? (params ?? {}) : { ...params, _meta: meta };
    return `${JSON.stringify({ jsonrpc: "2.0", id, method: name, params: whole })}\n`;
  }

  #giveUpWhenAsked(id: number, pending: Pending): () => void {
    const { signal, timeoutMs = TIMEOUT_MS } = pending.options;
    const late = (): void =>
      giveUp(localError("timed_out", `${pending.name} was not answered in time.`, { retryable: true }));
    const aborted = (): void => giveUp(signal?.reason);
    const timer = setTimeout(late, timeoutMs + GRACE_MS);
    const stopWaiting = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      pending.stopWaiting = null;
    };
    const giveUp = (reason: unknown): void => {
      stopWaiting();
      if (!this.#waiting.delete(id)) this.tell("$/cancelRequest", { id });
      pending.reject(reason);
    };
    signal?.addEventListener("abort", aborted);
    return stopWaiting;
  }

  #read(line: string): void {
    if (line.trim() === "") return;
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      // Never the line itself: it may hold what no log should.
      this.#onFault(new Error(`a line of ${line.length} characters is not JSON`));
      return;
    }
    for (const one of Array.isArray(message) ? message : [message]) this.#take(one as Incoming);
  }

  #take(message: Incoming): void {
    if (typeof message !== "object" || message === null) {
      this.#onFault(new Error("a line is not a JSON-RPC message"));
    } else if (typeof message.method === "string") {
      this.#hear(message.method, message.params);
    } else {
      this.#settle(message);
    }
  }

  #hear(name: string, params: unknown): void {
    if (name !== "$/progress") {
      this.#listeners.emit(name, params);
      return;
    }
    const { token, value } = params as Notifications["$/progress"];
    const pending = this.#inFlight.get(Number(token));
    if (pending?.stopWaiting == null) return;
    try {
      pending.options.onProgress?.(value);
    } catch (error) {
      this.#onFault(error);
    }
  }

  #settle({ id, result, error }: Incoming): void {
    // A refused line has no id of its own; the sidecar names the one that it could read off it.
    const answered = Number(id ?? error?.data?.["recovered_id"] ?? NaN);
    const pending = this.#inFlight.get(answered);
    if (pending === undefined) {
      this.#onFault(error === undefined ? new Error("an answer fits no request") : new RpcError(error));
      return;
    }
    this.#inFlight.delete(answered);
    pending.stopWaiting?.();
    if (error === undefined) pending.resolve(result);
    else pending.reject(new RpcError(error));
    this.#sendWaiting();
  }
}

function checkTimeout(timeoutMs: number | undefined): void {
  if (timeoutMs === undefined || (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS)) return;
  throw new RangeError(`timeoutMs is a whole number from 1 to ${MAX_TIMEOUT_MS}, not ${timeoutMs}`);
}
