// Half a year of days, shaded by activity.  The arrow keys move between days, Enter selects one.
import type { HeatmapDay, PageSidecar } from "sidecar-electron/renderer";
import { fill, h, setAttribute } from "./dom.ts";
import { listNotice } from "./notice.ts";
import { counted, dayStart, fromIsoDay, longDay } from "./format.ts";

const WEEKS = 26;
const DAYS = 7;
/** The number of days by which a key moves the focus. */
const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -DAYS, ArrowRight: DAYS, ArrowUp: -1, ArrowDown: 1 };
const monthName = new Intl.DateTimeFormat(undefined, { month: "short" });

export interface Heatmap {
  element: HTMLElement;
  reload(): Promise<void>;
  /** Marks the day that the feed shows. */
  setSelected(day: string | null): void;
}

export function heatmap(sidecar: PageSidecar, choose: (day: string) => void): Heatmap {
  const grid = h("div", {
    class: "heat-grid",
    role: "group",
    "aria-label": `Activity of the last ${WEEKS} weeks, one button per day`,
  });
  const months = h("div", { class: "heat-months", "aria-hidden": "true" });
  const caption = h("p", { class: "heat-caption" });
  const element = h("div", { class: "heatmap" }, months, grid, caption);
  let total = "";
  const showCaption = (target: EventTarget | null): void =>
    fill(caption, (target instanceof HTMLElement && target.dataset["label"]) || total);
  for (const event of ["pointerover", "focusin"]) grid.addEventListener(event, ({ target }) => showCaption(target));
  for (const event of ["pointerleave", "focusout"]) grid.addEventListener(event, () => showCaption(null));
  grid.addEventListener("keydown", (event) => moveFocus(grid, event));
  grid.addEventListener("click", ({ target }) => {
    const { day } = (target as HTMLElement).dataset;
    if (day !== undefined) choose(day);
  });
  const reload = async (): Promise<void> => {
    try {
      const { days, highest, total: sum } = await sidecar.activity.heatmap(lastWeeks());
      total = `${counted(sum, "event")} in ${WEEKS} weeks`;
      const focused = (document.activeElement as HTMLElement | null)?.dataset["day"];
      fill(grid, ...days.map((day) => cell(day, highest)));
      fill(months, ...monthLabels(days));
      const tabStop =
        grid.querySelector<HTMLElement>(`[data-day="${focused}"]`) ?? (grid.lastElementChild as HTMLElement | null);
      tabStop?.setAttribute("tabindex", "0");
      if (focused !== undefined) tabStop?.focus();
      showCaption(document.activeElement);
    } catch (error) {
      fill(caption, listNotice(error, reload) ?? total);
    }
  };
  const setSelected = (selected: string | null): void => {
    for (const one of grid.children)
      setAttribute(one, "aria-pressed", String((one as HTMLElement).dataset["day"] === selected));
  };
  return { element, reload, setSelected };
}

/** Returns a range of whole weeks that begins on a Monday and ends today. */
function lastWeeks(): { start: string; end: string; time_zone: string } {
  const weekday = (new Date().getDay() + 6) % DAYS;
  const start = dayStart(Date.now(), -weekday - (WEEKS - 1) * DAYS);
  return { start: start.toISOString(), end: dayStart(Date.now(), 1).toISOString(), time_zone: timeZone() };
}

export const timeZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

function cell({ date, count }: HeatmapDay, highest: number): HTMLElement {
  const label = `${longDay(fromIsoDay(date))}: ${counted(count, "event")}`;
  const level = count === 0 ? 0 : Math.max(1, Math.ceil((4 * count) / highest));
  return h("button", {
    type: "button",
    class: "heat-day",
    tabindex: -1,
    "aria-pressed": "false",
    "aria-label": label,
    "data-level": level,
    "data-day": date,
    "data-label": label,
  });
}

/** Labels the week in which each month begins. */
function monthLabels(days: readonly HeatmapDay[]): HTMLElement[] {
  const labels: HTMLElement[] = [];
  for (let week = 0; week * DAYS < days.length; week += 1) {
    const first = days.slice(week * DAYS, (week + 1) * DAYS).find(({ date }) => date.endsWith("-01"));
    const label = h("span", {}, first === undefined ? "" : monthName.format(fromIsoDay(first.date)));
    labels.push(label);
  }
  return labels;
}

function moveFocus(grid: Element, event: KeyboardEvent): void {
  const step = STEPS[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const days = [...grid.children] as HTMLElement[];
  const from = days.indexOf(document.activeElement as HTMLElement);
  const to = days[from + step];
  if (to === undefined) return;
  days[from]?.setAttribute("tabindex", "-1");
  to.setAttribute("tabindex", "0");
  to.focus();
}
