// The errors that calls reject with, created by the sidecar or by this package.
import type { ErrorKind, JsonValue, MethodErrorKind, Methods } from "./contract.ts";

/** The kinds of errors that this package creates; their `code` is 0. */
export type LocalErrorKind =
  /** The process ended before it responded.  The request may have taken effect: read the state again. */
  | "sidecar_ended"
  /** No response arrived within `timeoutMs` plus two seconds. */
  | "timed_out"
  /** The call was aborted; `cause` is its signal's reason. */
  | "aborted"
  /** `timeoutMs` is not an allowed number, or the params are not JSON. */
  | "invalid_arguments"
  /** Too many calls are waiting, probably because of a runaway loop. */
  | "too_many_calls"
  /** A consumer of events is too slow: too many of them are waiting for it. */
  | "too_many_events"
  /** The page may not call this method or listen to this notification, or may not use the sidecar at all. */
  | "not_allowed"
  /** The page has no bridge: its window was created without the package's preload script. */
  | "bridge_missing"
  /** The main process does not serve the page's bridge. */
  | "bridge_failed"
  /** Another sidecar serves the windows already. */
  | "windows_served"
  /** The user did not return from the sign-in page in time. */
  | "sign_in_abandoned"
  /** The app cannot sign in: `electron.shell` was not passed, or the provider is unknown. */
  | "sign_in_unavailable"
  /** The transcript that is replayed does not have the request. */
  | "not_recorded"
  /** The error has no kind: it is not the sidecar's. */
  | "unknown";

/** The kinds of errors of any call.  A newer sidecar may send further kinds: have a `default` branch. */
export type SidecarErrorKind = ErrorKind | LocalErrorKind;

/** A part of what an error is about. */
export interface ErrorDetail {
  /** The param, and what is wrong with it (`invalid_params`). */
  path?: string;
  message?: string;
  /** Why the database could not be used (`storage`). */
  reason?: string;
  [more: string]: JsonValue | undefined;
}

/** The details of an error. */
export interface RpcErrorData<Kind extends string = SidecarErrorKind> {
  /** The kind of error, to branch on. */
  kind: Kind;
  /** Whether the same call may succeed later. */
  retryable?: boolean;
  retry_after_ms?: number;
  /** What the user can do about it. */
  hint?: string;
  /** The id of the traceback in the sidecar's log. */
  error_id?: string;
  /** The id of a request that could not be parsed. */
  recovered_id?: number | string;
  /** The exit code of the process (`sidecar_ended`). */
  exit_code?: number | null;
  /** The signal that ended the process (`sidecar_ended`). */
  signal?: string | null;
  details?: ErrorDetail[];
}

/** An error as JSON. */
export interface RpcErrorObject<Kind extends string = SidecarErrorKind> {
  code: number;
  message: string;
  data?: RpcErrorData<Kind>;
}

/** Marks the errors of this class in every copy of this module: an app may load it as an ES and as a CommonJS module. */
const MARK = Symbol.for("sidecar-electron.RpcError");

/** The error of a failed call.  Branch on `kind`; show `message` and, if present, `data.hint`. */
export class RpcError<Kind extends string = SidecarErrorKind> extends Error {
  readonly code: number;
  readonly data: RpcErrorData<Kind>;
  /** The method that was called; null for an error outside of calls. */
  readonly method: string | null;

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && MARK in value;
  }

  constructor({ code, message, data }: RpcErrorObject<Kind>, method: string | null = null, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
    this.data = data ?? { kind: "unknown" as Kind };
    this.method = method;
    // As the platform's own calls do, so that other packages recognise an abort.
    this.name = this.data.kind !== "aborted" ? "RpcError" : cause instanceof Error ? cause.name : "AbortError";
    Object.defineProperty(this, MARK, { value: true });
  }

  get kind(): Kind {
    return this.data.kind;
  }

  /** Returns plain values: Electron's bridge would drop the fields of an Error. */
  toJSON(): RpcErrorObject<Kind> {
    return { code: this.code, message: this.message, data: this.data };
  }
}

/** Returns whether an error was thrown by a call: `kind` then has the kinds of every method. */
export function isSidecarError(error: unknown): error is RpcError;
/** Returns whether an error was thrown by a call of one of these methods; `kind` then has only the kinds of these. */
export function isSidecarError<Name extends keyof Methods>(
  error: unknown,
  ...methods: [Name, ...Name[]]
): error is RpcError<MethodErrorKind<Name> | LocalErrorKind>;
export function isSidecarError(error: unknown, ...methods: string[]): boolean {
  return error instanceof RpcError && (methods.length === 0 || methods.includes(error.method ?? ""));
}

/** Creates an error of this package. */
export function localError(
  kind: LocalErrorKind,
  message: string,
  more: Partial<RpcErrorData> = {},
  cause?: unknown,
): RpcError {
  return new RpcError({ code: 0, message, data: { kind, ...more } }, null, cause);
}

/** Returns the error of a call of `method` that was rejected with `reason`. */
export function callError(reason: unknown, method: string, signal?: AbortSignal): RpcError {
  const error = asSidecarError(reason, signal);
  return error.method === method ? error : new RpcError(error.toJSON(), method, error.cause ?? undefined);
}

function asSidecarError(reason: unknown, signal: AbortSignal | undefined): RpcError {
  if (reason instanceof RpcError) return reason;
  const message = reason instanceof Error ? reason.message : String(reason);
  if (signal?.aborted && reason === signal.reason) return localError("aborted", `Aborted: ${message}`, {}, reason);
  // JSON cannot express a BigInt or a cycle, and Electron's bridge cannot clone a function.
  if (/JSON|BigInt|cyclic|circular|cloned/i.test(message)) return localError("invalid_arguments", message, {}, reason);
  return localError("unknown", message, {}, reason);
}
