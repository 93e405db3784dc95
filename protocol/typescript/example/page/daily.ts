// The daily panel: what Claude does by itself when it is due, the last answer, and what became of the last 30 days.
import { liveList } from "sidecar-electron/renderer";
import type { LiveList, PageSidecar, Schedule, ScheduleRun } from "sidecar-electron/renderer";
import { cited } from "./citations.ts";
import { button, confirmButton, fill, h, setAttribute } from "./dom.ts";
import { markdown } from "./markdown.ts";
import { listNotice } from "./notice.ts";
import type { NoticeArea } from "./notice.ts";
import { empty, listView, panel } from "./panel.ts";
import { scheduleForm } from "./schedule_form.ts";
import { DAYS, scheduleStrip } from "./schedule_strip.ts";
import { nextOf, STATUS_WORDS, timesOf } from "./schedule_words.ts";
import { ago, dayStart } from "./format.ts";

const RUNS_AT_ONCE = 500;

export function dailyPanel(sidecar: PageSidecar): HTMLElement {
  const form = scheduleForm(sidecar);
  const add = button("New", form.open, { class: "quiet-button", label: "New schedule" });
  const { element, body, notices } = panel("daily", "Daily", add);
  const list = liveList<Schedule>(sidecar, {
    load: () => sidecar.jobs.schedules.list().then(({ schedules }) => schedules),
    key: ({ schedule_id }) => schedule_id,
    changes: {
      "jobs.schedule_updated": ({ schedule }) => ({ put: schedule }),
      "jobs.schedule_deleted": ({ schedule_id }) => ({ drop: schedule_id }),
    },
    keep: ({ fixed }) => !fixed, // the sidecar's own ones are no promises to the user
    compare: byNext,
  });
  const rows = new Map<string, ScheduleRow>();
  const show = listView(body, list, {
    label: "Schedules",
    key: ({ schedule_id }) => schedule_id,
    row: (schedule) => {
      const row = new ScheduleRow(sidecar, notices, schedule);
      rows.set(schedule.schedule_id, row);
      return row;
    },
    nothing: () =>
      empty(
        "Claude can work by itself when it is due, for example write your stand-up from yesterday's feed.",
        button("Every weekday at nine: my stand-up", form.open, { class: "plain" }),
      ),
  });
  list.watch(() => {
    const left = new Set(list.items().map(({ schedule_id }) => schedule_id));
    for (const [id, row] of rows) if (!left.has(id)) (row.close(), rows.delete(id));
  });
  setInterval(show, 60_000); // updates texts such as "3 min ago", and the days at midnight
  element.append(form.dialog);
  return element;
}

/** Orders schedules by their next time; those that are paused or have no further time come last. */
function byNext(one: Schedule, other: Schedule): number {
  const next = ({ enabled, next_run_at: at }: Schedule): string => (enabled && at !== null ? at : "9999");
  return next(one).localeCompare(next(other)) || one.schedule_id.localeCompare(other.schedule_id);
}

class ScheduleRow {
  readonly element = h("li", { class: "schedule" });
  /** Stops following the runs. */
  readonly close: () => void;
  readonly #runs: LiveList<ScheduleRun>;
  readonly #name = h("h3", { class: "schedule-name", dir: "auto" });
  readonly #words = h("p", { class: "schedule-words" });
  readonly #strip = scheduleStrip();
  readonly #problem = h("div");
  readonly #lastWords = h("summary");
  readonly #lastText = h("div", { class: "prose schedule-text" });
  readonly #last = h("details", { class: "schedule-last" }, this.#lastWords, this.#lastText);
  readonly #pause: HTMLButtonElement;
  readonly #run: HTMLButtonElement;
  readonly #claude: PageSidecar["claude"];
  #schedule: Schedule;
  #shownText: string | null = null;

  constructor(sidecar: PageSidecar, notices: NoticeArea, schedule: Schedule) {
    this.#schedule = schedule;
    this.#claude = sidecar.claude;
    const { schedules } = sidecar.jobs;
    const id = { schedule_id: schedule.schedule_id };
    const attempt = (work: () => Promise<unknown>) => () => notices.attempt(work);
    this.#pause = button(
      "",
      attempt(() => schedules.update({ ...id, enabled: !this.#schedule.enabled })),
      { class: "quiet-button" },
    );
    this.#run = button(
      "Run now",
      attempt(() => schedules.run(id)),
      { class: "quiet-button" },
    );
    const remove = confirmButton(
      "Delete",
      "Delete with its record",
      attempt(() => schedules.delete(id)),
    );
    this.#runs = runsOf(sidecar, schedule.schedule_id);
    const actions = h("div", { class: "schedule-actions" }, this.#run, this.#pause, remove);
    this.element.append(this.#name, this.#words, this.#strip.element, this.#problem, this.#last, actions);
    this.close = this.#runs.close;
    this.#runs.watch(() => this.#showRuns());
    this.update(schedule);
  }

  readonly update = (schedule: Schedule): void => {
    this.#schedule = schedule;
    const name = schedule.title ?? schedule.type;
    fill(this.#name, name);
    fill(this.#words, `${timesOf(schedule)} · ${nextOf(schedule)}`);
    setAttribute(this.element, "data-paused", !schedule.enabled);
    const [verb, label] = schedule.enabled ? ["Pause", `Pause: ${name}`] : ["Resume", `Resume: ${name}`];
    fill(this.#pause, verb);
    for (const [one, text] of [
      [this.#pause, label],
      [this.#run, `Run now: ${name}`],
    ] as const) {
      setAttribute(one, "aria-label", text);
      setAttribute(one, "title", text);
    }
    this.#showRuns();
  };

  #showRuns(): void {
    const { items, isLoaded, error } = this.#runs.snapshot();
    this.#strip.show(this.#schedule.title ?? this.#schedule.type, isLoaded ? items : null);
    fill(
      this.#problem,
      listNotice(error, () => this.#runs.reload()),
    );
    const [last] = items.filter(({ ended_at: ended }) => ended !== null).sort(byEnd);
    this.#last.hidden = last === undefined;
    if (last === undefined) return;
    const words = `Last: ${STATUS_WORDS[last.status]}, ${ago(last.ended_at)}`;
    if (this.#lastWords.textContent !== words) fill(this.#lastWords, words);
    const text = last.text ?? [last.error?.message, last.error?.hint].filter(Boolean).join(" ");
    if (text === this.#shownText) return; // unfolded, it keeps its selection
    this.#shownText = text;
    setAttribute(this.#last, "data-status", last.status);
    fill(this.#lastText, text === "" ? h("p", { class: "quiet" }, "It has left no text.") : markdown(text));
    if (last.text !== null && last.job_id !== null) void this.#showSources(last.text, last.job_id);
  }

  async #showSources(text: string, jobId: string): Promise<void> {
    const { citations } = await this.#claude.citations.list({ job_id: jobId }).catch(() => ({ citations: [] }));
    if (citations.length === 0 || text !== this.#shownText) return;
    const { text: words, sources } = cited(markdown(text), citations);
    fill(this.#lastText, words, sources);
  }
}

const byEnd = (one: ScheduleRun, other: ScheduleRun): number =>
  (other.ended_at ?? "").localeCompare(one.ended_at ?? "");

/** What became of a schedule's times in the last days. */
function runsOf(sidecar: PageSidecar, scheduleId: string): LiveList<ScheduleRun> {
  const load = async (): Promise<ScheduleRun[]> => {
    const since = dayStart(Date.now(), 1 - DAYS).toISOString();
    const all: ScheduleRun[] = [];
    // It ends: the sidecar keeps a limited number of a schedule's runs.
    for (let cursor: string | null = null; ;) {
      const page = await sidecar.jobs.schedules.runs.list({
        schedule_id: scheduleId,
        since,
        limit: RUNS_AT_ONCE,
        cursor,
      });
      all.push(...page.runs);
      if (page.next_cursor === null) return all;
      cursor = page.next_cursor;
    }
  };
  const list: LiveList<ScheduleRun> = liveList<ScheduleRun>(sidecar, {
    load,
    key: ({ run_id }) => run_id,
    changes: {
      "jobs.schedule_run_ended": ({ run }) => (run.schedule_id === scheduleId ? { put: run } : null),
      // A run that begins, waits or is cancelled is notified as its job only.  `reload` combines several calls.
      "jobs.schedule_updated": ({ schedule }) => {
        if (schedule.schedule_id === scheduleId) void list.reload();
        return null;
      },
      "jobs.updated": ({ job }) => {
        const run = list.items().find(({ job_id }) => job_id === job.job_id);
        if (run !== undefined && run.status !== job.status) void list.reload();
        return null;
      },
    },
  });
  return list;
}
