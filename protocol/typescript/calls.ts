// How the contract looks as functions: `call(name, params)` and `sidecar.jobs.list(params)`, both typed by it.
import { METHOD_NAMES, NOTIFICATION_NAMES } from "./contract.ts";
import type { Methods, NestedMethods, Notifications, ProgressValue } from "./contract.ts";

/**
 * Every request that an app makes.  The handshake, the end and keys are the business of this package, and out of reach
 * for pages.
 */
export type RequestName = Exclude<Extract<keyof Methods, `${string}.${string}`>, `secrets.${string}`>;

/** Every notification that an app listens to; `$/progress` comes through `onProgress`, lag is made good here. */
export type EventName = Exclude<keyof Notifications, `$/${string}` | "events.lag">;

/** The names, for allow-lists and the nested form. */
export const REQUEST_NAMES = METHOD_NAMES.filter(
  (name): name is RequestName => name.includes(".") && !name.startsWith("secrets."),
);
export const EVENT_NAMES = NOTIFICATION_NAMES.filter(
  (name): name is EventName => !name.startsWith("$/") && name !== "events.lag",
);

export interface CallOptions {
  /**
   * Gives the call up: it rejects with `signal.reason` at once, and the sidecar is told to stop.  What the call has
   * changed by then stays changed.
   */
  signal?: AbortSignal;
  /**
   * The sidecar gives the request up after this (`server_cancelled`); an answer that is two seconds late is not waited
   * for (`timed_out`).  60,000 unless said otherwise.
   */
  timeoutMs?: number;
  /** Hears how far a long request is. */
  onProgress?: (value: ProgressValue) => void;
}

/** A method without required params may be called with nothing. */
export type CallArguments<Name extends keyof Methods> = {} extends Methods[Name]["params"]
  ? [params?: Methods[Name]["params"], options?: CallOptions]
  : [params: Methods[Name]["params"], options?: CallOptions];

export type Result<Name extends keyof Methods> = Promise<Methods[Name]["result"]>;

/** Something that methods can be called on: a connection, a supervised sidecar, the bridge. */
export interface Caller {
  /** Rejects with RpcError, or with the signal's reason. */
  call<Name extends RequestName>(name: Name, ...args: CallArguments<Name>): Result<Name>;
}

/** Something that notifications come from. */
export interface NotificationSource {
  /** Returns what ends it. */
  on<Name extends EventName>(name: Name, listener: (params: Notifications[Name]) => void): () => void;
}

/** The methods as nested functions: `calendar.accounts.list` is `api.calendar.accounts.list`. */
export type Api = Omit<NestedMethods<CallOptions>, "secrets">;

type AnyCall = (name: string, params?: unknown, options?: CallOptions) => Promise<unknown>;
/** An object of further ones; a method is a function, which may have further ones too. */
type Node = { [part: string]: Node };

/** The nested form of a caller's methods, frozen. */
export function nested(caller: Caller): Api {
  const call = caller.call.bind(caller) as unknown as AnyCall;
  const isMethod = (path: string): boolean => (REQUEST_NAMES as readonly string[]).includes(path);
  const made = (path: string): unknown =>
    isMethod(path) ? (params?: unknown, options?: CallOptions) => call(path, params, options) : {};
  const root: Node = {};
  for (const name of REQUEST_NAMES) {
    let [node, path] = [root, ""];
    for (const part of name.split(".")) {
      path = path === "" ? part : `${path}.${part}`;
      node = node[part] ??= made(path) as Node;
    }
  }
  return frozen(root) as unknown as Api;
}

function frozen(node: Node): Node {
  Object.values(node).forEach(frozen);
  return Object.freeze(node);
}
