// Errors as a caller sees them, whichever side of the pipe or of the bridge they were made on.
import type { ErrorKind } from "./contract.ts";

/** Kinds that this package makes itself; their `code` is 0, since no sidecar has sent them. */
export type LocalErrorKind =
  /** The process ended before it answered.  Whether the request took effect is not known: read the state again. */
  | "sidecar_ended"
  /** No answer came within `timeoutMs` and two seconds. */
  | "timed_out"
  /** The caller gave it up; the page sees its signal's own reason. */
  | "aborted"
  /** More calls wait than any program means to make. */
  | "too_many_calls"
  /** The page may not call this, or is not one that may call anything. */
  | "not_allowed"
  /** The person did not come back from the sign-in page in time. */
  | "sign_in_abandoned"
  /** This app cannot sign in so: it was given no browser, or does not know the provider. */
  | "sign_in_unavailable";

/** What an error carries beside its text. */
export interface RpcErrorData {
  /** A word to branch on; a newer sidecar may send others. */
  kind: ErrorKind | LocalErrorKind | (string & {});
  /** Whether the same call may succeed later. */
  retryable?: boolean;
  retry_after_ms?: number;
  /** What a person can do about it. */
  hint?: string;
  /** The log has the traceback under this id. */
  error_id?: string;
  details?: unknown;
  [key: string]: unknown;
}

/** An error as it goes over a wire or a bridge: an object of plain values. */
export interface RpcErrorObject {
  code: number;
  message: string;
  data?: RpcErrorData;
}

/** A call failed.  Branch on `kind`; show `message`, and `data.hint` where there is one. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: RpcErrorData;

  constructor({ code, message, data }: RpcErrorObject) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.data = data ?? { kind: "unknown" };
  }

  get kind(): RpcErrorData["kind"] {
    return this.data.kind;
  }

  /** Plain values, for a bridge that would drop an Error's fields. */
  toJSON(): RpcErrorObject {
    return { code: this.code, message: this.message, data: this.data };
  }
}

/** An error that was made on this side. */
export function localError(kind: LocalErrorKind, message: string, more: Partial<RpcErrorData> = {}): RpcError {
  return new RpcError({ code: 0, message, data: { kind, ...more } });
}
