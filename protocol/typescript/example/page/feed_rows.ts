// The rows of the feed, grouped by day.
import type { ActivityEvent, Highlight, PageSidecar } from "sidecar-electron/renderer";
import { sourceList, sourceWords } from "./citations.ts";
import { fill, h, link, Rows } from "./dom.ts";
import { listNotice } from "./notice.ts";
import { clock, counted, duration, fromIsoDay, isoDay, relativeDay } from "./format.ts";

export interface FeedRow {
  event: ActivityEvent;
  /** An excerpt with the hits of a search; null without a search. */
  snippet: string | null;
  highlights: readonly Highlight[];
}

interface Day {
  day: string;
  rows: FeedRow[];
}

/** Returns a function that shows rows in `container`, grouped by day. */
export function feedRows(container: Element, sidecar: PageSidecar): (rows: readonly FeedRow[]) => void {
  const days = new Rows<Day>(
    container,
    ({ day }) => day,
    (day) => daySection(day, sidecar),
  );
  return (rows) => days.show(byDay(rows));
}

function byDay(rows: readonly FeedRow[]): Day[] {
  const days = new Map<string, FeedRow[]>();
  for (const row of rows) {
    const { event_ts: seconds, local_date: wholeDay } = row.event;
    const day = wholeDay ?? (seconds === null ? "" : isoDay(seconds * 1000));
    const known = days.get(day);
    if (known === undefined) days.set(day, [row]);
    else known.push(row);
  }
  return [...days].map(([day, dayRows]) => ({ day, rows: dayRows }));
}

function daySection(first: Day, sidecar: PageSidecar): { element: HTMLElement; update: (day: Day) => void } {
  const heading = h("h3", {});
  const list = h("ol", { class: "feed-rows" });
  const rows = new Rows<FeedRow>(
    list,
    ({ event, snippet }) => `${event.event_id} ${event.updated_at} ${snippet ?? ""}`,
    (row) => ({ element: feedRow(row, sidecar), update: () => undefined }),
  );
  const update = ({ day, rows: dayRows }: Day): void => {
    heading.textContent = day === "" ? "Without a date" : relativeDay(fromIsoDay(day));
    list.setAttribute("aria-label", `${heading.textContent}: ${counted(dayRows.length, "event")}`);
    rows.show(dayRows);
  };
  update(first);
  return { element: h("section", { class: "feed-day" }, heading, list), update };
}

/** Read aloud, where others see a colour. */
const SOURCE_NAMES: Readonly<Record<string, string>> = {
  google_calendar: "Google Calendar",
  ics: "Calendar",
  jira: "Jira",
  confluence: "Confluence",
  claude: "Claude",
};

function feedRow({ event, snippet, highlights }: FeedRow, sidecar: PageSidecar): HTMLElement {
  const { event_ts: seconds, event_time: time, local_date: wholeDay, source, title, url } = event;
  const when = seconds === null || wholeDay !== null ? h("span") : h("time", { datetime: time }, clock(seconds * 1000));
  const name = link(url, ...(snippet === title ? marked(snippet ?? "", highlights) : [title ?? event.event_type]));
  name.classList.add("feed-title");
  name.dir = "auto";
  const excerpt =
    snippet !== null && snippet !== title && h("p", { class: "feed-snippet" }, ...marked(snippet, highlights));
  const facts = h("p", { class: "feed-facts" }, ...factsOf(event));
  const words = h("div", { class: "feed-words" }, name, facts, excerpt, answerSources(event, sidecar));
  return h(
    "li",
    { class: "feed-row", "data-source": source },
    when,
    h("span", { class: "feed-mark" }, h("span", { class: "unseen" }, SOURCE_NAMES[source] ?? source)),
    words,
  );
}

/** What an answer of Claude rests on, read when it is unfolded; null for other events. */
function answerSources({ source, raw }: ActivityEvent, sidecar: PageSidecar): HTMLElement | null {
  const { job_id: jobId, citations = 0, unknown_citations: missing = 0 } = (raw ?? {}) as Answer;
  if (source !== "claude" || jobId === undefined || citations === 0) return null;
  const list = h("div", {});
  const summary = h("summary", {}, sourceWords(citations - missing, missing));
  const details = h("details", { class: "feed-sources" }, summary, list);
  const show = async (): Promise<void> => {
    const found = await sidecar.claude.citations.list({ job_id: jobId });
    fill(list, sourceList(found.citations) ?? h("p", { class: "hint" }, "They are no longer kept."));
  };
  const load = (): void => void show().catch((error: unknown) => fill(list, listNotice(error, load)));
  details.addEventListener("toggle", load, { once: true });
  return details;
}

/** The members of an answer's event that are read here. */
interface Answer {
  job_id?: string;
  /** The number of citations, and of those whose source does not exist. */
  citations?: number;
  unknown_citations?: number;
}

const VERBS: Readonly<Record<string, string>> = {
  event_scheduled: "meeting",
  issue_created: "created",
  issue_updated: "changed",
  issue_transitioned: "moved",
  issue_assigned: "assigned",
  issue_commented: "commented",
  issue_worklogged: "logged work",
  issue_worklog_deleted: "deleted logged work",
  page_created: "page created",
  page_edited: "page edited",
  page_commented: "page commented",
  turn_completed: "Claude answered",
  turn_failed: "Claude failed",
  turn_cancelled: "Claude was stopped",
  run_completed: "Claude answered",
  run_failed: "Claude failed",
  run_cancelled: "Claude was stopped",
};

/** `Ben moved · In Progress → Done · Checkout`. */
function factsOf(event: ActivityEvent): string[] {
  const {
    event_type: type,
    actor,
    by_me: isMine,
    previous_status: from,
    status: to,
    event_ts: start,
    ended_at: end,
    container,
  } = event;
  const verb = VERBS[type] ?? type.replaceAll("_", " ");
  const isMeeting = type === "event_scheduled";
  const who = isMine || actor === null || isMeeting ? verb : `${actor} ${verb}`;
  const move = from === null ? null : `${from} → ${to}`;
  const took =
    end === null || start === null || event.local_date !== null ? null : duration(Date.parse(end) - start * 1000);
  return [[who, move, took, container].filter((fact) => fact !== null && fact !== "").join(" · ")];
}

function marked(text: string, highlights: readonly Highlight[]): Array<Node | string> {
  const pieces: Array<Node | string> = [];
  let position = 0;
  for (const { start, end } of highlights) {
    pieces.push(text.slice(position, start), h("mark", {}, text.slice(start, end)));
    position = end;
  }
  return [...pieces, text.slice(position)];
}
