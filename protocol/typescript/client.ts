// A JSON-RPC client for one sidecar, over any pair of byte streams.  It imports neither Electron nor Node.
//
// The owner of the streams passes the bytes it reads to `receive`, writes the lines it gets through `send`, and calls
// `end` after the last byte.  Only requests that have no response by then are rejected.
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
import { callError, localError, RpcError } from "./errors.ts";
import type { RpcErrorObject } from "./errors.ts";
import { consumerOf } from "./event_iterator.ts";
import type { EventConsumer } from "./event_iterator.ts";
import { LineSplitter } from "./framing.ts";
import { Listeners, toConsole } from "./listeners.ts";
import type { AnyListener, OnFault } from "./listeners.ts";

export * from "./contract.ts";
export * from "./calls.ts";
export { LineSplitter, MAX_LINE_BYTES } from "./framing.ts";
export { MAX_WAITING_EVENTS } from "./event_iterator.ts";
export type { EventConsumer, EventsOptions, OnceOptions } from "./event_iterator.ts";
export { toolInput, unknownJob } from "./jobs.ts";
export type { ToolInputs } from "./jobs.ts";
export { isSidecarError, localError, RpcError } from "./errors.ts";
export type { ErrorDetail, LocalErrorKind, RpcErrorData, RpcErrorObject, SidecarErrorKind } from "./errors.ts";
export type { AnyListener, OnFault } from "./listeners.ts";

/** The default timeout of a call.  Most requests take milliseconds; long work is a job. */
export const TIMEOUT_MS = 60_000;
/** How long the client waits beyond the sidecar's own deadline, whose error is more specific. */
export const GRACE_MS = 2_000;
/** The sidecar refuses more requests than this at a time; further ones wait in the client, in order. */
export const MAX_IN_FLIGHT = 256;
/** The maximum number of requests that wait in the client; more indicate a runaway loop. */
export const MAX_WAITING = 10_000;
/** The longest timeout of a call, one day; longer work is a job. */
export const MAX_TIMEOUT_MS = 24 * 3600 * 1000;

export interface ClientOptions {
  /** Writes a line, which includes its line feed. */
  send: (line: string) => void;
  onFault?: OnFault;
}

interface Pending {
  name: string;
  params: object | undefined;
  options: CallOptions;
  resolve: (result: unknown) => void;
  reject: (reason: unknown) => void;
  /** Removes the timer and the abort listener; null once the call has settled.  A response may still arrive. */
  stopWaiting: (() => void) | null;
}

interface IncomingMessage {
  id?: number | string | null;
  method?: unknown;
  params?: unknown;
  result?: unknown;
  error?: RpcErrorObject;
}

/** Sends requests and emits notifications. */
export class Client implements Caller, NotificationSource, EventConsumer {
  readonly events: EventConsumer["events"];
  readonly once: EventConsumer["once"];
  readonly #send: (line: string) => void;
  readonly #onFault: OnFault;
  readonly #listeners: Listeners;
  readonly #lines: LineSplitter;
  /** Requests that were sent and have no response yet, by id. */
  readonly #inFlight = new Map<number, Pending>();
  /** Requests that were not sent yet, by id, in the order of the calls. */
  readonly #waiting = new Map<number, Pending>();
  #lastId = 0;
  readonly #endListeners = new Set<() => void>();
  #ended: RpcError | null = null;

  constructor({ send, onFault = toConsole }: ClientOptions) {
    this.#send = send;
    this.#onFault = onFault;
    this.#listeners = new Listeners(onFault);
    const drop = (bytes: number): void => onFault(new Error(`a line of ${bytes} bytes was dropped`));
    this.#lines = new LineSplitter((line) => this.#onLine(line), drop);
    const { events, once } = consumerOf(this, (listener) => {
      if (this.#ended !== null) listener();
      this.#endListeners.add(listener);
      return () => void this.#endListeners.delete(listener);
    });
    this.events = events;
    this.once = once;
  }

  call<Name extends RequestName>(name: Name, ...[params, options]: CallArguments<Name>): Result<Name> {
    return this.request(name, params, options) as Result<Name>;
  }

  /** Performs the handshake, which must be the first request. */
  initialize(params: InitializeParams, options?: CallOptions): Promise<Initialized> {
    return this.request("initialize", params, options) as Promise<Initialized>;
  }

  /** Asks the sidecar to finish its requests and stop its children.  Then send `exit` or close its stdin. */
  shutdown(params: Methods["shutdown"]["params"] = {}, options?: CallOptions): Result<"shutdown"> {
    return this.request("shutdown", params, options) as Result<"shutdown">;
  }

  /** Sends any request by its name.  The compiler checks neither name nor params. */
  request(name: string, params?: object, options: CallOptions = {}): Promise<unknown> {
    const response = new Promise((resolve, reject) => {
      if (options.signal?.aborted) throw options.signal.reason;
      if (this.#ended !== null) throw this.#ended;
      checkTimeout(options.timeoutMs);
      if (this.#waiting.size >= MAX_WAITING)
        throw localError("too_many_calls", `${MAX_WAITING} calls are already waiting.`);
      const id = (this.#lastId += 1);
      const pending: Pending = { name, params, options, resolve, reject, stopWaiting: null };
      this.#waiting.set(id, pending);
      pending.stopWaiting = this.#watchForCancellation(id, pending);
      this.#sendWaiting();
    });
    return response.catch((reason: unknown) => {
      throw callError(reason, name, options.signal);
    });
  }

  /** Sends a notification. */
  notify<Name extends keyof ClientNotifications>(name: Name, params: ClientNotifications[Name]): void {
    if (this.#ended === null) this.#send(`${JSON.stringify({ jsonrpc: "2.0", method: name, params })}\n`);
  }

  on<Name extends EventName | "events.lag">(name: Name, listener: (params: Notifications[Name]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  /** Listens to every notification, including those that this version of the contract does not know. */
  onAny(listener: AnyListener): () => void {
    return this.#listeners.onAny(listener);
  }

  /** Processes bytes from the sidecar, in chunks of any size. */
  receive(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  /** Marks the end of the stream: rejects all pending and all later requests with `reason`. */
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
    for (const listener of [...this.#endListeners]) listener();
  }

  /** The number of requests without a response. */
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
        // The params are not JSON, for example a BigInt or a cycle.
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

  #watchForCancellation(id: number, pending: Pending): () => void {
    const { signal, timeoutMs = TIMEOUT_MS } = pending.options;
    const timedOut = (): void =>
      cancel(localError("timed_out", `${pending.name} had no response in time.`, { retryable: true }));
    const aborted = (): void => cancel(signal?.reason);
    const timer = setTimeout(timedOut, timeoutMs + GRACE_MS);
    const stopWaiting = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      pending.stopWaiting = null;
    };
    const cancel = (reason: unknown): void => {
      stopWaiting();
      if (!this.#waiting.delete(id)) this.notify("$/cancelRequest", { id });
      pending.reject(reason);
    };
    signal?.addEventListener("abort", aborted);
    return stopWaiting;
  }

  #onLine(line: string): void {
    if (line.trim() === "") return;
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      // The line itself is left out: it may contain data that must not be logged.
      this.#onFault(new Error(`a line of ${line.length} characters is not JSON`));
      return;
    }
    for (const one of Array.isArray(message) ? message : [message]) this.#onMessage(one as IncomingMessage);
  }

  #onMessage(message: IncomingMessage): void {
    if (typeof message !== "object" || message === null) {
      this.#onFault(new Error("a line is not a JSON-RPC message"));
    } else if (typeof message.method === "string") {
      this.#onNotification(message.method, message.params);
    } else {
      this.#onResponse(message);
    }
  }

  #onNotification(name: string, params: unknown): void {
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

  #onResponse({ id, result, error }: IncomingMessage): void {
    // The response to a line that could not be parsed has no id, but the id that the sidecar could still read in it.
    const requestId = Number(id ?? error?.data?.recovered_id ?? NaN);
    const pending = this.#inFlight.get(requestId);
    if (pending === undefined) {
      this.#onFault(error === undefined ? new Error("a response matches no request") : new RpcError(error));
      return;
    }
    this.#inFlight.delete(requestId);
    pending.stopWaiting?.();
    if (error === undefined) pending.resolve(result);
    else pending.reject(new RpcError(error));
    this.#sendWaiting();
  }
}

function checkTimeout(timeoutMs: number | undefined): void {
  if (timeoutMs === undefined || (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS)) return;
  throw localError("invalid_arguments", `timeoutMs must be an integer from 1 to ${MAX_TIMEOUT_MS}, not ${timeoutMs}`);
}
