// Decides what to do after the process has ended.
import type { ProcessExit } from "./process.ts";
import type { Failure } from "./state.ts";

export interface RestartPolicy {
  /** The delay before the first restart; it doubles with each one. */
  firstDelayMs: number;
  maxDelayMs: number;
  /** The sidecar has failed after this many unexpected exits in a row. */
  maxFailures: number;
  /** After running for this long, a process no longer counts as the next of a row. */
  steadyMs: number;
}

/** The first delay is hardly noticed, the last one spares the battery; eight exits take about a minute. */
export const RESTARTS: RestartPolicy = { firstDelayMs: 250, maxDelayMs: 30_000, maxFailures: 8, steadyMs: 60_000 };

/** How often to try if another process has the database: the app's previous sidecar may take 2 s to stop. */
const LOCKED_FAILURES = 5;

export type RestartDecision = { restartInMs: number } | { failure: Failure };

const FINAL_EXIT_CODES: Readonly<Record<number, Failure>> = { 2: "usage", 78: "newer_database" };
const LOCKED_EXIT_CODE = 73;

/** Decides what to do after an unexpected exit; `failures` counts the exits in a row, including this one. */
export function decideRestart(
  { code, spawnError }: ProcessExit,
  failures: number,
  policy: RestartPolicy,
): RestartDecision {
  if (spawnError !== null) return { failure: "not_startable" };
  const final = code === null ? undefined : FINAL_EXIT_CODES[code];
  if (final !== undefined) return { failure: final };
  if (code === LOCKED_EXIT_CODE && failures >= LOCKED_FAILURES) return { failure: "locked" };
  if (failures >= policy.maxFailures) return { failure: "crashing" };
  return { restartInMs: Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (failures - 1)) };
}
