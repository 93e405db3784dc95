// Says in words when a schedule is due, and what became of its times.
import type { Schedule, ScheduleRun, ScheduleRunReason, ScheduleRunStatus } from "sidecar-electron/renderer";
import { clock, duration, relativeDay } from "./format.ts";

/** The weekdays of a recurrence rule, from Monday on. */
export const WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"] as const;
export const WORKING_DAYS = "MO,TU,WE,TH,FR";
const weekdayName = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const MONDAY = new Date(2026, 10, 23);

export const STATUS_WORDS: Readonly<Record<ScheduleRunStatus, string>> = {
  queued: "waiting",
  running: "running",
  succeeded: "done",
  empty: "no answer",
  failed: "failed",
  cancelled: "cancelled",
  interrupted: "interrupted",
  missed: "missed",
  skipped: "skipped",
};
const REASON_WORDS: Readonly<Record<ScheduleRunReason, string>> = {
  closed: "the app was closed",
  asleep: "the computer was asleep",
  paused: "the queue was paused",
  overlap: "the previous run had not ended",
  offline: "there was no network",
  limit: "a usage limit was reached",
  needs_user: "the previous run waited for your answer",
  account: "the account was refused",
  budget: "the budget was spent",
  unsupported: "this version cannot run it",
};

export const weekdayOf = (day: number): string =>
  weekdayName.format(new Date(MONDAY.getFullYear(), MONDAY.getMonth(), MONDAY.getDate() + day));

/** `Every weekday at 9:00`, `Every 15 min`; a rule that is not of this kind as it is. */
export function timesOf({ period_s: period, rrule, time_zone: zone }: Schedule): string {
  if (period !== null) return `Every ${duration(period * 1000)}`;
  const parts = new Map((rrule ?? "").split(";").map((part) => part.split("=", 2) as [string, string]));
  const [hour, minute] = [Number(parts.get("BYHOUR") ?? NaN), Number(parts.get("BYMINUTE") ?? NaN)];
  const days = daysOf(parts);
  const isSimple = [...parts.keys()].every((name) => ["FREQ", "BYDAY", "BYHOUR", "BYMINUTE"].includes(name));
  if (!isSimple || days === null || Number.isNaN(hour + minute)) return `By the rule ${rrule ?? ""}`;
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const place = zone === null || zone === own ? "" : ` (${zone})`;
  return `${days} at ${clock(new Date(2026, 0, 1, hour, minute))}${place}`;
}

function daysOf(parts: ReadonlyMap<string, string>): string | null {
  const [frequency, days] = [parts.get("FREQ"), parts.get("BYDAY")];
  if (frequency === "DAILY" && days === undefined) return "Every day";
  if (frequency !== "WEEKLY" || days === undefined) return null;
  if (days === WORKING_DAYS) return "Every weekday";
  const numbers = days.split(",").map((day) => (WEEKDAYS as readonly string[]).indexOf(day));
  if (numbers.includes(-1)) return null;
  return `Every ${new Intl.ListFormat().format(numbers.map(weekdayOf))}`;
}

/** `next today at 9:00`, or why there is no next time. */
export function nextOf({ enabled, next_run_at: next }: Schedule): string {
  if (!enabled) return "paused";
  if (next === null) return "no further time";
  return `next ${momentWords(Date.parse(next))}`;
}

/** `today at 9:00`, `tomorrow at 9:00`, `Monday 30 November at 9:00`. */
export function momentWords(moment: number): string {
  const day = relativeDay(moment);
  const name = ["Today", "Yesterday", "Tomorrow"].includes(day) ? day.toLowerCase() : day;
  return `${name} at ${clock(moment)}`;
}

/** What became of a time, and why: `missed: the app was closed from 8:10 to 9:40`. */
export function outcomeOf(run: ScheduleRun): string {
  const { status, reason, error, late_ms: late, times, manual } = run;
  const why = reason === null ? null : `${REASON_WORDS[reason]}${awayOf(run)}`;
  const parts = [
    manual ? "run on request" : null,
    times > 1 ? `${times} times` : null,
    [STATUS_WORDS[status], error?.message ?? why].filter(Boolean).join(": "),
    late !== null && late >= 60_000 && !manual ? `${duration(late)} late` : null,
  ];
  return parts.filter(Boolean).join(", ");
}

function awayOf({ reason, away_from: from, away_to: to }: ScheduleRun): string {
  if ((reason !== "closed" && reason !== "asleep") || to === null) return "";
  const [end, begin] = [Date.parse(to), from === null ? null : Date.parse(from)];
  if (begin === null) return ` until ${momentWords(end)}`;
  const isOneDay = new Date(begin).toDateString() === new Date(end).toDateString();
  return isOneDay ? ` from ${clock(begin)} to ${clock(end)}` : ` from ${momentWords(begin)} to ${momentWords(end)}`;
}
