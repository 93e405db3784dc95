// The contract's methods as typed functions: `call("jobs.list", params)` and `sidecar.jobs.list(params)`.
import { METHOD_NAMES, NOTIFICATION_NAMES } from "./contract.ts";
import type { Methods, NestedMethods, Notifications, ProgressValue } from "./contract.ts";

/** The requests that an app may send.  The handshake, the shutdown and keys are left to this package. */
export type RequestName = Exclude<Extract<keyof Methods, `${string}.${string}`>, `secrets.${string}`>;

/** The notifications that an app may listen to.  Calls take `onProgress`, and this package handles `events.lag`. */
export type EventName = Exclude<keyof Notifications, `$/${string}` | "events.lag">;

/** The same names as values, for allow-lists and for `nested`. */
export const REQUEST_NAMES = METHOD_NAMES.filter(
  (name): name is RequestName => name.includes(".") && !name.startsWith("secrets."),
);
export const EVENT_NAMES = NOTIFICATION_NAMES.filter(
  (name): name is EventName => !name.startsWith("$/") && name !== "events.lag",
);

export interface CallOptions {
  /**
   * Cancels the call: it rejects with `aborted` at once, and the sidecar is asked to stop.  Changes that the call
   * has already made are not undone.
   */
  signal?: AbortSignal;
  /**
   * The request's deadline, 60,000 ms by default.  The sidecar then cancels the request (`server_cancelled`); without a
   * response two seconds later, the call rejects with `timed_out`.
   */
  timeoutMs?: number;
  /** Receives the progress of a long request. */
  onProgress?: (value: ProgressValue) => void;
}

/** The arguments of a call; params are optional if none of them is required. */
export type CallArguments<Name extends keyof Methods> = {} extends Methods[Name]["params"]
  ? [params?: Methods[Name]["params"], options?: CallOptions]
  : [params: Methods[Name]["params"], options?: CallOptions];

export type Result<Name extends keyof Methods> = Promise<Methods[Name]["result"]>;

/** An object that sends requests: a connection, a supervised sidecar or a page's bridge. */
export interface Caller {
  /** Rejects with an `RpcError`. */
  call<Name extends RequestName>(name: Name, ...args: CallArguments<Name>): Result<Name>;
}

/** An object that emits notifications. */
export interface NotificationSource {
  /** Returns a function that removes the listener. */
  on<Name extends EventName>(name: Name, listener: (params: Notifications[Name]) => void): () => void;
}

/** The methods as nested functions: `api.calendar.accounts.list()` calls `calendar.accounts.list`. */
export type Api = Omit<NestedMethods<CallOptions>, "secrets">;

type AnyCall = (name: string, params?: unknown, options?: CallOptions) => Promise<unknown>;
/** A part of a method's name.  It is a function if a method has that name, and has a property for each next part. */
type NamePart = { [next: string]: NamePart };

/** Returns the methods as nested functions that send their requests through `caller`; the objects are frozen. */
export function nested(caller: Caller): Api {
  const call = caller.call.bind(caller) as unknown as AnyCall;
  const isMethod = (path: string): boolean => (REQUEST_NAMES as readonly string[]).includes(path);
  const create = (path: string): unknown =>
    isMethod(path) ? (params?: unknown, options?: CallOptions) => call(path, params, options) : {};
  const root: NamePart = {};
  for (const name of REQUEST_NAMES) {
    let [parent, path] = [root, ""];
    for (const part of name.split(".")) {
      path = path === "" ? part : `${path}.${part}`;
      parent = parent[part] ??= create(path) as NamePart;
    }
  }
  return freezeDeeply(root) as unknown as Api;
}

function freezeDeeply(part: NamePart): NamePart {
  Object.values(part).forEach(freezeDeeply);
  return Object.freeze(part);
}
