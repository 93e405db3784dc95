// One conversation: its items, drafts, permission requests and queued prompts.
import { liveList } from "sidecar-electron/renderer";
import type { ClaudeMessage, LiveList, PageSidecar, PermissionRequest, Session } from "sidecar-electron/renderer";
import { fill, h, Rows } from "./dom.ts";
import { Drafts } from "./drafts.ts";
import type { DraftText } from "./drafts.ts";
import { itemRow, shownItems } from "./items.ts";
import type { ShownItem } from "./items.ts";
import { markdown } from "./markdown.ts";
import { notice, problemOf } from "./notice.ts";
import { pagedReader } from "./paging.ts";
import { loading } from "./panel.ts";
import { permissionCard } from "./permission.ts";

const PAGE_SIZE = 500;
/** Follows new content if the scroll position is this close to the end. */
const FOLLOW_PX = 80;

export class ConversationView {
  readonly element = h("div", { class: "conversation", role: "log", "aria-label": "Conversation", tabindex: 0 });
  readonly #sessionId: string;
  readonly #list: LiveList<ClaudeMessage>;
  readonly #requests: LiveList<PermissionRequest>;
  readonly #drafts = new Drafts();
  /** Prompts whose turn has not begun, by their jobs. */
  readonly #queuedPrompts = new Map<string, string>();
  #isWorking = false;
  #isDrawing = false;
  /** Whether the view is scrolled to the end and stays there. */
  #isAtEnd = true;
  readonly #cleanups: Array<() => void> = [];

  readonly #state = h("div", { class: "conversation-state" });
  readonly #items = h("ol", { class: "items" });
  readonly #draftList = h("div", { class: "drafts" });
  readonly #cards = h("div", { class: "cards" });
  readonly #queued = h("ol", { class: "items queued", "aria-label": "Queued messages" });
  readonly #itemRows: Rows<ShownItem>;
  readonly #draftRows = new Rows<DraftText>(
    this.#draftList,
    ({ id }) => id,
    (draft) => draftRow(draft),
  );
  readonly #cardRows: Rows<PermissionRequest>;

  constructor(sidecar: PageSidecar, session: Session, requests: LiveList<PermissionRequest>) {
    this.#sessionId = session.session_id;
    this.#requests = requests;
    this.#itemRows = new Rows(
      this.#items,
      ({ message }) => message.message_id,
      (item) => itemRow(item, session.cwd),
    );
    this.#cardRows = new Rows(
      this.#cards,
      ({ request_id, version }) => `${request_id} ${version}`,
      (request) => ({ element: permissionCard(sidecar, request), update: () => undefined }),
    );
    this.element.append(this.#state, this.#items, this.#draftList, this.#cards, this.#queued);
    // Listen before loading, so that no delta in between is missed.
    this.#cleanups.push(
      sidecar.on("claude.delta", (delta) => {
        if (delta.session_id !== this.#sessionId) return;
        this.#drafts.add(delta);
        this.#redraw();
      }),
    );
    this.#list = liveList<ClaudeMessage>(sidecar, {
      load: pagedReader(async (cursor) => {
        const { session_id } = session;
        const { messages, next_cursor } = await sidecar.claude.messages.list({ session_id, limit: PAGE_SIZE, cursor });
        messages.forEach((message) => this.#drafts.finish(message));
        return { items: messages, next_cursor };
      }),
      key: ({ message_id }) => message_id,
      changes: {
        "claude.message_added": ({ message }) =>
          message.session_id === this.#sessionId ? this.#onMessage(message) : null,
      },
      compare: (one, other) => one.seq - other.seq,
    });
    this.#cleanups.push(
      this.#list.watch(() => this.#redraw()),
      requests.watch(() => this.#redraw()),
      () => this.#list.close(),
    );
    const resized = new ResizeObserver(() => this.#isAtEnd && this.#follow());
    resized.observe(this.element);
    this.element.addEventListener("scroll", () => this.#onScroll());
    this.#cleanups.push(() => resized.disconnect());
    this.update(session);
  }

  /** Shows a new state of the session. */
  update({ status }: Session): void {
    this.#isWorking = status === "running" || status === "waiting";
    if (!this.#isWorking) this.#drafts.clear();
    this.#redraw();
  }

  /** Shows a prompt as queued until its turn begins. */
  addPrompt(jobId: string, prompt: string): void {
    const hasBegun = this.#list.items().some(({ kind, job_id }) => kind === "user" && job_id === jobId);
    if (!hasBegun) this.#queuedPrompts.set(jobId, prompt);
    this.#redraw(true);
  }

  /** Removes a queued prompt whose job has ended. */
  removePrompt(jobId: string): void {
    if (this.#queuedPrompts.delete(jobId)) this.#redraw();
  }

  close(): void {
    this.#cleanups.splice(0).forEach((cleanup) => cleanup());
    this.element.remove();
  }

  #onMessage(message: ClaudeMessage): { put: ClaudeMessage } {
    this.#drafts.finish(message);
    if (message.kind === "user" && message.job_id !== null) this.#queuedPrompts.delete(message.job_id);
    return { put: message };
  }

  /** Redraws at most once per frame. */
  #redraw(toEnd = false): void {
    this.#isAtEnd ||= toEnd;
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => {
      this.#isDrawing = false;
      this.#draw();
    });
  }

  #draw(): void {
    const { error, isLoaded } = this.#list;
    fill(
      this.#state,
      error !== null ? notice(problemOf(error), () => this.#list.reload()) : isLoaded ? null : loading(),
    );
    this.#itemRows.show(shownItems(this.#list.items()));
    const drafts = this.#drafts.texts();
    this.#draftRows.show(drafts);
    const requests = this.#requests.items().filter(({ session_id }) => session_id === this.#sessionId);
    this.#cardRows.show(requests);
    this.element.toggleAttribute("data-working", this.#isWorking && drafts.length === 0 && requests.length === 0);
    fill(
      this.#queued,
      ...[...this.#queuedPrompts.values()].map((prompt) =>
        h("li", { class: "item prompt" }, h("div", { class: "prose plain-text" }, prompt)),
      ),
    );
    if (this.#isAtEnd) this.#follow();
  }

  #onScroll(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < FOLLOW_PX;
  }

  #follow(): void {
    this.element.scrollTop = this.element.scrollHeight;
  }
}

function draftRow(draft: DraftText): { element: HTMLElement; update: (draft: DraftText) => void } {
  const prose = h("div", { class: "prose" });
  const update = ({ text, isCut }: DraftText): void => fill(prose, markdown(isCut ? `… ${text}` : text));
  update(draft);
  return { element: h("div", { class: "item answer draft", "aria-hidden": "true" }, prose), update };
}
