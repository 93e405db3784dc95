// Restricts a subscription to the notifications of one session or job.
import type { EventName } from "./calls.ts";
import type { Notifications } from "./contract.ts";

/**
 * Restricts notifications that belong to a session or a job to those with these ids; if both are given, both must be
 * equal.  Notifications that belong to neither, such as `activity.changed`, are not restricted.
 */
export interface EventFilter {
  /** A turn's job belongs to its session; the log and the progress of a job only belong to the job. */
  session_id?: string;
  job_id?: string;
}

/** The ids in a notification; absent if it has none of this kind. */
type Ids = { [Name in keyof EventFilter]?: unknown };

const FILTER_NAMES = ["session_id", "job_id"] as const satisfies ReadonlyArray<keyof EventFilter>;
/** Limit for an id in a page's filter; ours have 36 characters. */
const MAX_ID_CHARS = 100;

/** Where the notifications that belong to a session or a job have the ids. */
const IDS: { readonly [Name in EventName]?: (params: Notifications[Name]) => Ids } = {
  "claude.api_retry": (params) => params,
  "claude.context_updated": ({ context }) => context,
  "claude.delta": (params) => params,
  "claude.message_added": (params) => params,
  "claude.permission_requested": ({ request }) => request,
  "claude.permission_resolved": ({ request }) => request,
  "claude.session_deleted": (params) => params,
  "claude.session_updated": ({ session: { session_id } }) => ({ session_id }),
  "claude.stall": (params) => params,
  "claude.thinking_delta": (params) => params,
  "jobs.log_added": ({ line: { job_id } }) => ({ job_id }),
  "jobs.progress": ({ job_id }) => ({ job_id }),
  "jobs.schedule_run_ended": ({ run: { job_id } }) => ({ job_id }),
  "jobs.updated": ({ job: { job_id, type, payload } }) =>
    type === "claude.turn" ? { job_id, session_id: (payload as Ids | null)?.session_id } : { job_id },
};

/** Returns the names of the notifications that a filter can restrict. */
export const FILTERED_NAMES = Object.keys(IDS) as readonly EventName[];

/** Returns whether a notification passes a filter. */
export function passes(filter: EventFilter | null, name: string, params: unknown): boolean {
  const idsOf = filter === null ? undefined : (IDS[name as EventName] as ((params: unknown) => Ids) | undefined);
  if (filter === null || idsOf === undefined) return true;
  const ids = idsOf(params);
  return FILTER_NAMES.every((id) => filter[id] === undefined || filter[id] === ids[id]);
}

/**
 * Returns a copy of a page's filter with nothing but ids, null if it is not given, or undefined if it is not a filter:
 * it then must not be taken for one that restricts nothing.
 */
export function parseFilter(value: unknown): EventFilter | null | undefined {
  if (value === null || value === undefined) return null;
  if (typeof value !== "object" || Array.isArray(value)) return undefined;
  const filter: EventFilter = {};
  for (const [name, id] of Object.entries(value)) {
    if (!isFilterName(name)) return undefined;
    if (id === undefined) continue;
    if (typeof id !== "string" || id.length > MAX_ID_CHARS) return undefined;
    filter[name] = id;
  }
  return Object.keys(filter).length === 0 ? null : filter;
}

function isFilterName(name: string): name is keyof EventFilter {
  return (FILTER_NAMES as readonly string[]).includes(name);
}
