// A panel of the app: a header with actions, and a body that shows loading, emptiness, an error or content.
import type { LiveList } from "sidecar-electron/renderer";
import { h, Rows, setChildren } from "./dom.ts";
import type { Row } from "./dom.ts";
import { listNotice, NoticeArea } from "./notice.ts";

export interface Panel {
  element: HTMLElement;
  title: HTMLElement;
  actions: HTMLElement;
  body: HTMLElement;
  notices: NoticeArea;
}

/** Creates a panel; `name` is its id, which the tabs of the narrow layout use. */
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

/** Creates the content of an empty panel: a text and optional controls. */
export function empty(text: string, ...more: Node[]): HTMLElement {
  return h("div", { class: "empty" }, h("p", {}, text), ...more);
}

export interface ListViewOptions<Item> {
  key: (item: Item) => string;
  row: (item: Item) => Row<Item>;
  /** Shown instead of a list without items. */
  nothing: () => Node;
  label: string;
}

/** Shows a live list, or its loading, empty or error state, in `body`.  Returns a function that shows it again. */
export function listView<Item>(body: Element, list: LiveList<Item>, options: ListViewOptions<Item>): () => void {
  const { key, row, nothing, label } = options;
  const rowList = h("ul", { class: "rows", "aria-label": label });
  const rows = new Rows(rowList, key, row);
  const show = (): void => {
    const items = list.items();
    rows.show(items);
    const problem = listNotice(list.error, () => list.reload());
    if (items.length > 0) setChildren(body, problem, rowList);
    else setChildren(body, problem ?? (list.isLoaded ? nothing() : loading()));
  };
  list.watch(show);
  show();
  return show;
}

export function loading(): HTMLElement {
  return h("div", { class: "loading", role: "status" }, h("span", { class: "quiet" }, "Loading…"));
}
