// The page's side: the same typed client, over the bridge that the preload script put into the window.
import { nested } from "./calls.ts";
import type { Api, CallArguments, Caller, EventName, RequestName, Result, NotificationSource } from "./calls.ts";
import type { BridgeResponse, SidecarBridge, SignIn } from "./channels.ts";
import type { CalendarAccount, Notifications } from "./contract.ts";
import { RpcError } from "./errors.ts";
import type { EventPosition } from "./events.ts";
import { Listeners, toConsole } from "./listeners.ts";
import type { OnFault } from "./listeners.ts";
import type { SidecarState } from "./state.ts";

export * from "./contract.ts";
export { liveList } from "./live_list.ts";
export type { LiveList, LiveListOptions } from "./live_list.ts";
export { RpcError } from "./errors.ts";
export type { LocalErrorKind, RpcErrorData, RpcErrorObject } from "./errors.ts";
export type { Api, CallOptions, EventName, RequestName } from "./calls.ts";
export type { SidecarBridge, SignInParams } from "./channels.ts";
export type { EventPosition } from "./events.ts";
export type { Failure, SidecarState } from "./state.ts";

/** A function for each notification that is wanted. */
export type EventListeners = { readonly [Name in EventName]?: (params: Notifications[Name]) => void };

export interface PageControls extends Caller, NotificationSource {
  /**
   * Several listeners, which first hear what came after `after`: a position that was kept over a reload.  Where that is
   * too long ago, `events.resync` is heard instead, and snapshots are to be loaded.
   */
  onSince(after: EventPosition, listeners: EventListeners): () => void;
  /** Where the event log is now; null where the sidecar does not run.  Keep it, and the `seq` of what is heard later. */
  position(): Promise<EventPosition | null>;
  state(): Promise<SidecarState>;
  onState(listener: (state: SidecarState) => void): () => void;
  /** Opens the person's browser; resolves to the account. */
  signIn: SignIn;
}

/** The sidecar as a page sees it: `sidecar.jobs.list()`, `sidecar.on("jobs.updated", …)`. */
export type PageSidecar = PageControls & Api;

export interface ConnectOptions {
  onFault?: OnFault;
}

/** Over `bridge`, which the preload script has put into `window.sidecar`. */
export function connectSidecar(
  bridge: SidecarBridge = bridgeOf(globalThis as { sidecar?: SidecarBridge }),
  { onFault = toConsole }: ConnectOptions = {},
): PageSidecar {
  const page = new Page(bridge, onFault);
  const controls: PageControls = {
    call: (...args) => page.call(...args),
    on: (name, listener) => page.on(name, listener),
    onSince: (after, listeners) => page.onSince(after, listeners),
    // A copy: the bridge freezes what it hands over, and this is meant to be moved on.
    position: async () => {
      const position = await bridge.position();
      return position && { ...position };
    },
    state: () => bridge.state(),
    onState: (listener) => bridge.onState(listener),
    signIn: (provider, params, { signal } = {}) =>
      page.cancellable(signal, (call) => bridge.signIn(call, provider, params)) as Promise<CalendarAccount>,
  };
  return Object.freeze(Object.assign(controls, nested(page)));
}

// Shared by all clients of a page: the bridge tells calls apart by it.
let lastCall = 0;

class Page implements Caller, NotificationSource {
  readonly #bridge: SidecarBridge;
  readonly #listeners: Listeners;
  readonly #onFault: OnFault;
  /** How many listen, by name; the bridge is asked once for each name. */
  readonly #heard = new Map<EventName, { count: number; end: () => void }>();

  constructor(bridge: SidecarBridge, onFault: OnFault) {
    this.#bridge = bridge;
    this.#onFault = onFault;
    this.#listeners = new Listeners(onFault);
  }

  call<Name extends RequestName>(name: Name, ...[params, options]: CallArguments<Name>): Result<Name> {
    const { signal, ...rest } = options ?? {};
    return this.cancellable(signal, (call) => this.#bridge.call(call, name, params, rest)) as Result<Name>;
  }

  on<Name extends EventName>(name: Name, listener: (params: Notifications[Name]) => void): () => void {
    const heard = this.#heard.get(name) ?? this.#hear(name);
    heard.count += 1;
    const forget = this.#listeners.on(name, listener);
    let isOn = true;
    return () => {
      if (!isOn) return;
      isOn = false;
      forget();
      heard.count -= 1;
      if (heard.count > 0) return;
      heard.end();
      this.#heard.delete(name);
    };
  }

  onSince(after: EventPosition, listeners: EventListeners): () => void {
    const own = new Listeners(this.#onFault);
    for (const [name, listener] of Object.entries(listeners)) own.on(name, listener);
    return this.#bridge.subscribe(Object.keys(listeners), after, (name, params) => own.emit(name, params));
  }

  /** Rejects with the signal's reason as soon as it is aborted. */
  async cancellable(
    signal: AbortSignal | undefined,
    start: (call: number) => Promise<BridgeResponse>,
  ): Promise<unknown> {
    signal?.throwIfAborted();
    const call = (lastCall += 1);
    const outcome = await new Promise<BridgeResponse>((resolve, reject) => {
      const aborted = (): void => {
        this.#bridge.cancel(call);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", aborted);
      start(call)
        .then(resolve, reject)
        .finally(() => signal?.removeEventListener("abort", aborted));
    });
    if (outcome.ok) return outcome.value;
    throw new RpcError(outcome.error);
  }

  #hear(name: EventName): { count: number; end: () => void } {
    const end = this.#bridge.subscribe([name], null, (told, params) => this.#listeners.emit(told, params));
    const heard = { count: 0, end };
    this.#heard.set(name, heard);
    return heard;
  }
}

function bridgeOf(page: { sidecar?: SidecarBridge }): SidecarBridge {
  if (page.sidecar !== undefined) return page.sidecar;
  throw new Error("window.sidecar is missing: set webPreferences.preload to the package's preload script.");
}
