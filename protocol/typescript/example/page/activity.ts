// The activity feed of all sources, newest first, with a search and filters by source and day.
import { liveList } from "sidecar-electron/renderer";
import type { LiveList, PageSidecar } from "sidecar-electron/renderer";
import { button, fill, h, setAttribute } from "./dom.ts";
import { feedRows } from "./feed_rows.ts";
import type { FeedRow } from "./feed_rows.ts";
import { heatmap } from "./heatmap.ts";
import { empty, loading, panel } from "./panel.ts";
import { listNotice } from "./notice.ts";
import { standupDialog } from "./standup.ts";
import { loadAtStarts } from "./status.ts";
import { dayStart, fromIsoDay, longDay } from "./format.ts";

const PAGE_SIZE = 60;
const MAX_EVENTS = 500;
const SOURCES: ReadonlyArray<[string | null, string]> = [
  [null, "All"],
  ["google_calendar", "Calendar"],
  ["jira", "Jira"],
  ["confluence", "Confluence"],
  ["claude", "Claude"],
];

interface FeedFilter {
  source: string | null;
  /** A local day such as 2026-11-25, or null for all days. */
  day: string | null;
  query: string;
  limit: number;
}

export function activityPanel(sidecar: PageSidecar): HTMLElement {
  const standup = standupDialog(sidecar);
  const { element, body } = panel("activity", "Activity", button("Stand-up", standup.open, { class: "quiet-button" }));
  const feed = new Feed(sidecar, (day) => days.setSelected(day));
  const days = heatmap(sidecar, (day) => feed.showDay(day));
  loadAtStarts(sidecar, days.reload);
  sidecar.on("activity.changed", () => void days.reload());
  sidecar.on("events.resync", () => void days.reload());
  body.append(days.element, feed.element);
  element.append(standup.dialog);
  return element;
}

class Feed {
  readonly element = h("div", { class: "feed" });
  readonly #sidecar: PageSidecar;
  readonly #filter: FeedFilter = { source: null, day: null, query: "", limit: PAGE_SIZE };
  readonly #list: LiveList<FeedRow>;
  readonly #days = h("div", { class: "feed-days" });
  readonly #rows: (rows: readonly FeedRow[]) => void;
  readonly #state = h("div", { class: "feed-state" });
  readonly #older = button(
    "Show older",
    () => this.#setFilter({ limit: Math.min(MAX_EVENTS, this.#filter.limit + PAGE_SIZE) }),
    { class: "quiet-button" },
  );
  readonly #day = h("p", { class: "feed-day-filter", hidden: true });
  readonly #onDayChosen: (day: string | null) => void;

  constructor(sidecar: PageSidecar, onDayChosen: (day: string | null) => void) {
    this.#sidecar = sidecar;
    this.#rows = feedRows(this.#days, sidecar);
    this.#onDayChosen = onDayChosen;
    this.#list = liveList<FeedRow>(sidecar, {
      load: () => this.#load(),
      key: ({ event }) => event.event_id,
      changes: {},
    });
    // A change may affect any event.  `reload` combines several calls.
    sidecar.on("activity.changed", () => void this.#list.reload());
    this.element.append(this.#search(), this.#sources(), this.#day, this.#state, this.#days, this.#older);
    this.#list.watch(() => this.#show());
    this.#show();
  }

  /** Shows only the events of a local day, or of all days if null. */
  showDay(day: string | null): void {
    fill(
      this.#day,
      ...(day === null
        ? []
        : [
            `Only ${longDay(fromIsoDay(day))} `,
            button("Show all days", () => this.showDay(null), { class: "quiet-button" }),
          ]),
    );
    this.#day.hidden = day === null;
    this.#onDayChosen(day);
    void this.#setFilter({ day });
  }

  async #setFilter(change: Partial<FeedFilter>): Promise<void> {
    Object.assign(this.#filter, { limit: PAGE_SIZE }, change);
    await this.#list.reload();
  }

  async #load(): Promise<FeedRow[]> {
    const { source, day, query, limit } = this.#filter;
    const { activity } = this.#sidecar;
    const start = day === null ? {} : { start: fromIsoDay(day).toISOString() };
    const end = day === null ? new Date() : dayStart(fromIsoDay(day), 1);
    const filters = { ...start, ...(source === null ? {} : { source }), limit };
    // The feed ends now; a search also finds planned events.
    const until = { end: end.toISOString() };
    if (query === "") {
      const { events } = await activity.events.list({ ...filters, ...until });
      return events.map((event) => ({ event, snippet: null, highlights: [] }));
    }
    const { hits } = await activity.search({ ...filters, ...(day === null ? {} : until), query });
    return hits.map(({ snippet, highlights, ...event }) => ({ event, snippet, highlights }));
  }

  #search(): HTMLElement {
    const field = h("input", {
      type: "search",
      placeholder: "Search everything",
      "aria-label": "Search the feed",
      "aria-keyshortcuts": "/",
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => void this.#setFilter({ query: field.value.trim() }), 150);
    });
    return h("search", {}, field);
  }

  #sources(): HTMLElement {
    const group = h("div", { class: "sources", role: "group", "aria-label": "Sources" });
    for (const [source, name] of SOURCES) {
      const one = button(
        name,
        () => {
          for (const other of group.children) setAttribute(other, "aria-pressed", String(other === one));
          return this.#setFilter({ source });
        },
        { class: "chip", "aria-pressed": String(source === null) },
      );
      group.append(one);
    }
    return group;
  }

  #show(): void {
    const items = this.#list.items();
    const { query, day, source, limit } = this.#filter;
    this.#rows(items);
    this.#older.hidden = items.length < limit || limit >= MAX_EVENTS;
    const emptyText =
      query !== ""
        ? `Nothing matches “${query}”.`
        : day !== null || source !== null
          ? "No activity."
          : "Activity in your calendars, Jira, Confluence and Claude will appear here.";
    const waiting = this.#list.isLoaded ? empty(emptyText) : loading();
    const problem = listNotice(this.#list.error, () => this.#list.reload());
    const state = problem ?? (items.length > 0 ? null : waiting);
    fill(this.#state, state);
  }
}
