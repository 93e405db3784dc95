// The list of conversations, in a popover that closes on Escape and on a click outside.
import type { LiveList, PermissionRequest, Session } from "sidecar-electron/renderer";
import { confirmButton, fill, h } from "./dom.ts";
import { empty, listView } from "./panel.ts";
import { ago, dollars } from "./format.ts";

export interface SessionActions {
  open: (sessionId: string) => void;
  remove: (sessionId: string) => Promise<unknown>;
}

export function sessionMenu(
  sessions: LiveList<Session>,
  requests: LiveList<PermissionRequest>,
  actions: SessionActions,
): { button: HTMLElement; element: HTMLElement } {
  const list = h("div", { class: "sessions" });
  const element = h("div", { id: "session-menu", class: "menu", popover: "auto" }, h("h3", {}, "Conversations"), list);
  const menuButton = h(
    "button",
    { type: "button", class: "quiet-button", popovertarget: "session-menu" },
    "Conversations",
  );
  const show = listView(list, sessions, {
    label: "Conversations",
    key: ({ session_id }) => session_id,
    row: (session) =>
      sessionRow(session, requests, { ...actions, open: (id) => (element.hidePopover(), actions.open(id)) }),
    nothing: () => empty("No conversations yet."),
  });
  element.addEventListener("toggle", show);
  return { button: menuButton, element };
}

function sessionRow(
  session: Session,
  requests: LiveList<PermissionRequest>,
  actions: SessionActions,
): { element: HTMLElement; update: (session: Session) => void } {
  const [title, facts] = [h("span", { class: "session-title", dir: "auto" }), h("span", { class: "session-facts" })];
  const open = h(
    "button",
    { type: "button", class: "session-open", on: { click: () => actions.open(session.session_id) } },
    title,
    facts,
  );
  const remove = confirmButton("Delete", "Delete permanently?", () => actions.remove(session.session_id));
  const update = (current: Session): void => {
    fill(title, current.title ?? "Conversation");
    const isWaiting = requests.items().some(({ session_id }) => session_id === current.session_id);
    const state = isWaiting
      ? "waiting for you"
      : current.status === "running"
        ? "working"
        : ago(current.last_message_at ?? current.created_at);
    fill(
      facts,
      [state, current.total_cost_usd > 0 ? dollars(current.total_cost_usd) : null].filter(Boolean).join(" · "),
    );
  };
  update(session);
  return { element: h("li", { class: "session-row" }, open, remove), update };
}
