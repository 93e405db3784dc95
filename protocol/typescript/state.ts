// The state of the sidecar, for the app and its windows.
import type { SecretsState } from "./contract.ts";

/** Why the sidecar is not restarted. */
export type Failure =
  /** The program does not exist or cannot be executed. */
  | "not_startable"
  /** Exit 2: wrong arguments or environment. */
  | "usage"
  /** Exit 73: another process has the database; `message` names its pid. */
  | "locked"
  /** Exit 78: the database is from a newer version of the app; nothing was written. */
  | "newer_database"
  /** The process has ended too many times in a row. */
  | "crashing"
  /** The sidecar has another protocol version or contract: the app was packaged with the wrong sidecar. */
  | "protocol_mismatch"
  /** The sidecar refused the handshake; `message` says why. */
  | "refused";

/** The state of the sidecar. */
export interface SidecarState {
  status: "starting" | "ready" | "restarting" | "stopped" | "failed";
  /** Null unless `status` is `failed`. */
  failure: Failure | null;
  /** How often in a row the process has ended unexpectedly; 0 again once it has run for a minute. */
  crashes: number;
  /** The exit code of the last process that ended unexpectedly. */
  exitCode: number | null;
  /** The last problem, in words for the user. */
  message: string | null;
  /** The sidecar's version; null before the first handshake. */
  version: string | null;
  /** Whether the sidecar has the same contract as this package; null before the first handshake. */
  schemaMatch: boolean | null;
  /** How credentials are stored; null before the first handshake. */
  secrets: SecretsState | null;
}
