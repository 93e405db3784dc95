// One conversation: its items, drafts, permission requests and queued prompts.
import { conversation } from "sidecar-electron/renderer";
import type { Conversation, Draft, Job, PageSidecar, PermissionRequest, Session } from "sidecar-electron/renderer";
import { TurnCitations } from "./citations.ts";
import { fill, h, Rows } from "./dom.ts";
import { itemRow, shownItems } from "./items.ts";
import type { ShownItem } from "./items.ts";
import { markdown } from "./markdown.ts";
import { listNotice } from "./notice.ts";
import { loading } from "./panel.ts";
import { permissionCard } from "./permission.ts";

/** Follows new content if the scroll position is this close to the end. */
const FOLLOW_PX = 80;
/** Of more denials, the latest. */
const MAX_DENIALS = 500;

export class ConversationView {
  readonly element = h("div", { class: "conversation", role: "log", "aria-label": "Conversation", tabindex: 0 });
  readonly #conversation: Conversation;
  readonly #citations: TurnCitations;
  #isDrawing = false;
  /** Whether the view is scrolled to the end and stays there. */
  #isAtEnd = true;
  #wantsRequest = false;
  /** The calls of tools that the user has denied. */
  readonly #denied = new Set<string | null>();
  readonly #cleanups: Array<() => void> = [];

  readonly #state = h("div", { class: "conversation-state" });
  readonly #items = h("ol", { class: "items" });
  readonly #draftList = h("div", { class: "drafts" });
  readonly #cards = h("div", { class: "cards" });
  readonly #queued = h("ol", { class: "items queued", "aria-label": "Queued messages" });
  readonly #itemRows: Rows<ShownItem>;
  readonly #draftRows = new Rows<Draft>(
    this.#draftList,
    ({ kind, message_id }) => `${kind} ${message_id}`,
    (draft) => draftRow(draft),
  );
  readonly #cardRows: Rows<PermissionRequest>;

  constructor(sidecar: PageSidecar, session: Session) {
    this.#conversation = conversation(sidecar, session.session_id);
    this.#citations = new TurnCitations(sidecar, () => this.#redraw());
    this.#itemRows = new Rows(
      this.#items,
      ({ message }) => message.message_id,
      (item) => itemRow(sidecar, item, session.cwd),
    );
    this.#cardRows = new Rows(
      this.#cards,
      ({ request_id, version }) => `${request_id} ${version}`,
      (request) => ({ element: permissionCard(sidecar, request), update: () => undefined }),
    );
    this.element.append(this.#state, this.#items, this.#draftList, this.#cards, this.#queued);
    const resized = new ResizeObserver(() => this.#isAtEnd && this.#follow());
    // The contents, too: a failed turn grows once its job is loaded.
    for (const one of [this.element, ...this.element.children]) resized.observe(one);
    this.element.addEventListener("scroll", () => this.#onScroll());
    this.#followDenials(sidecar, session.session_id);
    this.#cleanups.push(
      this.#conversation.watch(() => this.#redraw()),
      () => resized.disconnect(),
      () => this.#citations.close(),
    );
    this.#redraw();
  }

  /** Moves the focus to the first question, once it is loaded. */
  focusRequest(): void {
    this.#wantsRequest = true;
    this.#redraw();
  }

  /** Shows the end, where the prompt of the user's own will be. */
  showEnd(): void {
    this.#isAtEnd = true;
    this.#redraw();
  }

  close(): void {
    this.#cleanups.splice(0).forEach((cleanup) => cleanup());
    this.element.remove();
  }

  #followDenials(sidecar: PageSidecar, session_id: string): void {
    const add = (requests: readonly PermissionRequest[]): void => {
      for (const { status, tool_use_id: id } of requests) if (status === "denied") this.#denied.add(id);
      this.#redraw();
    };
    const filter = { session_id };
    this.#cleanups.push(sidecar.on("claude.permission_resolved", ({ request }) => add([request]), filter));
    const denied = sidecar.claude.permissions.list({ session_id, status: "denied", limit: MAX_DENIALS });
    denied.then(
      ({ requests }) => add(requests),
      () => undefined,
    ); // then they are shown as failed
  }

  /** Redraws at most once per frame. */
  #redraw(): void {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => {
      this.#isDrawing = false;
      this.#draw();
    });
  }

  #draw(): void {
    const { messages, drafts, requests, queued, isWorking, isLoaded, error } = this.#conversation.snapshot();
    const problem = listNotice(error, () => this.#conversation.reload());
    fill(this.#state, problem ?? (isLoaded ? null : loading()));
    this.#itemRows.show(shownItems(messages, this.#denied, this.#citations));
    this.#draftRows.show(drafts);
    this.#showRequests(requests);
    this.element.toggleAttribute("data-working", isWorking && drafts.length === 0 && requests.length === 0);
    fill(this.#queued, ...queued.map(queuedRow));
    if (this.#isAtEnd) this.#follow();
  }

  /** Shows the cards.  If the one with the focus was answered, the next one gets it, or else the conversation. */
  #showRequests(requests: readonly PermissionRequest[]): void {
    const hadFocus = this.#cards.contains(document.activeElement);
    this.#cardRows.show(requests);
    const first = this.#cards.querySelector<HTMLElement>(".permission");
    if (hadFocus && !this.#cards.contains(document.activeElement))
      (first ?? this.element).focus({ preventScroll: true });
    if (!this.#wantsRequest || first === null) return;
    this.#wantsRequest = false;
    first.focus({ preventScroll: true });
    first.scrollIntoView({ block: "nearest" });
  }

  #onScroll(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < FOLLOW_PX;
  }

  #follow(): void {
    this.element.scrollTop = this.element.scrollHeight;
  }
}

function queuedRow({ payload }: Job): HTMLElement {
  const { prompt } = payload as { prompt: string };
  return h(
    "li",
    { class: "item prompt" },
    h("div", { class: "prose plain-text", dir: "auto" }, prompt || "Attachments"),
  );
}

function draftRow(draft: Draft): { element: HTMLElement; update: (draft: Draft) => void } {
  const prose = h("div", { class: "prose" });
  const update = ({ kind, text, isCut }: Draft): void =>
    fill(prose, kind === "thinking" ? text : markdown(isCut ? `… ${text}` : text));
  update(draft);
  const style = draft.kind === "thinking" ? "thought" : "answer";
  return { element: h("div", { class: `item ${style} draft`, "aria-hidden": "true" }, prose), update };
}
