// The dialog that creates a schedule: a prompt that Claude answers by itself on certain days at a certain time.
import type { PageSidecar } from "sidecar-electron/renderer";
import { button, h } from "./dom.ts";
import { timeZone } from "./heatmap.ts";
import { NoticeArea } from "./notice.ts";
import { WEEKDAYS, weekdayOf, WORKING_DAYS } from "./schedule_words.ts";

const TITLE = "My stand-up";
const PROMPT =
  "Write my stand-up from the feed of the last working day: what I did, what is blocked, and what is on today.";
const EVERY_DAY = "";

export function scheduleForm(sidecar: PageSidecar): { dialog: HTMLDialogElement; open: () => void } {
  const notices = new NoticeArea();
  const title = h("input", { id: "schedule-title", type: "text", required: true, maxlength: 200, autocomplete: "off" });
  const prompt = h("textarea", { id: "schedule-prompt", required: true, rows: 4 });
  const days = h(
    "select",
    { id: "schedule-days" },
    h("option", { value: WORKING_DAYS }, "Every weekday"),
    h("option", { value: EVERY_DAY }, "Every day"),
    ...WEEKDAYS.map((day, at) => h("option", { value: day }, `Every ${weekdayOf(at)}`)),
  );
  const time = h("input", { id: "schedule-time", type: "time", required: true });
  const create = h("button", { type: "submit", class: "primary" }, "Create");
  const form = h(
    "form",
    { class: "form" },
    field("Title", title),
    field("What Claude does", prompt, "It can read your calendars, issues, pages and feed, and changes nothing."),
    h("div", { class: "field-pair" }, field("On", days), field("At", time)),
    notices.element,
    h("div", { class: "form-actions" }, create),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    create.disabled = true;
    const created = await notices.attempt(() =>
      sidecar.jobs.schedules.create({
        title: title.value.trim(),
        type: "claude.run",
        payload: { prompt: prompt.value.trim(), hub: "read", permission_mode: "default" },
        rrule: ruleOf(days.value, time.value),
        time_zone: timeZone(),
      }),
    );
    create.disabled = false;
    if (created !== undefined) dialog.close();
  });
  const close = button("Close", () => dialog.close(), { class: "quiet-button" });
  const heading = h("h2", { id: "schedule-form-title" }, "New schedule");
  const dialog = h(
    "dialog",
    { class: "schedule-form", "aria-labelledby": "schedule-form-title" },
    h("header", {}, heading, close),
    form,
  );
  const open = (): void => {
    notices.clear();
    [title.value, prompt.value, days.value, time.value] = [TITLE, PROMPT, WORKING_DAYS, "09:00"];
    dialog.showModal();
    title.focus();
    title.select();
  };
  return { dialog, open };
}

/** Returns the rule of certain days, all if empty, at a time such as 09:00. */
function ruleOf(days: string, time: string): string {
  const [hour, minute] = time.split(":").map(Number);
  const frequency = days === EVERY_DAY ? "FREQ=DAILY" : `FREQ=WEEKLY;BYDAY=${days}`;
  return `${frequency};BYHOUR=${hour};BYMINUTE=${minute}`;
}

function field(label: string, control: HTMLElement, hint?: string): HTMLElement {
  const hintId = `${control.id}-hint`;
  if (hint !== undefined) control.setAttribute("aria-describedby", hintId);
  return h(
    "div",
    { class: "field" },
    h("label", { for: control.id }, label),
    control,
    hint !== undefined && h("p", { class: "hint", id: hintId }, hint),
  );
}
