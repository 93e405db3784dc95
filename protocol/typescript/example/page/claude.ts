// The Claude panel: the list of conversations, the open conversation and the composer.
import { liveList } from "sidecar-electron/renderer";
import type { FolderContents, Job, LiveList, PageSidecar, PermissionRequest, Session } from "sidecar-electron/renderer";
import { claudeCheck } from "./claude_check.ts";
import type { ClaudeCheck } from "./claude_check.ts";
import { composer } from "./composer.ts";
import { button, fill, h, setAttribute } from "./dom.ts";
import { newConversation } from "./new_conversation.ts";
import type { NewConversation } from "./new_conversation.ts";
import { modelChoice } from "./model_choice.ts";
import type { ModelChoice } from "./model_choice.ts";
import { panel } from "./panel.ts";
import type { Panel } from "./panel.ts";
import { sessionMenu } from "./sessions.ts";
import { trustQuestion, untrustedContents } from "./trust.ts";
import type { TrustChoice } from "./trust.ts";
import { ConversationView } from "./conversation_view.ts";
import { clock, counted, dollars } from "./format.ts";

/** The key in sessionStorage of the open conversation. */
const OPEN_SESSION_KEY = "hub.session";

export interface ClaudePanel {
  readonly element: HTMLElement;
  /** Opens a conversation, or a new one if null. */
  open(sessionId: string | null): void;
  /** Opens a conversation and moves the focus to its question. */
  openRequest(sessionId: string): void;
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
  #cancelQuestion: (choice?: TrustChoice | null) => void = () => undefined;
  #openId: string | null = sessionStorage.getItem(OPEN_SESSION_KEY);
  #view: ConversationView | null = null;
  /** Whether the view, which is not created yet, is to show its question. */
  #wantsRequest = false;
  readonly #check: ClaudeCheck;
  #start: NewConversation;

  constructor(sidecar: PageSidecar, sessions: LiveList<Session>, requests: LiveList<PermissionRequest>) {
    this.#sidecar = sidecar;
    this.#sessions = sessions;
    this.#check = claudeCheck(sidecar);
    this.#start = newConversation(this.#check);
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
    sidecar.on("jobs.updated", ({ job }) => {
      const { session_id: id } = (job.payload ?? {}) as { session_id?: unknown };
      if (job.error?.kind === "workspace_untrusted" && job.finished_at !== null && id === this.#openId)
        void this.#turnRefused(job, this.#openId as string);
    });
    this.#show();
  }

  get element(): HTMLElement {
    return this.#panel.element;
  }

  open(sessionId: string | null): void {
    if (sessionId !== this.#openId) {
      this.#cancelQuestion();
      this.#view?.close();
      this.#view = null;
      this.#start = newConversation(this.#check);
    }
    this.#openId = sessionId;
    if (sessionId === null) sessionStorage.removeItem(OPEN_SESSION_KEY);
    else sessionStorage.setItem(OPEN_SESSION_KEY, sessionId);
    this.#show();
    this.#composer.focus();
  }

  openRequest(sessionId: string): void {
    this.open(sessionId);
    if (this.#view === null) this.#wantsRequest = true;
    else this.#view.focusRequest();
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
      if (this.#stage.firstChild === this.#start.element) return;
      fill(this.#stage, this.#openId === null ? this.#start.element : null);
      if (this.#openId === null) void this.#check.run();
      return;
    }
    if (this.#view !== null) return;
    this.#view = new ConversationView(this.#sidecar, session);
    fill(this.#stage, this.#view.element);
    if (this.#wantsRequest) this.#view.focusRequest();
    this.#wantsRequest = false;
  }

  async #send(prompt: string): Promise<boolean> {
    const { claude } = this.#sidecar;
    const job = await this.#panel.notices.attempt(async () => {
      const sessionId = this.#openId ?? (await this.#create());
      return sessionId === null ? undefined : claude.sessions.send({ session_id: sessionId, prompt });
    });
    this.#view?.showEnd();
    return job !== undefined;
  }

  /** Creates a session; returns null if the user does not want it in this folder. */
  async #create(): Promise<string | null> {
    const { sessions } = this.#sidecar.claude;
    const settings = this.#start.settings();
    const created = await sessions.create(settings).catch(async (error: unknown) => {
      const contents = untrustedContents(error);
      if (contents === null) throw error;
      const choice = await this.#askTrust(contents);
      return choice === null ? null : sessions.create({ ...settings, ...choice });
    });
    if (created === null) return null;
    await this.#sessions.reload();
    this.open(created.session_id);
    return created.session_id;
  }

  /** Shows the question until it is answered; the earlier one, if there is one, is cancelled. */
  #askTrust(contents: FolderContents): Promise<TrustChoice | null> {
    this.#cancelQuestion();
    return new Promise((resolve) => {
      const element = trustQuestion(contents, (choice) => this.#cancelQuestion(choice));
      this.#cancelQuestion = (choice = null) => {
        element.remove();
        resolve(choice);
      };
      this.#stage.append(element);
    });
  }

  /** Asks about the folder of a turn that was refused, and repeats the turn. */
  async #turnRefused(job: Job, sessionId: string): Promise<void> {
    const contents = (job.error?.details as { contents?: FolderContents } | null | undefined)?.contents;
    const choice = contents === undefined ? null : await this.#askTrust(contents);
    if (choice === null) return;
    await this.#panel.notices.attempt(async () => {
      await this.#sidecar.claude.sessions.update({ session_id: sessionId, ...choice });
      await this.#sidecar.jobs.retry({ job_id: job.job_id });
    });
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
