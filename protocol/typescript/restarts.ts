// What an ended process calls for, by its exit code.  Pure: time is the caller's.
import type { ProcessExit } from "./process.ts";
import type { Failure } from "./state.ts";

export interface RestartPolicy {
  /** Before the first restart; doubled each time. */
  firstDelayMs: number;
  maxDelayMs: number;
  /** So many ends in a row, each before `steadyMs`, and it is given up. */
  maxFailures: number;
  /** One that has served this long has recovered: counting begins anew. */
  steadyMs: number;
}

/** Half a second is not noticed, half a minute spares the battery; eight in a row take about a minute. */
export const RESTARTS: RestartPolicy = { firstDelayMs: 250, maxDelayMs: 30_000, maxFailures: 8, steadyMs: 60_000 };

/** Another process has the database: the last sidecar of this very app may still be draining, for 2 s at most. */
const LOCKED_FAILURES = 5;

export type RestartDecision = { restartInMs: number } | { failure: Failure };

const FINAL: Readonly<Record<number, Failure>> = { 2: "usage", 78: "newer_database" };
const LOCKED = 73;

/** What to do after the `failures`th end in a row (from 1). */
export function decideRestart(
  { code, spawnError }: ProcessExit,
  failures: number,
  policy: RestartPolicy,
): RestartDecision {
  if (spawnError !== null) return { failure: "not_startable" };
  const final = code === null ? undefined : FINAL[code];
  if (final !== undefined) return { failure: final };
  if (code === LOCKED && failures >= LOCKED_FAILURES) return { failure: "locked" };
  if (failures >= policy.maxFailures) return { failure: "crashing" };
  return { restartInMs: Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (failures - 1)) };
}
