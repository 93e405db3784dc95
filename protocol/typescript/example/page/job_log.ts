// A job's log, unfolded on demand and then live.
import { liveList } from "sidecar-electron/renderer";
import type { JobLogLine, LiveList, PageSidecar } from "sidecar-electron/renderer";
import { h } from "./dom.ts";
import { empty, listView } from "./panel.ts";
import { clock } from "./words.ts";

const LINES = 500;

export function jobLog(sidecar: PageSidecar, jobId: string): { element: HTMLElement; close: () => void } {
  const lines = h("div", { class: "log" });
  const element = h("details", { class: "job-log" }, h("summary", {}, "Log"), lines);
  let list: LiveList<JobLogLine> | null = null;
  element.addEventListener("toggle", () => {
    list?.close();
    list = element.open ? open(sidecar, jobId, lines) : null;
  });
  return { element, close: () => list?.close() };
}

function open(sidecar: PageSidecar, jobId: string, place: Element): LiveList<JobLogLine> {
  const list = liveList<JobLogLine>(sidecar, {
    load: () => sidecar.jobs.log.list({ job_id: jobId, limit: LINES }).then(({ events }) => events),
    key: ({ event_id }) => event_id,
    changes: { "jobs.log_added": ({ event }) => (event.job_id === jobId ? { put: event } : null) },
  });
  listView(place, list, {
    label: "Log",
    key: ({ event_id }) => event_id,
    row: ({ created_at, level, message }) => ({
      element: h(
        "li",
        { "data-level": level },
        h("time", { datetime: created_at }, clock(Date.parse(created_at))),
        h("span", {}, message),
      ),
    }),
    nothing: () => empty("No lines yet."),
  });
  return list;
}
