// Formats times, durations and amounts for the user, in the system's language.

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dateFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const countFormat = new Intl.NumberFormat();

/** Whether times have AM and PM, which need more space. */
export const isTwelveHourClock = clockFormat.resolvedOptions().hour12 === true;

/** 09:30, or 9:30 AM. */
export const clock = (moment: number | Date): string => clockFormat.format(moment);

/** Wednesday, 25 November. */
export const longDay = (moment: number | Date): string => dayFormat.format(moment);

/** 25 Nov 2026. */
export const shortDate = (moment: number | Date): string => dateFormat.format(moment);

export const count = (amount: number): string => countFormat.format(amount);

/** `1 event`, `1,204 events`. */
export const counted = (amount: number, one: string, many = `${one}s`): string =>
  `${count(amount)} ${amount === 1 ? one : many}`;

/** Returns local midnight, `days` calendar days after the day of a moment. */
export function dayStart(moment: number | Date, days = 0): Date {
  const day = new Date(moment);
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + days);
}

/** Returns the local day, for example 2026-11-25. */
export function isoDay(moment: number | Date): string {
  const day = new Date(moment);
  return [day.getFullYear(), day.getMonth() + 1, day.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

/** Returns the start of a local day such as 2026-11-25. */
export function fromIsoDay(day: string): Date {
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  return new Date(year, month - 1, date);
}

/** `Today`, `Yesterday`, `Tomorrow`, otherwise the day's name. */
export function relativeDay(moment: number | Date, now = Date.now()): string {
  const day = isoDay(moment);
  if (day === isoDay(now)) return "Today";
  if (day === isoDay(dayStart(now, -1))) return "Yesterday";
  if (day === isoDay(dayStart(now, 1))) return "Tomorrow";
  return longDay(moment);
}

/** `45 s`, `12 min`, `1 h 30 min`, `3 d`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes >= 2 * 24 * 60) return `${Math.round(minutes / (24 * 60))} d`;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
}

/** `just now`, `12 min ago`, `25 Nov 2026`. */
export function ago(moment: string | null, now = Date.now()): string {
  if (moment === null) return "never";
  const passed = now - Date.parse(moment);
  if (passed < 45_000) return "just now";
  return passed < 24 * 3600_000 ? `${duration(passed)} ago` : shortDate(Date.parse(moment));
}

/** `$0.42`; the CLI estimates costs in US dollars. */
export const dollars = (amount: number): string => (amount > 0 && amount < 0.01 ? "< $0.01" : `$${amount.toFixed(2)}`);
