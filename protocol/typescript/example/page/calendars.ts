// Selects the calendars of an account to show.
import { liveList } from "sidecar-electron/renderer";
import type { Calendar, LiveList, PageSidecar } from "sidecar-electron/renderer";
import { h } from "./dom.ts";
import { NoticeArea } from "./notice.ts";
import { empty, listView } from "./panel.ts";

export function calendarChoice(sidecar: PageSidecar, accountId: string): HTMLElement {
  const container = h("div", { class: "calendar-choice" });
  const notices = new NoticeArea();
  const element = h("details", {}, h("summary", {}, "Calendars"), notices.element, container);
  let list: LiveList<Calendar> | null = null;
  element.addEventListener("toggle", () => {
    list?.close();
    list = element.open ? open(sidecar, accountId, container, notices) : null;
  });
  return element;
}

function open(sidecar: PageSidecar, accountId: string, container: Element, notices: NoticeArea): LiveList<Calendar> {
  const list = liveList<Calendar>(sidecar, {
    load: () => sidecar.calendar.calendars.list({ account_id: accountId }).then(({ calendars }) => calendars),
    key: ({ calendar_id }) => calendar_id,
    changes: {},
  });
  const row = ({ calendar_id, name, selected, sync_error: problem }: Calendar) => {
    const box = h("input", { type: "checkbox", checked: selected });
    box.addEventListener("change", async () => {
      await notices.attempt(() =>
        sidecar.calendar.calendars.update({ account_id: accountId, calendar_id, selected: box.checked }),
      );
      await list.reload();
    });
    const suffix =
      problem === null
        ? null
        : h("span", { class: "hint" }, problem === "forbidden" ? " cannot be read" : " no longer exists");
    return { element: h("li", {}, h("label", { class: "choice" }, box, h("span", {}, name, suffix))) };
  };
  listView(container, list, {
    label: "Calendars",
    key: ({ calendar_id }) => calendar_id,
    row,
    nothing: () => empty("No calendars yet. They appear after the first sync."),
  });
  return list;
}
