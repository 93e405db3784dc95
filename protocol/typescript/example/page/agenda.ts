// The agenda: today's events, the current time and the next event.
import { liveList } from "sidecar-electron/renderer";
import type { Calendar, CalendarEvent, LiveList, PageSidecar } from "sidecar-electron/renderer";
import { fill, h, link, Rows, setAttribute, setChildren } from "./dom.ts";
import { listNotice } from "./notice.ts";
import { empty, loading, panel } from "./panel.ts";
import { clock, counted, dayStart, duration, isoDay, longDay } from "./format.ts";

const MINUTE_MS = 60_000;
const PAGE_SIZE = 200;
const HEX_COLOR = /^#[0-9a-f]{6}$/i;

interface Entry {
  key: string;
  event: CalendarEvent;
  begins: number;
  ends: number;
  color: string | null;
  calendar: string;
  answer: string | null;
}

/** Returns the panel, and the date with the next event for the page's header. */
export function agenda(sidecar: PageSidecar, connect: () => void): { element: HTMLElement; date: HTMLElement } {
  const { element, body } = panel("today", "Today");
  const heading = h("h1");
  const next = h("p", { class: "next", "aria-live": "polite" });
  const allDay = h("ul", { class: "all-day", "aria-label": "All day" });
  const timed = h("ol", { class: "agenda", "aria-label": "Today's events" });
  const allDayRows = new Rows<Entry>(
    allDay,
    ({ key }) => key,
    (entry) => ({ element: h("li", {}, titleOf(entry)) }),
  );
  const past = h("ol", { class: "agenda", "aria-label": "Earlier events" });
  const pastCount = h("summary");
  const pastDetails = h("details", { class: "past-events" }, pastCount, past);
  const pastRows = new Rows<Entry>(past, ({ key }) => key, eventRow);
  const timedRows = new Rows<Entry | "now">(
    timed,
    (entry) => (entry === "now" ? "now" : entry.key),
    (entry) => (entry === "now" ? nowLine() : eventRow(entry)),
  );

  const add = h("button", { type: "button", class: "primary", on: { click: connect } }, "Connect a calendar");
  const emptyStates = {
    noEvents: empty("No events today."),
    notConnected: empty("Connect a calendar to see your day here.", add),
    loading: loading(),
  };
  let day = isoDay(Date.now());
  /** Whether the day was once scrolled to the current time; then the scroll position is the user's. */
  let isScrolled = false;
  let calendars: readonly Calendar[] = [];
  const list = liveList<CalendarEvent>(sidecar, {
    load: async () => {
      ({ calendars } = await sidecar.calendar.calendars.list());
      return today(sidecar);
    },
    key: keyOf,
    changes: {},
  });
  const show = (): void => {
    const now = Date.now();
    if (isoDay(now) !== day) {
      day = isoDay(now);
      isScrolled = false;
      void list.reload();
    }
    fill(heading, longDay(now));
    const entries = list
      .items()
      .filter(({ status }) => status !== "cancelled")
      .map((event) => entryOf(event, calendars));
    const [whole, parts] = [
      entries.filter(({ event }) => event.all_day && includesToday(event)),
      entries.filter(({ event }) => !event.all_day),
    ];
    fill(next, ...nextEvent(parts, now, list.isLoaded && calendars.length > 0));
    allDayRows.show(whole);
    allDay.hidden = whole.length === 0;
    const earlier = parts.filter(({ ends }) => ends <= now);
    pastRows.show(earlier);
    fill(pastCount, counted(earlier.length, "earlier event"));
    pastDetails.hidden = earlier.length === 0;
    timedRows.show(
      withNow(
        parts.filter(({ ends }) => ends > now),
        now,
      ),
    );
    markTimes(past, now);
    markTimes(timed, now);
    const full = [allDay, pastDetails, timed];
    setChildren(body, ...bodyOf(list, whole.length + parts.length, calendars.length, emptyStates, full));
    if (!isScrolled && parts.length > 0) isScrolled = scrollToNow(body);
  };
  list.watch(show);
  for (const changed of ["calendar.changed", "accounts.updated"] as const)
    sidecar.on(changed, () => void list.reload());
  show();
  setInterval(show, MINUTE_MS / 4);
  return { element, date: h("div", { class: "date" }, heading, next) };
}

function bodyOf(
  list: LiveList<CalendarEvent>,
  events: number,
  calendars: number,
  emptyStates: { noEvents: Node; notConnected: Node; loading: Node },
  full: Node[],
): Array<Node | null> {
  const problem = listNotice(list.error, () => list.reload());
  if (events > 0) return [problem, ...full];
  if (problem !== null) return [problem];
  if (!list.isLoaded) return [emptyStates.loading];
  return [calendars > 0 ? emptyStates.noEvents : emptyStates.notConnected];
}

/** Reads all events of today. */
async function today(sidecar: PageSidecar): Promise<CalendarEvent[]> {
  const [start, end] = [dayStart(Date.now()).toISOString(), dayStart(Date.now(), 1).toISOString()];
  const all: CalendarEvent[] = [];
  for (let cursor: string | null = null; ;) {
    const page = await sidecar.calendar.events.list({ start, end, limit: PAGE_SIZE, cursor });
    all.push(...page.events);
    if (page.next_cursor === null) return all;
    cursor = page.next_cursor;
  }
}

/** Scrolls the line of the current time into the upper half; returns false while the panel is not shown. */
function scrollToNow(body: HTMLElement): boolean {
  const line = body.querySelector<HTMLElement>(".now-line");
  if (line === null || body.clientHeight === 0) return false;
  const top = line.getBoundingClientRect().top - body.getBoundingClientRect().top;
  body.scrollTop += top - body.clientHeight / 3;
  return true;
}

const keyOf = ({ account_id, calendar_id, event_id }: CalendarEvent): string =>
  JSON.stringify([account_id, calendar_id, event_id]);

function entryOf(event: CalendarEvent, calendars: readonly Calendar[]): Entry {
  const calendar = calendars.find(
    ({ account_id, calendar_id }) => account_id === event.account_id && calendar_id === event.calendar_id,
  );
  const color = calendar?.background_color ?? "";
  return {
    key: keyOf(event),
    event,
    begins: event.start_ts * 1000,
    ends: event.end_ts * 1000,
    color: HEX_COLOR.test(color) ? color : null,
    calendar: calendar?.name ?? "",
    answer: event.response_status,
  };
}

/** Returns whether an all-day event includes today.  Its dates have no time zone, unlike the range of the query. */
function includesToday({ start_time: first, end_time: end }: CalendarEvent): boolean {
  const day = isoDay(Date.now());
  return (
    first === null ||
    end === null ||
    (first.slice(0, 10) <= day && day < end.slice(0, 10)) ||
    first.slice(0, 10) === day
  );
}

/** Inserts the line of the current time before the first event that has not begun. */
function withNow(entries: readonly Entry[], now: number): Array<Entry | "now"> {
  const place = entries.findIndex(({ begins }) => begins > now);
  return place < 0 ? [...entries, "now"] : [...entries.slice(0, place), "now", ...entries.slice(place)];
}

function nowLine() {
  return { element: h("li", { class: "now-line", "aria-label": "Now" }, h("time")), update: () => undefined };
}

/** Marks each event as past, current or future, and updates the current time. */
function markTimes(rows: Element, now: number): void {
  for (const row of rows.children) {
    const { begins, ends } = (row as HTMLElement).dataset;
    if (begins === undefined) fill(row.firstElementChild!, clock(now));
    else setAttribute(row, "data-time", Number(ends) <= now ? "past" : Number(begins) <= now ? "now" : "ahead");
  }
}

function eventRow(entry: Entry): { element: HTMLElement } {
  const { event, begins, ends, color, answer } = entry;
  const bar = h("span", { class: "event-bar", "aria-hidden": "true" });
  if (color !== null) bar.style.setProperty("--calendar", color);
  const times = h(
    "div",
    { class: "event-times" },
    h("time", { datetime: new Date(begins).toISOString() }, clock(begins)),
    h("span", { class: "event-span" }, duration(ends - begins)),
  );
  const words = h("div", { class: "event-words" }, titleOf(entry), detailsOf(entry));
  return {
    element: h(
      "li",
      { class: "event", "data-answer": answer, "data-begins": begins, "data-ends": ends },
      times,
      bar,
      words,
      joinOf(event),
    ),
  };
}

function titleOf({ event, calendar }: Entry): HTMLElement {
  const title = event.title ?? "Busy";
  const named = link(event.html_link, title);
  named.classList.add("event-title");
  if (calendar !== "") setAttribute(named, "title", calendar);
  return named;
}

function detailsOf({ event, answer }: Entry): HTMLElement | null {
  const guests = Array.isArray(event.attendees) ? event.attendees.length : 0;
  const answered =
    answer === "declined"
      ? "declined"
      : answer === "needsAction"
        ? "not answered yet"
        : answer === "tentative"
          ? "maybe"
          : null;
  // For a web address there is the Join button.
  const place = event.location?.startsWith("http") ? null : event.location;
  const words = [answered, place, guests > 1 ? counted(guests, "person", "people") : null].filter(Boolean).join(" · ");
  return words === "" ? null : h("p", { class: "event-details" }, words);
}

function joinOf({ conference_url: address, title }: CalendarEvent): HTMLElement | null {
  if (address === null) return null;
  const join = link(address, "Join");
  if (join.tagName !== "A") return null;
  join.classList.add("join");
  setAttribute(join, "aria-label", `Join ${title ?? "the meeting"}`);
  return join;
}

function nextEvent(entries: readonly Entry[], now: number, isLoaded: boolean): Array<Node | string> {
  const wanted = entries.filter(({ answer }) => answer !== "declined");
  const running = wanted.findLast(({ begins, ends }) => begins <= now && now < ends);
  const ahead = wanted.find(({ begins }) => begins > now);
  const name = ({ event }: Entry): HTMLElement => h("strong", {}, event.title ?? "Busy");
  if (running !== undefined)
    return [name(running), ` until ${clock(running.ends)}`, ...(ahead === undefined ? [] : [", then ", name(ahead)])];
  if (ahead !== undefined) return [name(ahead), ` in ${duration(ahead.begins - now)}`];
  return isLoaded ? ["No more events today"] : [];
}
