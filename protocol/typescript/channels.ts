// What goes between a window's preload script and the main process, and the bridge's shape between preload and page.
//
// `page` is the id of one load of a page: what was meant for the page before a reload is recognised and dropped.
import type { CallOptions } from "./calls.ts";
import type { EventPosition } from "./events.ts";
import type { RpcErrorObject } from "./errors.ts";
import type { SidecarState } from "./state.ts";
import type { CalendarAccount, CalendarOauthGoogleStartParams, ProgressValue } from "./contract.ts";

/** Asked by `invoke`, answered with an BridgeResponse. */
export const CALL = "sidecar:call";
export const SIGN_IN = "sidecar:sign-in";
/** Asked by `invoke`, answered with the SidecarState. */
export const STATE = "sidecar:state";
/** Asked by `invoke`, answered with a EventPosition or null. */
export const POSITION = "sidecar:position";
/** Told to the main process. */
export const HELLO = "sidecar:hello";
export const CANCEL = "sidecar:cancel";
export const SUBSCRIBE = "sidecar:subscribe";
export const UNSUBSCRIBE = "sidecar:unsubscribe";
/** Told to a window. */
export const EVENT = "sidecar:event";
export const PROGRESS = "sidecar:progress";
export const STATE_CHANGED = "sidecar:state-changed";

/** The result of a call as it crosses both borders, where an Error would lose everything but its text. */
export type BridgeResponse = { ok: true; value: unknown } | { ok: false; error: RpcErrorObject };

/** A call on its way. */
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

/** Signs in with the person's browser. */
export type SignIn = (
  provider: "google",
  params?: SignInParams,
  options?: Pick<CallOptions, "signal">,
) => Promise<CalendarAccount>;

/** Which account it is to be; `account_id` signs in again with one that there is. */
export type SignInParams = Omit<CalendarOauthGoogleStartParams, "redirect_uri">;

/** What the preload script puts into a page's `window`: functions of plain values, frozen. */
export interface SidecarBridge {
  /** What may be called and listened to here. */
  readonly methods: readonly string[];
  readonly notifications: readonly string[];
  /** The contract that the preload script was built from. */
  readonly schemaHash: string;
  /** `call` is a number of the caller's, by which it may cancel. */
  call(call: number, method: string, params?: unknown, options?: BridgeCallOptions): Promise<BridgeResponse>;
  cancel(call: number): void;
  /** Hears notifications with these names, first those after a position where one is given.  Returns what ends it. */
  subscribe(
    names: readonly string[],
    after: EventPosition | null,
    listener: (name: string, params: unknown) => void,
  ): () => void;
  state(): Promise<SidecarState>;
  position(): Promise<EventPosition | null>;
  onState(listener: (state: SidecarState) => void): () => void;
  /** Opens the person's browser; `call` may be cancelled. */
  signIn(call: number, provider: string, params?: unknown): Promise<BridgeResponse>;
}
