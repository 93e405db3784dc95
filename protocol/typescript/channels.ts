// The IPC channels between preload scripts and the main process, and the bridge that a page gets.
//
// Every message carries the id of one load of a page, so that a message meant for the page before a reload is dropped.
import type { CallOptions } from "./calls.ts";
import type { EventFilter } from "./event_filter.ts";
import type { EventPosition } from "./events.ts";
import type { RpcErrorObject } from "./errors.ts";
import type { SidecarState } from "./state.ts";
import type { CalendarAccount, CalendarOauthGoogleStartParams, ProgressValue } from "./contract.ts";

/** Sent with `invoke`; the response is a BridgeResponse. */
export const CALL = "sidecar:call";
export const SIGN_IN = "sidecar:sign-in";
/** Sent with `invoke`; the response is the SidecarState. */
export const STATE = "sidecar:state";
/** Sent with `invoke`; the response is an EventPosition or null. */
export const POSITION = "sidecar:position";
/** Sent to the main process, without a response. */
export const PAGE_LOADED = "sidecar:page-loaded";
export const CANCEL = "sidecar:cancel";
export const SUBSCRIBE = "sidecar:subscribe";
export const UNSUBSCRIBE = "sidecar:unsubscribe";
/** Sent to a window. */
export const NOTIFICATION = "sidecar:notification";
export const PROGRESS = "sidecar:progress";
export const STATE_CHANGED = "sidecar:state-changed";

/** The response to a call from a page.  Electron's IPC and context bridge reduce an Error to its message. */
export type BridgeResponse = { ok: true; value: unknown } | { ok: false; error: RpcErrorObject };

/** A call from a page to the main process. */
export interface CallMessage {
  page: string;
  call: number;
  method: string;
  params?: unknown;
  timeoutMs?: number;
  wantsProgress?: boolean;
}

export interface BridgeCallOptions {
  timeoutMs?: number;
  onProgress?: (value: ProgressValue) => void;
}

/** Signs in through the user's browser and resolves to the account. */
export type SignIn = (
  provider: "google",
  params?: SignInParams,
  options?: Pick<CallOptions, "signal">,
) => Promise<CalendarAccount>;

/** The params of a sign-in; `account_id` names an existing account to sign in to again. */
export type SignInParams = Omit<CalendarOauthGoogleStartParams, "redirect_uri">;

/** The object that the preload script adds to a page's `window`: frozen functions that take and return plain values. */
export interface SidecarBridge {
  /** The names of the requests and notifications that the page may use. */
  readonly methods: readonly string[];
  readonly notifications: readonly string[];
  /** `call` is a number that the page chooses; `cancel` takes the same number. */
  call(call: number, method: string, params?: unknown, options?: BridgeCallOptions): Promise<BridgeResponse>;
  cancel(call: number): void;
  /**
   * Listens to notifications with these names that pass the filter.  If `after` is not null, the missed ones come first.
   * Returns a function that ends the subscription.
   */
  subscribe(
    names: readonly string[],
    after: EventPosition | null,
    listener: (name: string, params: unknown) => void,
    filter?: EventFilter | null,
  ): () => void;
  state(): Promise<SidecarState>;
  position(): Promise<EventPosition | null>;
  onState(listener: (state: SidecarState) => void): () => void;
  /** Opens the user's browser; `cancel(call)` gives up waiting. */
  signIn(call: number, provider: string, params?: unknown): Promise<BridgeResponse>;
}
