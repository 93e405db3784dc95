// The Claude panel: the list of conversations, the open conversation and the composer.
import { liveList } from "sidecar-electron/renderer";
import type { LiveList, PageSidecar, PermissionRequest, Session } from "sidecar-electron/renderer";
import { composer } from "./composer.ts";
import { button, fill, h, setAttribute } from "./dom.ts";
import { newConversation } from "./new_conversation.ts";
import { modelChoice } from "./model_choice.ts";
import type { ModelChoice } from "./model_choice.ts";
import { panel } from "./panel.ts";
import type { Panel } from "./panel.ts";
import { sessionMenu } from "./sessions.ts";
import { ConversationView } from "./conversation_view.ts";
import { clock, counted, dollars } from "./format.ts";

/** The key in sessionStorage of the open conversation. */
const OPEN_SESSION_KEY = "hub.session";

export interface ClaudePanel {
  readonly element: HTMLElement;
  /** Opens a conversation, or a new one if null. */
  open(sessionId: string | null): void;
}

export function claudePanel(sidecar: PageSidecar, requests: LiveList<PermissionRequest>): ClaudePanel {
  const sessions = liveList<Session>(sidecar, {
    load: () => sidecar.claude.sessions.list({ limit: 100 }).then((page) => page.sessions),
    key: ({ session_id }) => session_id,
    version: ({ version }) => version,
    changes: {
      "claude.session_updated": ({ session }) => ({ put: session }),
      "claude.session_deleted": ({ session_id }) => ({ drop: session_id }),
    },
    compare: (one, other) => other.updated_at.localeCompare(one.updated_at),
    limit: 100,
  });
  return new ConversationsPanel(sidecar, sessions, requests);
}

class ConversationsPanel implements ClaudePanel {
  readonly #sidecar: PageSidecar;
  readonly #sessions: LiveList<Session>;
  readonly #panel: Panel;
  readonly #choice: ModelChoice;
  readonly #facts = h("p", { class: "session-facts" });
  readonly #stage = h("div", { class: "stage" });
  readonly #composer = composer(
    (prompt) => this.#send(prompt),
    () => this.#stop(),
  );
  #openId: string | null = sessionStorage.getItem(OPEN_SESSION_KEY);
  #view: ConversationView | null = null;
  #start = newConversation();

  constructor(sidecar: PageSidecar, sessions: LiveList<Session>, requests: LiveList<PermissionRequest>) {
    this.#sidecar = sidecar;
    this.#sessions = sessions;
    const menu = sessionMenu(sessions, requests, {
      open: (id) => this.open(id),
      remove: (id) =>
        this.#panel.notices
          .attempt(() => sidecar.claude.sessions.delete({ session_id: id }))
          .then(() => sessions.reload()),
    });
    this.#choice = modelChoice(
      sidecar,
      () => this.#show(),
      (settings) => {
        const sessionId = this.#openId;
        if (sessionId === null) return;
        void this.#panel.notices.attempt(() => sidecar.claude.sessions.update({ session_id: sessionId, ...settings }));
      },
    );
    this.#panel = panel(
      "claude",
      "Claude",
      this.#choice.element,
      menu.button,
      button("New", () => this.open(null), { class: "quiet-button", label: "New conversation" }),
    );
    this.#panel.title.after(this.#facts);
    this.#panel.body.append(this.#stage, this.#composer.element, menu.element);
    sessions.watch(() => this.#show());
    this.#show();
  }

  get element(): HTMLElement {
    return this.#panel.element;
  }

  open(sessionId: string | null): void {
    if (sessionId !== this.#openId) {
      this.#view?.close();
      this.#view = null;
      this.#start = newConversation();
    }
    this.#openId = sessionId;
    if (sessionId === null) sessionStorage.removeItem(OPEN_SESSION_KEY);
    else sessionStorage.setItem(OPEN_SESSION_KEY, sessionId);
    this.#show();
    this.#composer.focus();
  }

  #show(): void {
    const session = this.#sessions.items().find(({ session_id }) => session_id === this.#openId) ?? null;
    if (session === null && this.#openId !== null && this.#sessions.isLoaded) return this.open(null); // it was deleted
    fill(this.#panel.title, session === null ? "Claude" : (session.title ?? "Conversation"));
    fill(this.#facts, session === null ? "" : factsOf(session, this.#choice.contextOf(session)));
    this.#choice.show(session);
    this.#composer.setWorking(session !== null && session.status !== "idle" && session.status !== "interrupted");
    setAttribute(this.element, "data-session", this.#openId);
    if (session === null) {
      if (this.#stage.firstChild !== this.#start.element)
        fill(this.#stage, this.#openId === null ? this.#start.element : null);
      return;
    }
    if (this.#view !== null) return;
    this.#view = new ConversationView(this.#sidecar, session);
    fill(this.#stage, this.#view.element);
  }

  async #send(prompt: string): Promise<boolean> {
    const { claude } = this.#sidecar;
    const job = await this.#panel.notices.attempt(async () => {
      const sessionId = this.#openId ?? (await this.#create());
      return claude.sessions.send({ session_id: sessionId, prompt });
    });
    this.#view?.showEnd();
    return job !== undefined;
  }

  async #create(): Promise<string> {
    const { session_id: id } = await this.#sidecar.claude.sessions.create(this.#start.settings());
    await this.#sessions.reload();
    this.open(id);
    return id;
  }

  #stop(): Promise<unknown> {
    const id = this.#openId ?? "";
    return this.#panel.notices.attempt(() => this.#sidecar.claude.sessions.interrupt({ session_id: id }));
  }
}

function factsOf(session: Session, context: string | null): string {
  const { status, cwd, model, total_cost_usd: cost, usage, forked_from: parent, resumes_at: resumesAt } = session;
  const background = session.tasks.filter((task) => task.is_background).map((task) => task.description);
  const tokens =
    usage.input_tokens + usage.output_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens;
  const folder = cwd === null ? "home folder" : (cwd.split(/[\\/]/).filter(Boolean).at(-1) ?? cwd);
  const facts = [
    status === "interrupted" ? "stopped" : status === "waiting" ? "waiting for you" : null,
    status === "limited" && resumesAt !== null ? `usage limit: goes on at ${clock(Date.parse(resumesAt))}` : null,
    background.length > 0 ? `in the background: ${background.join(", ")}` : null,
    folder,
    model,
    context,
    tokens > 0 ? counted(tokens, "token") : null,
    cost > 0 ? dollars(cost) : null,
    parent === null ? null : "a fork",
  ];
  return facts.filter((fact) => fact !== null).join(" · ");
}
