// The log of a job, loaded when it is opened and then followed.
import { liveList } from "sidecar-electron/renderer";
import type { JobLogLine, LiveList, PageSidecar } from "sidecar-electron/renderer";
import { h } from "./dom.ts";
import { pagedReader } from "./paging.ts";
import { empty, listView } from "./panel.ts";
import { clock } from "./format.ts";

const PAGE_SIZE = 500;

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

function open(sidecar: PageSidecar, jobId: string, container: Element): LiveList<JobLogLine> {
  const list = liveList<JobLogLine>(sidecar, {
    load: pagedReader(async (cursor) => {
      const { lines: items, next_cursor } = await sidecar.jobs.log.list({ job_id: jobId, limit: PAGE_SIZE, cursor });
      return { items, next_cursor };
    }),
    key: ({ line_id }) => line_id,
    changes: { "jobs.log_added": ({ line }) => (line.job_id === jobId ? { put: line } : null) },
  });
  listView(container, list, {
    label: "Log",
    key: ({ line_id }) => line_id,
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
