// The jobs panel: running, queued and finished jobs, with cancel, run again and pause.
import { liveList } from "sidecar-electron/renderer";
import type { Job, PageSidecar } from "sidecar-electron/renderer";
import { button, fill, h, setAttribute } from "./dom.ts";
import { jobLog } from "./job_log.ts";
import { empty, listView, panel } from "./panel.ts";
import { hintWords, isOfEnd } from "./notice.ts";
import type { NoticeArea } from "./notice.ts";
import { loadAtStarts } from "./status.ts";
import { ago, clock, counted, duration } from "./format.ts";

const MAX_JOBS = 30;
/** The names of job types for the user; other types are shown as they are. */
const JOB_NAMES: Readonly<Record<string, string>> = {
  "maintenance.backup": "Back up the database",
  "maintenance.prune": "Delete old jobs",
  "maintenance.vacuum": "Free disk space",
  "calendar.sync": "Sync a calendar",
  "jira.sync": "Sync Jira",
  "confluence.sync": "Sync Confluence",
  "activity.export": "Export the feed",
  "claude.run": "Claude",
  "claude.turn": "Claude",
};
const LIVE = ["running", "queued"];
const WAITING_TEXTS: Readonly<Record<string, string>> = {
  lock: "waiting for another job",
  network: "waiting for the network",
  rate_limit: "waiting: too many requests",
  approval: "waiting for your answer",
  retry: "retrying soon",
  capacity: "waiting for a place",
  pause: "waiting: the queue is paused",
};

export function jobsPanel(sidecar: PageSidecar): HTMLElement {
  const pause = button(
    "Pause",
    () => notices.attempt(() => (isPaused ? sidecar.jobs.queue.resume() : sidecar.jobs.queue.pause())),
    { class: "quiet-button" },
  );
  const backUp = button("Back up", () => notices.attempt(() => sidecar.jobs.create({ type: "maintenance.backup" })), {
    class: "quiet-button",
  });
  const { element, body, notices, title } = panel("jobs", "Jobs", backUp, pause);
  let isPaused: boolean | null = null;
  const setPaused = (queue: { paused: boolean }): void => {
    isPaused = queue.paused;
    fill(pause, isPaused ? "Resume" : "Pause");
    setAttribute(title, "data-note", isPaused ? "paused" : null);
  };
  let changes = 0;
  sidecar.on("jobs.queue_updated", ({ queue }) => {
    changes += 1;
    setPaused(queue);
  });
  loadAtStarts(sidecar, async () => {
    const before = changes;
    try {
      const queue = await sidecar.jobs.queue.get();
      if (changes === before) setPaused(queue); // a change that was notified meanwhile is newer
    } catch (error) {
      if (!isOfEnd(error)) notices.show(error);
    }
  });

  // Progress is notified more often than it is stored, and may arrive before the job's row exists.
  const progress = new Map<string, Pick<Job, "progress" | "message">>();
  const list = liveList<Job>(sidecar, {
    load: () => sidecar.jobs.list({ limit: MAX_JOBS }).then(({ jobs }) => jobs),
    key: ({ job_id }) => job_id,
    version: ({ version }) => version,
    changes: {
      "jobs.updated": ({ job }) => {
        if (job.status !== "running") progress.delete(job.job_id);
        return { put: job };
      },
    },
    compare: byState,
    limit: MAX_JOBS,
  });
  const rows = new Map<string, JobRow>();
  sidecar.on("jobs.progress", ({ job_id, ...latest }) => {
    progress.set(job_id, latest);
    rows.get(job_id)?.showProgress(latest.progress, latest.message);
  });
  const show = listView(body, list, {
    label: "Jobs",
    key: ({ job_id }) => job_id,
    row: (job) => {
      const newest = (known: Job): Job => ({ ...known, ...progress.get(known.job_id) });
      const row = new JobRow(sidecar, notices, newest(job));
      rows.set(job.job_id, row);
      return { element: row.element, update: (changed) => row.update(newest(changed)) };
    },
    nothing: () => empty("No jobs yet. Syncs, backups and Claude's turns appear here."),
  });
  list.watch(() => {
    const left = new Set(list.items().map(({ job_id }) => job_id));
    for (const [id, row] of rows) if (!left.has(id)) (row.close(), rows.delete(id));
  });
  setInterval(show, 60_000); // updates texts such as "3 min ago"
  return element;
}

/** Orders running jobs first, then queued ones, then finished ones, each with the latest first. */
function byState(one: Job, other: Job): number {
  const rank = ({ status }: Job): number => (status === "running" ? 0 : status === "queued" ? 1 : 2);
  const last = (job: Job): string => job.finished_at ?? job.started_at ?? job.created_at;
  return rank(one) - rank(other) || last(other).localeCompare(last(one));
}

class JobRow {
  readonly element = h("li", { class: "job" });
  /** Stops following the log. */
  readonly close: () => void;
  readonly #sidecar: PageSidecar;
  readonly #notices: NoticeArea;
  readonly #name = h("span", { class: "job-name", dir: "auto" });
  readonly #state = h("span", { class: "job-state" });
  readonly #detail = h("span", { class: "job-detail" });
  readonly #bar = h("progress", { max: 1 });
  readonly #actions = h("div", { class: "job-actions" });
  #shownActions: Job["status"] | null = null;
  /** Whether the state already says what the message would repeat. */
  #isMessageRedundant = false;

  constructor(sidecar: PageSidecar, notices: NoticeArea, job: Job) {
    this.#sidecar = sidecar;
    this.#notices = notices;
    const log = jobLog(sidecar, job.job_id);
    this.close = log.close;
    this.element.append(
      h("div", { class: "job-line" }, this.#name, this.#actions),
      this.#bar,
      h("div", { class: "job-foot" }, h("p", { class: "job-words" }, this.#state, this.#detail), log.element),
    );
    this.update(job);
  }

  readonly update = (job: Job): void => {
    setAttribute(this.element, "data-status", job.status);
    fill(this.#name, nameOf(job));
    setAttribute(this.#bar, "aria-label", `Progress of ${nameOf(job)}`);
    fill(this.#state, stateOf(job));
    this.#isMessageRedundant = job.status === "succeeded" || job.waiting_for === "approval";
    this.showProgress(job.status === "running" ? job.progress : null, job.message);
    this.#bar.hidden = job.status !== "running";
    if (job.error !== null)
      fill(
        this.#detail,
        job.error.message,
        job.error.hint !== null && h("span", { class: "hint" }, " ", ...hintWords(job.error.hint)),
      );
    this.#showActions(job);
  };

  showProgress(fraction: number | null, message: string | null): void {
    if (fraction === null) this.#bar.removeAttribute("value");
    else this.#bar.value = fraction;
    const percent = fraction === null ? "" : `${Math.round(fraction * 100)} %`;
    fill(this.#detail, [percent, this.#isMessageRedundant ? null : message].filter(Boolean).join(" · "));
  }

  /** Replaces the buttons only if others are needed, so that a focused button keeps its focus. */
  #showActions(job: Job): void {
    const actions = job.cancel_requested && LIVE.includes(job.status) ? null : job.status;
    if (actions === this.#shownActions && this.#actions.childElementCount > 0) return;
    this.#shownActions = actions;
    const { jobs } = this.#sidecar;
    const attempt = (work: () => Promise<unknown>) => () => this.#notices.attempt(work);
    const id = { job_id: job.job_id };
    const label = (verb: string): { label: string; class: string } => ({
      label: `${verb}: ${nameOf(job)}`,
      class: "quiet-button",
    });
    if (actions === "running" || actions === "queued")
      fill(
        this.#actions,
        button(
          "Cancel",
          attempt(() => jobs.cancel(id)),
          label("Cancel"),
        ),
      );
    else if (actions === null || actions === "succeeded") fill(this.#actions);
    else
      fill(
        this.#actions,
        button(
          "Run again",
          attempt(() => jobs.retry(id)),
          label("Run again"),
        ),
      );
  }
}

function nameOf({ type, payload }: Job): string {
  const { prompt } = (payload ?? {}) as { prompt?: unknown };
  const name = JOB_NAMES[type] ?? type;
  return typeof prompt === "string" ? `${name}: ${prompt.split("\n", 1)[0]}` : name;
}

function stateOf(job: Job): string {
  const { status, run_at: runAt, waiting_for: waitingFor } = job;
  if (status === "running")
    return job.cancel_requested
      ? "stopping"
      : waitingFor === null
        ? "running"
        : (WAITING_TEXTS[waitingFor] ?? "waiting");
  if (status === "queued") {
    if (runAt !== null && Date.parse(runAt) > Date.now()) return `at ${clock(Date.parse(runAt))}`;
    return waitingFor === null ? "queued" : (WAITING_TEXTS[waitingFor] ?? "waiting");
  }
  const took =
    job.started_at === null || job.finished_at === null
      ? null
      : Date.parse(job.finished_at) - Date.parse(job.started_at);
  const attempts = job.attempt > 1 ? `after ${counted(job.attempt, "try", "tries")}` : null;
  const outcome = status === "succeeded" ? null : status;
  return [outcome, attempts, ago(job.finished_at), took !== null && took >= 1_000 ? `took ${duration(took)}` : null]
    .filter(Boolean)
    .join(" · ");
}
