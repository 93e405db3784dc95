// What became of a schedule's times in the last 30 days: a mark a day, whose shape and colour say it.  The arrow keys
// move between the days, Enter shows the times of one.
import type { ScheduleRun, ScheduleRunStatus } from "sidecar-electron/renderer";
import { fill, h, setAttribute } from "./dom.ts";
import { clock, counted, dayStart, fromIsoDay, isoDay, longDay } from "./format.ts";
import { outcomeOf, STATUS_WORDS } from "./schedule_words.ts";

export const DAYS = 30;
/** The states of a day, those that matter most first: a day shows the first one that any of its times has. */
const RANKS: readonly ScheduleRunStatus[] = [
  "failed",
  "interrupted",
  "empty",
  "missed",
  "skipped",
  "cancelled",
  "running",
  "queued",
  "succeeded",
];
const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, Home: -DAYS, End: DAYS };

export interface Strip {
  element: HTMLElement;
  /** Shows the runs; null while they are not known. */
  show(name: string, runs: readonly ScheduleRun[] | null): void;
}

export function scheduleStrip(): Strip {
  const days = h("div", { class: "strip", role: "group" });
  const caption = h("p", { class: "strip-caption" });
  const list = h("ul", { class: "strip-runs" });
  const element = h("div", { class: "strip-place" }, days, caption, list);
  let byDay = new Map<string, ScheduleRun[]>();
  let total = "";
  let chosen: string | null = null;
  let focus: string | null = null;
  /** Sets the caption if it is another one, so that the panel stays quiet. */
  const say = (text: string): void => {
    if (caption.textContent !== text) caption.textContent = text;
  };
  const showCaption = (target: EventTarget | null): void =>
    say((target instanceof HTMLElement && target.getAttribute("aria-label")) || total);
  const showChosen = (): void => {
    for (const day of days.children)
      setAttribute(day, "aria-expanded", String((day as HTMLElement).dataset["day"] === chosen));
    fill(list, ...(chosen === null ? [] : (byDay.get(chosen) ?? []).map(runRow)));
    list.hidden = list.childElementCount === 0;
    setAttribute(list, "aria-label", chosen === null ? null : longDay(fromIsoDay(chosen)));
  };
  for (const event of ["pointerover", "focusin"])
    days.addEventListener(event, ({ target }) => showCaption((target as Element).closest(".strip-day")));
  for (const event of ["pointerleave", "focusout"])
    days.addEventListener(event, () => showCaption(days.querySelector(":focus-visible")));
  days.addEventListener("keydown", (event) => {
    const moved = moveFocus(days, event);
    if (moved !== null) focus = moved;
  });
  days.addEventListener("click", ({ target }) => {
    const { day } = ((target as Element).closest(".strip-day") as HTMLElement | null)?.dataset ?? {};
    if (day === undefined) return;
    chosen = day === chosen ? null : day;
    showChosen();
  });
  const show = (name: string, runs: readonly ScheduleRun[] | null): void => {
    setAttribute(days, "aria-label", `Last ${DAYS} days of ${name}, one button per day`);
    byDay = new Map();
    for (const run of runs ?? []) {
      const day = isoDay(Date.parse(run.scheduled_for));
      byDay.set(day, [...(byDay.get(day) ?? []), run]);
    }
    const dates = Array.from({ length: DAYS }, (_, at) => isoDay(dayStart(Date.now(), at - DAYS + 1)));
    const hasFocus = days.contains(document.activeElement);
    const stop = dates.includes(focus ?? "") ? focus : dates.at(-1);
    updateCells(
      days,
      dates.map((date) => ({ date, runs: byDay.get(date) ?? [], isStop: date === stop })),
    );
    total = runs === null ? "" : summary(runs);
    showCaption(hasFocus ? document.activeElement : null);
    showChosen();
  };
  return { element, show };
}

interface Day {
  date: string;
  runs: readonly ScheduleRun[];
  isStop: boolean;
}

/** Changes the buttons in their places, so that one which has the focus keeps it. */
function updateCells(days: Element, all: readonly Day[]): void {
  while (days.childElementCount < all.length)
    days.append(h("button", { type: "button", class: "strip-day" }, h("span", { class: "strip-mark" })));
  for (const [at, { date, runs, isStop }] of all.entries()) {
    const button = days.children[at]!;
    setAttribute(button, "data-day", date);
    setAttribute(button, "tabindex", isStop ? 0 : -1);
    setAttribute(button, "data-state", stateOf(runs) ?? "none");
    setAttribute(button, "aria-label", labelOf(date, runs));
  }
}

const stateOf = (runs: readonly ScheduleRun[]): ScheduleRunStatus | null =>
  RANKS.find((status) => runs.some((run) => run.status === status)) ?? null;

/** `Wednesday 25 November at 9:00: missed: the app was closed`; of several times, how many have which state. */
function labelOf(date: string, runs: readonly ScheduleRun[]): string {
  const day = longDay(fromIsoDay(date));
  const [only, second] = runs;
  if (only === undefined) return `${day}: nothing was due`;
  if (second === undefined) return `${day}, ${clock(Date.parse(only.scheduled_for))}: ${outcomeOf(only)}`;
  const worst = runs.find(({ status }) => status === stateOf(runs)) ?? only;
  return `${day}: ${counts(runs)}${worst.status === "succeeded" ? "" : `. ${outcomeOf(worst)}`}`;
}

/** `3 failed, 12 done`. */
function counts(runs: readonly ScheduleRun[]): string {
  const amounts = RANKS.map((status) => ({
    status,
    amount: runs.reduce((sum, run) => sum + (run.status === status ? run.times : 0), 0),
  }));
  return amounts
    .filter(({ amount }) => amount > 0)
    .map(({ status, amount }) => `${amount} ${STATUS_WORDS[status]}`)
    .join(", ");
}

const summary = (runs: readonly ScheduleRun[]): string =>
  runs.length === 0 ? `Nothing was due in ${counted(DAYS, "day")}` : `In ${counted(DAYS, "day")}: ${counts(runs)}`;

function runRow(run: ScheduleRun): HTMLElement {
  const time = h("time", { datetime: run.scheduled_for }, clock(Date.parse(run.scheduled_for)));
  const mark = h("span", { class: "strip-mark", "aria-hidden": "true" });
  return h("li", { "data-state": run.status }, time, mark, h("span", {}, outcomeOf(run)));
}

/** Moves the focus by a key; returns the day that has it then. */
function moveFocus(days: Element, event: KeyboardEvent): string | null {
  const step = STEPS[event.key];
  if (step === undefined) return null;
  event.preventDefault();
  const all = [...days.children] as HTMLElement[];
  const from = all.indexOf(document.activeElement as HTMLElement);
  const to = all[Math.min(all.length - 1, Math.max(0, from + step))];
  if (to === undefined) return null;
  all[from]?.setAttribute("tabindex", "-1");
  to.setAttribute("tabindex", "0");
  to.focus();
  return to.dataset["day"] ?? null;
}
