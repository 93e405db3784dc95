// The stand-up dialog: a summary since the last working day, which can be copied as Markdown.
import type { PageSidecar } from "sidecar-electron/renderer";
import { button, fill, h, setAttribute } from "./dom.ts";
import { timeZone } from "./heatmap.ts";
import { markdown } from "./markdown.ts";
import { NoticeArea } from "./notice.ts";
import { loading } from "./panel.ts";
import { dayStart } from "./format.ts";

type Period = "last" | "week";

export function standupDialog(sidecar: PageSidecar): { dialog: HTMLDialogElement; open: () => void } {
  const text = h("div", { class: "prose standup-text", tabindex: 0, role: "document", "aria-label": "Summary" });
  const notices = new NoticeArea();
  let summaryText = "";
  const copy = button(
    "Copy as Markdown",
    async () => {
      await notices.attempt(() => navigator.clipboard.writeText(summaryText));
      fill(copy, "Copied");
      setTimeout(() => fill(copy, "Copy as Markdown"), 2_000);
    },
    { class: "plain" },
  );
  const close = button("Close", () => dialog.close(), { class: "quiet-button" });
  const periods = h("div", { class: "sources", role: "group", "aria-label": "Period" });
  const load = async (period: Period): Promise<void> => {
    for (const chip of periods.children)
      setAttribute(chip, "aria-pressed", String((chip as HTMLElement).dataset["period"] === period));
    fill(text, loading());
    const range = { start: startOf(period).toISOString(), end: new Date().toISOString(), time_zone: timeZone() };
    const summary = await notices.attempt(() => sidecar.activity.summary({ ...range, format: "markdown" }));
    summaryText = summary?.markdown ?? "";
    fill(text, summary === undefined ? null : markdown(summaryText));
  };
  periods.append(periodChip("last", "Since the last working day", load), periodChip("week", "This week", load));
  const foot = h("footer", {}, copy);
  const dialog = h(
    "dialog",
    { class: "standup", "aria-labelledby": "standup-title" },
    h("header", {}, h("h2", { id: "standup-title" }, "Stand-up"), close),
    periods,
    notices.element,
    text,
    foot,
  );
  return { dialog, open: () => (dialog.showModal(), void load("last")) };
}

function periodChip(period: Period, label: string, load: (period: Period) => Promise<void>): HTMLElement {
  return button(label, () => load(period), { class: "chip", "data-period": period });
}

/** Returns the start of the period; before Tuesday, the last working day is Friday. */
function startOf(period: Period): Date {
  const weekday = new Date().getDay();
  if (period === "week") return dayStart(Date.now(), -((weekday + 6) % 7));
  return dayStart(Date.now(), weekday === 1 ? -3 : weekday === 0 ? -2 : -1);
}
