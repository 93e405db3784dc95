// The client for pages: the contract's methods and notifications over the bridge that the preload script has exposed.
import { nested } from "./calls.ts";
import type { Api, CallArguments, Caller, EventName, RequestName, Result, NotificationSource } from "./calls.ts";
import type { BridgeResponse, SidecarBridge, SignIn } from "./channels.ts";
import type { CalendarAccount, Notifications } from "./contract.ts";
import { callError, localError, RpcError } from "./errors.ts";
import type { EventFilter } from "./event_filter.ts";
import { consumerOf, withMethods } from "./event_iterator.ts";
import type { EventConsumer } from "./event_iterator.ts";
import type { EventPosition } from "./events.ts";
import { Listeners, toConsole } from "./listeners.ts";
import type { OnFault } from "./listeners.ts";
import type { SidecarState } from "./state.ts";

export * from "./contract.ts";
export { liveList } from "./live_list.ts";
export type { LiveList, LiveListOptions, LiveListSnapshot } from "./live_list.ts";
export { conversation } from "./conversation.ts";
export type { Conversation, ConversationSnapshot, SendParams } from "./conversation.ts";
export type { Draft } from "./drafts.ts";
export { MAX_WAITING_EVENTS } from "./event_iterator.ts";
export type { EventConsumer, EventsOptions, OnceOptions } from "./event_iterator.ts";
export { toolInput, unknownJob } from "./jobs.ts";
export type { ToolInputs } from "./jobs.ts";
export { isSidecarError, RpcError } from "./errors.ts";
export type { ErrorDetail, LocalErrorKind, RpcErrorData, RpcErrorObject, SidecarErrorKind } from "./errors.ts";
export type { Api, CallOptions, EventName, RequestName } from "./calls.ts";
export type { SidecarBridge, SignInParams } from "./channels.ts";
export type { EventFilter } from "./event_filter.ts";
export type { EventPosition } from "./events.ts";
export type { Failure, SidecarState } from "./state.ts";

/** Listeners by the notification's name. */
export type EventListeners = { readonly [Name in EventName]?: (params: Notifications[Name]) => void };

/** The members of a page's sidecar besides the contract's methods. */
export interface PageControls extends Caller, EventConsumer, NotificationSource {
  /** Returns a function that removes the listener.  With a filter, the window only receives what passes it. */
  on<Name extends EventName>(
    name: Name,
    listener: (params: Notifications[Name]) => void,
    filter?: EventFilter,
  ): () => void;
  /**
   * Adds listeners, which first receive the notifications after a position that was stored before a reload.  If the log
   * no longer has them, they receive `events.resync` and must load snapshots.  Returns a function that removes them.
   */
  onSince(after: EventPosition, listeners: EventListeners, filter?: EventFilter): () => void;
  /** Returns the current position in the event log, or null if the sidecar is not running. */
  position(): Promise<EventPosition | null>;
  state(): Promise<SidecarState>;
  onState(listener: (state: SidecarState) => void): () => void;
  signIn: SignIn;
}

/** The sidecar in a page: `sidecar.jobs.list()`, `sidecar.on("jobs.updated", …)`. */
export type PageSidecar = PageControls & Api;

export interface ConnectOptions {
  onFault?: OnFault;
}

/** Connects a page to the sidecar through the bridge, which is `window.sidecar` by default. */
export function connectSidecar(
  bridge: SidecarBridge = bridgeOf(globalThis as { sidecar?: SidecarBridge }),
  { onFault = toConsole }: ConnectOptions = {},
): PageSidecar {
  const page = new Page(bridge, onFault);
  const controls: PageControls = {
    ...consumerOf(page),
    call: (...args) => page.call(...args),
    on: (name, listener, filter) => page.on(name, listener, filter),
    onSince: (after, listeners, filter) => page.onSince(after, listeners, filter),
    // A copy, because Electron's bridge freezes objects and the page updates its position.
    position: async () => {
      const position = await bridge.position().catch(rejectAs("position"));
      return position && { ...position };
    },
    state: () => bridge.state().catch(rejectAs("state")),
    onState: (listener) => bridge.onState(listener),
    signIn: (provider, params, { signal } = {}) =>
      page.cancellable("signIn", signal, (call) => bridge.signIn(call, provider, params)) as Promise<CalendarAccount>,
  };
  return withMethods(controls, nested(page));
}

// Shared by all clients of a page, because the bridge identifies calls by this number.  A page that was bundled with two
// copies of this module has two such counters, so that each begins at another number.
let lastCall = crypto.getRandomValues(new Uint32Array(1))[0]! * 2 ** 20;

class Page implements Caller, NotificationSource {
  readonly #bridge: SidecarBridge;
  readonly #listeners: Listeners;
  readonly #onFault: OnFault;
  /** The bridge's subscriptions: one for each name and filter, with the number of listeners. */
  readonly #subscriptions = new Map<string, { count: number; end: () => void }>();

  constructor(bridge: SidecarBridge, onFault: OnFault) {
    this.#bridge = bridge;
    this.#onFault = onFault;
    this.#listeners = new Listeners(onFault);
  }

  call<Name extends RequestName>(name: Name, ...[params, options]: CallArguments<Name>): Result<Name> {
    const { signal, ...rest } = options ?? {};
    return this.cancellable(name, signal, (call) => this.#bridge.call(call, name, params, rest)) as Result<Name>;
  }

  on<Name extends EventName>(
    name: Name,
    listener: (params: Notifications[Name]) => void,
    filter?: EventFilter,
  ): () => void {
    const key = JSON.stringify([name, filter?.session_id, filter?.job_id]);
    const subscription = this.#subscriptions.get(key) ?? this.#subscribe(key, name, filter);
    subscription.count += 1;
    const remove = this.#listeners.on(key, listener);
    let isActive = true;
    return () => {
      if (!isActive) return;
      isActive = false;
      remove();
      subscription.count -= 1;
      if (subscription.count > 0) return;
      subscription.end();
      this.#subscriptions.delete(key);
    };
  }

  onSince(after: EventPosition, listeners: EventListeners, filter?: EventFilter): () => void {
    const own = new Listeners(this.#onFault);
    for (const [name, listener] of Object.entries(listeners)) own.on(name, listener);
    return this.#bridge.subscribe(Object.keys(listeners), after, (name, params) => own.emit(name, params), filter);
  }

  /** Rejects with `aborted` as soon as the signal is. */
  async cancellable(
    method: string,
    signal: AbortSignal | undefined,
    start: (call: number) => Promise<BridgeResponse>,
  ): Promise<unknown> {
    if (signal?.aborted) throw callError(signal.reason, method, signal);
    const call = (lastCall += 1);
    const response = await new Promise<BridgeResponse>((resolve, reject) => {
      const aborted = (): void => {
        this.#bridge.cancel(call);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", aborted);
      start(call)
        .then(resolve, reject)
        .finally(() => signal?.removeEventListener("abort", aborted));
    }).catch(rejectAs(method, signal));
    if (response.ok) return response.value;
    throw new RpcError(response.error, method);
  }

  #subscribe(key: string, name: EventName, filter: EventFilter | undefined): { count: number; end: () => void } {
    if (!this.#bridge.notifications.includes(name))
      throw localError("not_allowed", `This page may not listen to ${name}.`);
    const end = this.#bridge.subscribe([name], null, (_name, params) => this.#listeners.emit(key, params), filter);
    const subscription = { count: 0, end };
    this.#subscriptions.set(key, subscription);
    return subscription;
  }
}

/** Returns a handler that throws the error of a call whose bridge has failed: Electron passes on only its message. */
function rejectAs(method: string, signal?: AbortSignal): (reason: unknown) => never {
  return (reason) => {
    const error = callError(reason, method, signal);
    if (error.kind !== "unknown") throw error;
    const kind = error.message.includes("not_allowed") ? "not_allowed" : "bridge_failed";
    throw callError(localError(kind, error.message, {}, reason), method);
  };
}

function bridgeOf(page: { sidecar?: SidecarBridge }): SidecarBridge {
  if (page.sidecar !== undefined) return page.sidecar;
  const advice = "set webPreferences.preload to the package's preload script.";
  throw localError("bridge_missing", `window.sidecar is missing: ${advice}`);
}
