// One conversation: its items, what is being written, what waits for its turn, what Claude asks.
import { liveList } from "sidecar-electron/renderer";
import type { ClaudeMessage, LiveList, PageSidecar, PermissionRequest, Session } from "sidecar-electron/renderer";
import { fill, h, Rows } from "./dom.ts";
import { Drafts } from "./drafts.ts";
import type { DraftText } from "./drafts.ts";
import { itemRow, shownOf } from "./items.ts";
import type { Shown } from "./items.ts";
import { markdown } from "./markdown.ts";
import { notice, problemOf } from "./notice.ts";
import { pagedReader } from "./paging.ts";
import { loading } from "./panel.ts";
import { permissionCard } from "./permission.ts";

const PAGE = 500;
/** Whoever has scrolled up further than this reads, and is left alone. */
const NEAR_PX = 80;

export class Transcript {
  readonly element = h("div", { class: "transcript", role: "log", "aria-label": "Conversation", tabindex: 0 });
  readonly #sessionId: string;
  readonly #list: LiveList<ClaudeMessage>;
  readonly #questions: LiveList<PermissionRequest>;
  readonly #drafts = new Drafts();
  /** Prompts that were sent and whose turn has not begun, by their jobs. */
  readonly #waiting = new Map<string, string>();
  #isWorking = false;
  #isDrawing = false;
  /** Whether the end is in sight: then it stays so, however much is added and however small the window gets. */
  #isAtEnd = true;
  readonly #ends: Array<() => void> = [];

  readonly #state = h("div", { class: "transcript-state" });
  readonly #items = h("ol", { class: "items" });
  readonly #writing = h("div", { class: "writing" });
  readonly #asks = h("div", { class: "asks" });
  readonly #queued = h("ol", { class: "items queued", "aria-label": "Waiting for their turn" });
  readonly #itemRows: Rows<Shown>;
  readonly #draftRows = new Rows<DraftText>(
    this.#writing,
    ({ id }) => id,
    (draft) => draftRow(draft),
  );
  readonly #askRows: Rows<PermissionRequest>;

  constructor(sidecar: PageSidecar, session: Session, questions: LiveList<PermissionRequest>) {
    this.#sessionId = session.session_id;
    this.#questions = questions;
    this.#itemRows = new Rows(
      this.#items,
      ({ message }) => message.message_id,
      (shown) => itemRow(shown, session.cwd),
    );
    this.#askRows = new Rows(
      this.#asks,
      ({ request_id, version }) => `${request_id} ${version}`,
      (request) => ({ element: permissionCard(sidecar, request), update: () => undefined }),
    );
    this.element.append(this.#state, this.#items, this.#writing, this.#asks, this.#queued);
    // A listener hears what comes from now on, so it stands before the list that is loaded.
    this.#ends.push(
      sidecar.on("claude.delta", (delta) => {
        if (delta.session_id !== this.#sessionId) return;
        this.#drafts.add(delta);
        this.#redraw();
      }),
    );
    this.#list = liveList<ClaudeMessage>(sidecar, {
      load: pagedReader(async (cursor) => {
        const { session_id } = session;
        const { messages, next_cursor } = await sidecar.claude.messages.list({ session_id, limit: PAGE, cursor });
        messages.forEach((message) => this.#drafts.finish(message));
        return { items: messages, next_cursor };
      }),
      key: ({ message_id }) => message_id,
      changes: {
        "claude.message_added": ({ message }) => (message.session_id === this.#sessionId ? this.#heard(message) : null),
      },
      compare: (one, other) => one.seq - other.seq,
    });
    this.#ends.push(
      this.#list.watch(() => this.#redraw()),
      questions.watch(() => this.#redraw()),
      () => this.#list.close(),
    );
    const resized = new ResizeObserver(() => this.#isAtEnd && this.#follow());
    resized.observe(this.element);
    this.element.addEventListener("scroll", () => this.#look());
    this.#ends.push(() => resized.disconnect());
    this.update(session);
  }

  /** The session has changed: nothing is being written once it no longer works. */
  update({ status }: Session): void {
    this.#isWorking = status === "running" || status === "waiting";
    if (!this.#isWorking) this.#drafts.clear();
    this.#redraw();
  }

  /** A prompt was sent; it is said once its turn begins. */
  sent(jobId: string, prompt: string): void {
    const isSaid = this.#list.items().some(({ kind, job_id }) => kind === "user" && job_id === jobId);
    if (!isSaid) this.#waiting.set(jobId, prompt);
    this.#redraw(true);
  }

  /** A prompt whose turn is over, or will never come. */
  ended(jobId: string): void {
    if (this.#waiting.delete(jobId)) this.#redraw();
  }

  close(): void {
    this.#ends.splice(0).forEach((end) => end());
    this.element.remove();
  }

  #heard(message: ClaudeMessage): { put: ClaudeMessage } {
    this.#drafts.finish(message);
    if (message.kind === "user" && message.job_id !== null) this.#waiting.delete(message.job_id);
    return { put: message };
  }

  /** Once a frame, however much is heard. */
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
    this.#itemRows.show(shownOf(this.#list.items()));
    const drafts = this.#drafts.texts();
    this.#draftRows.show(drafts);
    const asked = this.#questions.items().filter(({ session_id }) => session_id === this.#sessionId);
    this.#askRows.show(asked);
    this.element.toggleAttribute("data-working", this.#isWorking && drafts.length === 0 && asked.length === 0);
    fill(
      this.#queued,
      ...[...this.#waiting.values()].map((prompt) =>
        h("li", { class: "item said" }, h("div", { class: "prose plain-text" }, prompt)),
      ),
    );
    if (this.#isAtEnd) this.#follow();
  }

  #look(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  #follow(): void {
    this.element.scrollTop = this.element.scrollHeight;
  }
}

function draftRow(draft: DraftText): { element: HTMLElement; update: (draft: DraftText) => void } {
  const words = h("div", { class: "prose" });
  const update = ({ text, isCut }: DraftText): void => fill(words, markdown(isCut ? `… ${text}` : text));
  update(draft);
  return { element: h("div", { class: "item answer draft", "aria-hidden": "true" }, words), update };
}
