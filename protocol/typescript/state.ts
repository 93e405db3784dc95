// How the sidecar is, as the app and its windows see it.
import type { SecretsState } from "./contract.ts";

/** Why the sidecar is not coming back by itself. */
export type Failure =
  /** The program is not there, or may not be run. */
  | "not_startable"
  /** Exit 2: wrong arguments or environment. */
  | "usage"
  /** Exit 73: another process has the database; `message` names its pid. */
  | "locked"
  /** Exit 78: the database is from a newer version of the app; nothing was written. */
  | "newer_database"
  /** It ended again and again. */
  | "crashing"
  /** It speaks another version of the protocol: the app was packaged wrongly. */
  | "protocol_mismatch"
  /** The handshake was refused; `message` says why. */
  | "refused";

/** How the sidecar is, in plain values: it is shown in windows too. */
export interface SidecarState {
  status: "starting" | "ready" | "restarting" | "stopped" | "failed";
  /** Why it failed; null otherwise. */
  failure: Failure | null;
  /** Of the last process that ended by itself. */
  exitCode: number | null;
  /** For a person: what went wrong last. */
  message: string | null;
  /** The sidecar's version; null before the first handshake. */
  version: string | null;
  /** Whether the sidecar was built from this package's contract; null before the first handshake. */
  schemaMatch: boolean | null;
  /** How credentials are kept; null before the first handshake. */
  secrets: SecretsState | null;
}
