// A panel of the hub: a heading with its actions, and a body that is loading, empty, in problem, or full.
import type { LiveList } from "sidecar-electron/renderer";
import { h, keep, Rows } from "./dom.ts";
import type { Row } from "./dom.ts";
import { notice, NoticeArea, problemOf } from "./notice.ts";

export interface Panel {
  element: HTMLElement;
  title: HTMLElement;
  actions: HTMLElement;
  body: HTMLElement;
  notices: NoticeArea;
}

/** `name` is the panel's id, and what the narrow layout's tabs go by. */
export function panel(name: string, heading: string, ...actions: Node[]): Panel {
  const title = h("h2", { id: `${name}-title` }, heading);
  const side = h("div", { class: "panel-actions" }, ...actions);
  const notices = new NoticeArea();
  const body = h("div", { class: "panel-body" });
  const head = h("header", { class: "panel-head" }, title, side);
  const element = h(
    "section",
    { id: name, class: `panel ${name}`, "aria-labelledby": `${name}-title`, tabindex: -1 },
    head,
    notices.element,
    body,
  );
  return { element, title, actions: side, body, notices };
}

/** What an empty panel says, and perhaps a way to fill it. */
export function empty(words: string, ...more: Node[]): HTMLElement {
  return h("div", { class: "empty" }, h("p", {}, words), ...more);
}

export interface ListViewOptions<Item> {
  key: (item: Item) => string;
  row: (item: Item) => Row<Item>;
  /** Shown in place of a list without items. */
  nothing: () => Node;
  /** Which of the items, in which order. */
  pick?: (items: readonly Item[]) => readonly Item[];
  label: string;
}

/** Shows a live list in `body`, whatever state it is in.  Returns what shows it again. */
export function listView<Item>(body: Element, list: LiveList<Item>, options: ListViewOptions<Item>): () => void {
  const { key, row, nothing, pick = (items) => items, label } = options;
  const place = h("ul", { class: "rows", "aria-label": label });
  const rows = new Rows(place, key, row);
  const show = (): void => {
    const items = pick(list.items());
    rows.show(items);
    const problem = list.error === null ? null : notice(problemOf(list.error), () => list.reload());
    if (items.length > 0) keep(body, problem, place);
    else keep(body, problem ?? (list.isLoaded ? nothing() : loading()));
  };
  list.watch(show);
  show();
  return show;
}

export function loading(): HTMLElement {
  return h("div", { class: "loading", role: "status" }, h("span", { class: "quiet" }, "Loading…"));
}
