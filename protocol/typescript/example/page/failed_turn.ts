// Why a turn failed: the job's message and hint, when a usage limit resets, and a button that runs the turn again.
import type { ClaudeMessage, Job, PageSidecar } from "sidecar-electron/renderer";
import { button, fill, h } from "./dom.ts";
import { clock, longDay, isoDay } from "./format.ts";
import { hintLine, NoticeArea } from "./notice.ts";

/** `text` is what the conversation has; the rest is read from the turn's job, as long as that is kept. */
export function failedTurn(sidecar: PageSidecar, { text, job_id: jobId }: ClaudeMessage): HTMLElement {
  const notices = new NoticeArea();
  const words = h("div", { class: "notice", role: "group", "aria-label": "Claude could not answer" });
  const show = (job: Job | null): void => {
    const hint = job?.error?.hint ?? null;
    const resets = resetOf(job);
    const again = async (): Promise<void> => {
      const queued = await notices.attempt(() => sidecar.jobs.retry({ job_id: jobId ?? "" }));
      if (queued !== undefined) show(null);
    };
    fill(
      words,
      h("p", { class: "notice-message" }, job?.error?.message ?? text),
      hint !== null && hintLine(hint),
      resets !== null && h("p", { class: "notice-hint" }, resets),
      job?.status === "failed" && button("Try again", again, { class: "plain" }),
    );
  };
  show(null);
  if (jobId !== null) void sidecar.jobs.get({ job_id: jobId }).then(show, () => undefined); // the job may be gone
  return h("div", {}, words, notices.element);
}

function resetOf(job: Job | null): string | null {
  const resetsAt = (job?.error?.details as { resets_at?: unknown } | null | undefined)?.resets_at;
  const moment = typeof resetsAt === "string" ? Date.parse(resetsAt) : NaN;
  if (Number.isNaN(moment)) return null;
  const day = isoDay(moment) === isoDay(Date.now()) ? "" : ` on ${longDay(moment)}`;
  return `The limit resets at ${clock(moment)}${day}.`;
}
