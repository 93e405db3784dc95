// The stand-up: what was done since the last working day, as text that can be taken elsewhere.
import type { PageSidecar } from "sidecar-electron/renderer";
import { button, fill, h, setAttribute } from "./dom.ts";
import { timeZone } from "./heatmap.ts";
import { markdown } from "./markdown.ts";
import { NoticeArea } from "./notice.ts";
import { loading } from "./panel.ts";
import { dayStart } from "./format.ts";

type Span = "last" | "week";

export function standupDialog(sidecar: PageSidecar): { dialog: HTMLDialogElement; open: () => void } {
  const text = h("div", { class: "prose standup-text", tabindex: 0, role: "document", "aria-label": "Summary" });
  const notices = new NoticeArea();
  let told = "";
  const copy = button(
    "Copy as Markdown",
    async () => {
      await notices.attempt(() => navigator.clipboard.writeText(told));
      fill(copy, "Copied");
      setTimeout(() => fill(copy, "Copy as Markdown"), 2_000);
    },
    { class: "plain" },
  );
  const close = button("Close", () => dialog.close(), { class: "quiet-button" });
  const spans = h("div", { class: "sources", role: "group", "aria-label": "Since when" });
  const load = async (span: Span): Promise<void> => {
    for (const chip of spans.children)
      setAttribute(chip, "aria-pressed", String((chip as HTMLElement).dataset["span"] === span));
    fill(text, loading());
    const range = { start: since(span).toISOString(), end: new Date().toISOString(), time_zone: timeZone() };
    const summary = await notices.attempt(() => sidecar.activity.summary({ ...range, format: "markdown" }));
    told = summary?.markdown ?? "";
    fill(text, summary === undefined ? null : markdown(told));
  };
  spans.append(spanChip("last", "Since the last working day", load), spanChip("week", "This week", load));
  const foot = h("footer", {}, copy);
  const dialog = h(
    "dialog",
    { class: "standup", "aria-labelledby": "standup-title" },
    h("header", {}, h("h2", { id: "standup-title" }, "Stand-up"), close),
    spans,
    notices.element,
    text,
    foot,
  );
  return { dialog, open: () => (dialog.showModal(), void load("last")) };
}

function spanChip(span: Span, words: string, load: (span: Span) => Promise<void>): HTMLElement {
  return button(words, () => load(span), { class: "chip", "data-span": span });
}

/** On a Monday the last working day is Friday. */
function since(span: Span): Date {
  const weekday = new Date().getDay();
  if (span === "week") return dayStart(Date.now(), -((weekday + 6) % 7));
  return dayStart(Date.now(), weekday === 1 ? -3 : weekday === 0 ? -2 : -1);
}
