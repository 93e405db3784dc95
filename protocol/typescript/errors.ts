// The errors that calls reject with, created by the sidecar or by this package.
import type { ErrorKind } from "./contract.ts";

/** The kinds of errors that this package creates; their `code` is 0. */
export type LocalErrorKind =
  /** The process ended before it responded.  The request may have taken effect: read the state again. */
  | "sidecar_ended"
  /** No response arrived within `timeoutMs` plus two seconds. */
  | "timed_out"
  /** The call was aborted; a page sees its signal's own reason instead. */
  | "aborted"
  /** Too many calls are waiting, probably because of a runaway loop. */
  | "too_many_calls"
  /** The page may not call this method, or may not use the sidecar at all. */
  | "not_allowed"
  /** The user did not return from the sign-in page in time. */
  | "sign_in_abandoned"
  /** The app cannot sign in: `electron.shell` was not passed, or the provider is unknown. */
  | "sign_in_unavailable";

/** The details of an error. */
export interface RpcErrorData {
  /** The kind of error, to branch on; a newer sidecar may send further kinds. */
  kind: ErrorKind | LocalErrorKind | (string & {});
  /** Whether the same call may succeed later. */
  retryable?: boolean;
  retry_after_ms?: number;
  /** What the user can do about it. */
  hint?: string;
  /** The id of the traceback in the sidecar's log. */
  error_id?: string;
  details?: unknown;
  [key: string]: unknown;
}

/** An error as JSON. */
export interface RpcErrorObject {
  code: number;
  message: string;
  data?: RpcErrorData;
}

/** Marks the errors of this class in every copy of this module: an app may load it as an ES and as a CommonJS module. */
const MARK = Symbol.for("sidecar-electron.RpcError");

/** The error of a failed call.  Branch on `kind`; show `message` and, if present, `data.hint`. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: RpcErrorData;

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && MARK in value;
  }

  constructor({ code, message, data }: RpcErrorObject) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.data = data ?? { kind: "unknown" };
    Object.defineProperty(this, MARK, { value: true });
  }

  get kind(): RpcErrorData["kind"] {
    return this.data.kind;
  }

  /** Returns plain values: Electron's bridge would drop the fields of an Error. */
  toJSON(): RpcErrorObject {
    return { code: this.code, message: this.message, data: this.data };
  }
}

/** Creates an error of this package. */
export function localError(kind: LocalErrorKind, message: string, more: Partial<RpcErrorData> = {}): RpcError {
  return new RpcError({ code: 0, message, data: { kind, ...more } });
}
