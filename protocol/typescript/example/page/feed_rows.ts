// The feed's rows, day by day.
import type { ActivityEvent } from "sidecar-electron/renderer";
import { h, link, Rows } from "./dom.ts";
import { clock, counted, isoDay, fromIsoDay, relativeDay } from "./words.ts";

export interface FeedRow {
  event: ActivityEvent;
  /** Of a search: a piece of the text, and where in it the hits are. */
  snippet: string | null;
  marks: ReadonlyArray<readonly [number, number]>;
}

interface Day {
  day: string;
  rows: FeedRow[];
}

/** Returns what shows rows in `place`, under their days. */
export function feedRows(place: Element): (rows: readonly FeedRow[]) => void {
  const days = new Rows<Day>(place, ({ day }) => day, (day) => daySection(day));
  return (rows) => days.show(byDay(rows));
}

function byDay(rows: readonly FeedRow[]): Day[] {
  const days = new Map<string, FeedRow[]>();
  for (const row of rows) {
    const day = row.event.event_ts === null ? "" : isoDay(row.event.event_ts * 1000);
    const known = days.get(day);
    if (known === undefined) days.set(day, [row]);
    else known.push(row);
  }
  return [...days].map(([day, own]) => ({ day, rows: own }));
}

function daySection(first: Day): { element: HTMLElement; update: (day: Day) => void } {
  const heading = h("h3", {});
  const list = h("ol", { class: "feed-rows" });
  const rows = new Rows<FeedRow>(list, ({ event, snippet }) => `${event.event_id} ${event.updated_at} ${snippet ?? ""}`, (row) => ({ element: feedRow(row), update: () => undefined }));
  const update = ({ day, rows: own }: Day): void => {
    heading.textContent = day === "" ? "Without a date" : relativeDay(fromIsoDay(day));
    list.setAttribute("aria-label", `${heading.textContent}: ${counted(own.length, "event")}`);
    rows.show(own);
  };
  update(first);
  return { element: h("section", { class: "feed-day" }, heading, list), update };
}

function feedRow({ event, snippet, marks }: FeedRow): HTMLElement {
  const { event_ts: seconds, event_time: time, source, title, url, actor } = event;
  const when = seconds === null ? h("span") : h("time", { datetime: time }, clock(seconds * 1000));
  const name = link(url, title ?? event.event_type);
  name.classList.add("feed-title");
  const facts = [VERBS[event.event_type] ?? event.event_type.replaceAll("_", " "), actor].filter(Boolean).join(" · ");
  const words = h("div", { class: "feed-words" }, name, h("p", { class: "feed-facts" }, facts), snippet !== null && snippet !== title && marked(snippet, marks));
  return h("li", { class: "feed-row", "data-source": source }, when, h("span", { class: "feed-mark", "aria-hidden": "true" }), words);
}

const VERBS: Readonly<Record<string, string>> = {
  event_scheduled: "meeting",
  issue_created: "created",
  issue_updated: "changed",
  issue_transitioned: "moved",
  issue_assigned: "assigned",
  issue_commented: "commented",
  issue_worklogged: "logged work",
  page_created: "written",
  page_edited: "edited",
  page_commented: "commented",
};

function marked(text: string, marks: ReadonlyArray<readonly [number, number]>): HTMLElement {
  const pieces: Node[] = [];
  let told = 0;
  for (const [start, end] of marks) {
    pieces.push(document.createTextNode(text.slice(told, start)), h("mark", {}, text.slice(start, end)));
    told = end;
  }
  return h("p", { class: "feed-snippet" }, ...pieces, text.slice(told));
}
