// The feed: what happened over all sources, newest first; by source, by day, by words.
import { liveList } from "sidecar-electron/renderer";
import type { LiveList, PageSidecar } from "sidecar-electron/renderer";
import { button, fill, h, setAttribute } from "./dom.ts";
import { feedRows } from "./feed_rows.ts";
import type { FeedRow } from "./feed_rows.ts";
import { heatmap } from "./heatmap.ts";
import { empty, loading, panel } from "./panel.ts";
import { notice, problemOf } from "./notice.ts";
import { standupDialog } from "./standup.ts";
import { dayStart, fromIsoDay, longDay } from "./format.ts";

const PAGE = 60;
const MOST = 500;
const SOURCES: ReadonlyArray<[string | null, string]> = [
  [null, "All"],
  ["google_calendar", "Calendar"],
  ["jira", "Jira"],
  ["confluence", "Confluence"],
  ["claude", "Claude"],
];

/** What of the feed is shown. */
interface Wanted {
  source: string | null;
  /** 2026-11-25; null: every day. */
  day: string | null;
  query: string;
  limit: number;
}

export function activityPanel(sidecar: PageSidecar): HTMLElement {
  const standup = standupDialog(sidecar);
  const { element, body } = panel("activity", "Activity", button("Stand-up", standup.open, { class: "quiet-button" }));
  const feed = new Feed(sidecar, (day) => days.mark(day));
  const days = heatmap(sidecar, (day) => feed.showDay(day));
  void days.reload();
  sidecar.on("activity.changed", () => void days.reload());
  sidecar.on("events.resync", () => void days.reload());
  body.append(days.element, feed.element);
  element.append(standup.dialog);
  return element;
}

class Feed {
  readonly element = h("div", { class: "feed" });
  readonly #sidecar: PageSidecar;
  readonly #wanted: Wanted = { source: null, day: null, query: "", limit: PAGE };
  readonly #list: LiveList<FeedRow>;
  readonly #place = h("div", { class: "feed-days" });
  readonly #rows = feedRows(this.#place);
  readonly #state = h("div", { class: "feed-state" });
  readonly #older = button("Show older", () => this.#want({ limit: Math.min(MOST, this.#wanted.limit + PAGE) }), {
    class: "quiet-button",
  });
  readonly #day = h("p", { class: "feed-day-filter", hidden: true });
  readonly #dayChosen: (day: string | null) => void;

  constructor(sidecar: PageSidecar, dayChosen: (day: string | null) => void) {
    this.#sidecar = sidecar;
    this.#dayChosen = dayChosen;
    this.#list = liveList<FeedRow>(sidecar, {
      load: () => this.#load(),
      key: ({ event }) => event.event_id,
      changes: {},
    });
    // A change may touch any of what is shown; the feed is read again, once however many come.
    sidecar.on("activity.changed", () => void this.#list.reload());
    this.element.append(this.#search(), this.#sources(), this.#day, this.#state, this.#place, this.#older);
    this.#list.watch(() => this.#show());
    this.#show();
  }

  /** Only what happened on that local day; null: every day. */
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
    this.#dayChosen(day);
    void this.#want({ day });
  }

  async #want(change: Partial<Wanted>): Promise<void> {
    Object.assign(this.#wanted, { limit: PAGE }, change);
    await this.#list.reload();
  }

  async #load(): Promise<FeedRow[]> {
    const { source, day, query, limit } = this.#wanted;
    const { activity } = this.#sidecar;
    const start = day === null ? {} : { start: fromIsoDay(day).toISOString() };
    const end = day === null ? new Date() : dayStart(fromIsoDay(day), 1);
    const filters = { ...start, ...(source === null ? {} : { source }), limit };
    // What is only planned is no news; a search finds it all the same.
    const until = { end: end.toISOString() };
    if (query === "") {
      const { events } = await activity.events.list({ ...filters, ...until });
      return events.map((event) => ({ event, snippet: null, marks: [] }));
    }
    const { hits } = await activity.search({ ...filters, ...(day === null ? {} : until), query });
    return hits.map(({ snippet, marks, ...event }) => ({ event, snippet, marks }));
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
      timer = setTimeout(() => void this.#want({ query: field.value.trim() }), 150);
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
          return this.#want({ source });
        },
        { class: "chip", "aria-pressed": String(source === null) },
      );
      group.append(one);
    }
    return group;
  }

  #show(): void {
    const items = this.#list.items();
    const { query, day, source, limit } = this.#wanted;
    this.#rows(items);
    this.#older.hidden = items.length < limit || limit >= MOST;
    const nothing =
      query !== ""
        ? `Nothing matches “${query}”.`
        : day !== null || source !== null
          ? "Nothing here."
          : "What happens in your calendars, in Jira, Confluence and with Claude will be told here.";
    const state =
      this.#list.error !== null
        ? notice(problemOf(this.#list.error), () => this.#list.reload())
        : items.length > 0
          ? null
          : this.#list.isLoaded
            ? empty(nothing)
            : loading();
    fill(this.#state, state);
  }
}
