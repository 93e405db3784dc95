// Notifications as an asynchronous iteration and as a promise.  All clients share this implementation.
import type { EventName, NotificationSource } from "./calls.ts";
import type { Notifications } from "./contract.ts";
import { callError, localError } from "./errors.ts";
import type { RpcError } from "./errors.ts";
import { passes } from "./event_filter.ts";
import type { EventFilter } from "./event_filter.ts";

/** The default maximum of notifications that wait for the consumer of an iteration. */
export const MAX_WAITING_EVENTS = 1_000;

export interface EventsOptions {
  /** Ends the iteration; notifications that were not consumed are dropped. */
  signal?: AbortSignal;
  /** Restricts the notifications to those of one session or job. */
  filter?: EventFilter;
  /** The maximum of notifications that wait for the consumer, 1,000 by default. */
  limit?: number;
}

export interface OnceOptions<Name extends EventName> {
  /** Rejects with `aborted`. */
  signal?: AbortSignal;
  filter?: EventFilter;
  /** Waits for the first notification for which this returns true. */
  where?: (params: Notifications[Name]) => boolean;
  /** Rejects with `timed_out`; by default the wait has no end. */
  timeoutMs?: number;
}

/** An object whose notifications can be awaited. */
export interface EventConsumer {
  /**
   * Iterates over notifications: `for await (const { job } of sidecar.events("jobs.updated", { signal }))`.
   *
   * It listens at once, not with the first step.  It ends with `break`, the signal or the connection, and then listens
   * no more.  If more than `limit` notifications wait, it delivers these and then throws `too_many_events`: load a
   * snapshot, and iterate again.
   */
  events<Name extends EventName>(name: Name, options?: EventsOptions): AsyncIterableIterator<Notifications[Name]>;
  /** Resolves to the next notification; rejects with `aborted`, `timed_out` or `sidecar_ended`. */
  once<Name extends EventName>(name: Name, options?: OnceOptions<Name>): Promise<Notifications[Name]>;
}

interface Source extends NotificationSource {
  on<Name extends EventName>(
    name: Name,
    listener: (params: Notifications[Name]) => void,
    filter?: EventFilter,
  ): () => void;
}

/** Calls the listener once when the source has ended for good.  Returns a function that removes it. */
export type OnEnd = (listener: () => void) => () => void;

const never: OnEnd = () => () => undefined;

/** Returns the two functions for a source of notifications. */
export function consumerOf(source: Source, onEnd: OnEnd = never): EventConsumer {
  return {
    events: (name, options) => new EventIterator(source, name, options ?? {}, onEnd),
    once: (name, options) => once(source, name, options ?? {}, onEnd),
  };
}

/** Adds a contract's methods, of which some begin with `events`, to an object that has `events`. */
export function withMethods<Controls extends EventConsumer, Methods extends { events: object }>(
  controls: Controls,
  methods: Methods,
): Controls & Methods {
  const events = Object.freeze(Object.assign(controls.events, methods.events));
  return Object.freeze(Object.assign(controls, methods, { events }));
}

interface Step<Value> {
  resolve: (result: IteratorResult<Value, undefined>) => void;
  reject: (error: RpcError) => void;
}

const DONE = Object.freeze({ done: true, value: undefined });

class EventIterator<Name extends EventName> implements AsyncIterableIterator<Notifications[Name]> {
  readonly #waiting: Array<Notifications[Name]> = [];
  /** Steps that wait for a notification; empty if notifications wait. */
  readonly #steps: Array<Step<Notifications[Name]>> = [];
  readonly #removeListeners: Array<() => void> = [];
  #error: RpcError | null = null;
  #hasEnded = false;

  constructor(source: Source, name: Name, { signal, filter, limit = MAX_WAITING_EVENTS }: EventsOptions, onEnd: OnEnd) {
    if (signal?.aborted) {
      this.#hasEnded = true;
      return;
    }
    const receive = (params: Notifications[Name]): void => {
      if (this.#hasEnded || !passes(filter ?? null, name, params)) return;
      const step = this.#steps.shift();
      if (step !== undefined) step.resolve({ done: false, value: params });
      else if (this.#waiting.length < limit) this.#waiting.push(params);
      else this.#end(localError("too_many_events", `More than ${limit} ${name} are waiting for their consumer.`));
    };
    const aborted = (): void => {
      this.#waiting.length = 0;
      this.#end(null);
    };
    this.#removeListeners.push(source.on(name, receive, filter));
    this.#removeListeners.push(onEnd(() => this.#end(null)));
    signal?.addEventListener("abort", aborted, { once: true });
    this.#removeListeners.push(() => signal?.removeEventListener("abort", aborted));
  }

  next(): Promise<IteratorResult<Notifications[Name], undefined>> {
    const value = this.#waiting.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    const error = this.#error;
    this.#error = null; // as a generator: it throws once and is then done
    if (error !== null) return Promise.reject(error);
    if (this.#hasEnded) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#steps.push({ resolve, reject }));
  }

  /** Called by `break`, and by an error in the loop. */
  return(): Promise<IteratorResult<Notifications[Name], undefined>> {
    this.#waiting.length = 0;
    this.#error = null;
    this.#end(null);
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(error: RpcError | null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#error = error;
    this.#removeListeners.splice(0).forEach((remove) => remove());
    for (const { resolve } of this.#steps.splice(0)) resolve(DONE);
  }
}

function once<Name extends EventName>(
  source: Source,
  name: Name,
  { signal, filter, where = () => true, timeoutMs }: OnceOptions<Name>,
  onEnd: OnEnd,
): Promise<Notifications[Name]> {
  const cleanUp: Array<() => void> = [];
  const found = new Promise<Notifications[Name]>((resolve, reject) => {
    if (signal?.aborted) throw signal.reason;
    const aborted = (): void => reject(signal?.reason);
    const receive = (params: Notifications[Name]): void => {
      try {
        if (passes(filter ?? null, name, params) && where(params)) resolve(params);
      } catch (error) {
        reject(error);
      }
    };
    if (timeoutMs !== undefined) {
      const text = `No ${name} arrived in ${timeoutMs} ms.`;
      const timer = setTimeout(() => reject(localError("timed_out", text, { retryable: true })), timeoutMs);
      cleanUp.push(() => clearTimeout(timer));
    }
    signal?.addEventListener("abort", aborted, { once: true });
    cleanUp.push(() => signal?.removeEventListener("abort", aborted));
    cleanUp.push(source.on(name, receive, filter));
    cleanUp.push(onEnd(() => reject(localError("sidecar_ended", `The sidecar ended before ${name} arrived.`))));
  });
  return found
    .catch((reason: unknown) => {
      throw callError(reason, name, signal);
    })
    .finally(() => cleanUp.forEach((step) => step()));
}
