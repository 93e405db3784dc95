// A conversation with Claude that stays up to date: its messages, the text being written, open questions, queued prompts.
import type { Api } from "./calls.ts";
import type {
  ClaudeContext,
  ClaudeDelta,
  ClaudeMessage,
  ClaudePermissionsRespondParams,
  ClaudeSessionsSendParams,
  ClaudeThinkingDelta,
  Job,
  PermissionRequest,
  Session,
} from "./contract.ts";
import { Drafts, storedOf } from "./drafts.ts";
import type { Draft, DraftKind, Stored } from "./drafts.ts";
import { RpcError } from "./errors.ts";
import { liveList } from "./live_list.ts";
import type { LiveList, LiveSource } from "./live_list.ts";
import { Watchers } from "./watchers.ts";

/** The most rows that the contract allows in a page. */
const PAGE_SIZE = 500;

/** What a conversation shows.  The object stays the same until something changes. */
export interface ConversationSnapshot {
  /** Null until it is loaded, and after it was deleted. */
  session: Session | null;
  isDeleted: boolean;
  /** The stored messages, oldest first. */
  messages: readonly ClaudeMessage[];
  /** What Claude is writing, until messages contain it. */
  drafts: readonly Draft[];
  /** The open permission requests, oldest first. */
  requests: readonly PermissionRequest[];
  /** The turns whose prompt is not among the messages yet, oldest first. */
  queued: readonly Job[];
  /** How full the context is; null if that is not known, or the page may not call `claude.status`. */
  context: ClaudeContext | null;
  /** Whether a turn is running or waits for the user. */
  isWorking: boolean;
  isLoaded: boolean;
  /** The error of the last load, or null if it succeeded.  A failed load is retried once the sidecar is ready. */
  error: unknown;
}

/** A conversation for a view.  It listens and loads while it has watchers, as a live list does. */
export interface Conversation {
  readonly sessionId: string;
  snapshot(): ConversationSnapshot;
  /** Calls the listener after changes, at most once per tick of the event loop.  Returns a function that removes it. */
  watch(listener: () => void): () => void;
  /** Like `watch`, but the listener receives the snapshot, and is also called at once: a Svelte store. */
  subscribe(listener: (snapshot: ConversationSnapshot) => void): () => void;
  /** Queues a prompt; resolves to its job. */
  send(prompt: string | SendParams): Promise<Job>;
  /** Stops the running turn; queued turns run next. */
  interrupt(): Promise<Session>;
  /** Answers a permission request. */
  respond(response: ClaudePermissionsRespondParams): Promise<PermissionRequest>;
  /** Loads everything again; resolves once that has succeeded or failed. */
  reload(): Promise<void>;
  /** Removes all watchers.  A later one starts the conversation again. */
  close(): void;
}

export type SendParams = Omit<ClaudeSessionsSendParams, "session_id">;

/** The sidecar of a page or of the main process. */
export type ConversationSource = LiveSource & Pick<Api, "claude" | "jobs">;

/** The snapshot of a conversation that has had no watcher yet. */
export const NO_CONVERSATION: ConversationSnapshot = Object.freeze({
  session: null,
  isDeleted: false,
  messages: Object.freeze([]),
  drafts: Object.freeze([]),
  requests: Object.freeze([]),
  queued: Object.freeze([]),
  context: null,
  isWorking: false,
  isLoaded: false,
  error: null,
});

/** Creates the conversation of a session, which starts at its first watcher. */
export function conversation(source: ConversationSource, sessionId: string): Conversation {
  return new SessionConversation(source, sessionId);
}

class SessionConversation implements Conversation {
  readonly sessionId: string;
  readonly #source: ConversationSource;
  readonly #session: LiveList<Session>;
  readonly #messages: LiveList<ClaudeMessage>;
  readonly #requests: LiveList<PermissionRequest>;
  readonly #turns: LiveList<Job>;
  readonly #contexts: LiveList<ClaudeContext>;
  readonly #drafts = new Drafts();
  readonly #watchers = new Watchers({ start: () => this.#start(), stop: () => this.#stop(), show: () => this.#show() });
  readonly watch = this.#watchers.watch;
  readonly close = this.#watchers.close;
  readonly #unsubscribes: Array<() => void> = [];
  /** What was derived from the messages at the last change, and from which. */
  #derived: { from: readonly ClaudeMessage[]; stored: Stored; begun: ReadonlySet<string | null> } | null = null;
  #shown = NO_CONVERSATION;

  constructor(source: ConversationSource, sessionId: string) {
    this.sessionId = sessionId;
    this.#source = source;
    this.#session = liveList(source, sessionOptions(source, sessionId));
    this.#messages = liveList(source, messageOptions(source, sessionId));
    this.#requests = liveList(source, requestOptions(source, sessionId));
    this.#turns = liveList(source, turnOptions(source, sessionId));
    this.#contexts = liveList(source, contextOptions(source, sessionId));
  }

  readonly snapshot = (): ConversationSnapshot => this.#shown;

  readonly subscribe = (listener: (snapshot: ConversationSnapshot) => void): (() => void) => {
    listener(this.#shown);
    return this.watch(() => listener(this.#shown));
  };

  readonly send = (prompt: string | SendParams): Promise<Job> =>
    this.#source.claude.sessions.send({
      ...(typeof prompt === "string" ? { prompt } : prompt),
      session_id: this.sessionId,
    });

  readonly interrupt = (): Promise<Session> => this.#source.claude.sessions.interrupt({ session_id: this.sessionId });

  readonly respond = (response: ClaudePermissionsRespondParams): Promise<PermissionRequest> =>
    this.#source.claude.permissions.respond(response);

  readonly reload = async (): Promise<void> => {
    await Promise.all(this.#lists.map((list) => list.reload()));
    this.#watchers.changed();
  };

  get #lists(): ReadonlyArray<LiveList<unknown>> {
    return [this.#session, this.#messages, this.#requests, this.#turns, this.#contexts];
  }

  #start(): void {
    // Listen before loading, so that no text in between is missed.
    this.#follow("claude.delta", "text");
    this.#follow("claude.thinking_delta", "thinking");
    this.#unsubscribes.push(this.#source.on("events.resync", () => this.#drafts.clear()));
    for (const list of this.#lists) this.#listen(() => list.watch(this.#watchers.changed), list === this.#contexts);
  }

  #stop(): void {
    this.#unsubscribes.splice(0).forEach((unsubscribe) => unsubscribe());
    this.#drafts.clear(); // what comes until the next watcher is lost
  }

  #follow(name: "claude.delta" | "claude.thinking_delta", kind: DraftKind): void {
    const onDelta = (delta: ClaudeDelta | ClaudeThinkingDelta): void => {
      if (delta.session_id !== this.sessionId) return;
      this.#drafts.add(kind, delta);
      this.#watchers.changed();
    };
    this.#listen(() => this.#source.on(name, onDelta, { session_id: this.sessionId }), true);
  }

  /** Does without what is optional if the page may not listen to it: parts of messages, the context. */
  #listen(watch: () => () => void, isOptional: boolean): void {
    try {
      this.#unsubscribes.push(watch());
    } catch (error) {
      if (!isOptional) throw error;
    }
  }

  #show(): void {
    const isLoaded = this.#lists.every((list) => list.isLoaded);
    const [session = null] = this.#session.items();
    const isDeleted = session === null && this.#session.isLoaded;
    const messages = isDeleted ? NO_CONVERSATION.messages : this.#messages.items();
    const isWorking = session?.status === "running" || session?.status === "waiting";
    if (session !== null && !isWorking) this.#drafts.clear();
    if (this.#derived?.from !== messages) this.#derived = { from: messages, ...derived(messages) };
    const { stored, begun } = this.#derived;
    this.#shown = Object.freeze({
      session,
      isDeleted,
      messages,
      drafts: kept(this.#shown.drafts, this.#drafts.unstored(stored)),
      requests: isDeleted ? NO_CONVERSATION.requests : this.#requests.items(),
      queued: kept(
        this.#shown.queued,
        this.#turns.items().filter(({ job_id }) => !begun.has(job_id)),
      ),
      context: isDeleted ? null : (this.#contexts.items()[0] ?? null),
      isWorking,
      isLoaded,
      error: this.#lists.find((list) => list.error !== null)?.error ?? null,
    });
  }
}

function derived(messages: readonly ClaudeMessage[]): { stored: Stored; begun: ReadonlySet<string | null> } {
  const prompts = messages.filter(({ kind }) => kind === "user");
  return { stored: storedOf(messages), begun: new Set(prompts.map(({ job_id }) => job_id)) };
}

/** Returns the earlier array if it has the same members, so that views do not redraw it. */
function kept<Item>(earlier: readonly Item[], now: readonly Item[]): readonly Item[] {
  const isSame = earlier.length === now.length && now.every((item, index) => item === earlier[index]);
  return isSame ? earlier : Object.freeze(now);
}

type Options<Item> = Parameters<typeof liveList<Item>>[1];

function sessionOptions({ claude }: ConversationSource, sessionId: string): Options<Session> {
  return {
    load: () =>
      claude.sessions.get({ session_id: sessionId }).then(
        (session) => [session],
        (error: unknown) => {
          if (error instanceof RpcError && error.kind === "session_not_found") return []; // it was deleted
          throw error;
        },
      ),
    key: ({ session_id }) => session_id,
    version: ({ version }) => version,
    changes: {
      "claude.session_updated": ({ session }) => (session.session_id === sessionId ? { put: session } : null),
      "claude.session_deleted": ({ session_id }) => ({ drop: session_id }),
    },
    filter: { session_id: sessionId },
  };
}

function messageOptions({ claude }: ConversationSource, sessionId: string): Options<ClaudeMessage> {
  return {
    load: async () => {
      const all: ClaudeMessage[] = [];
      for (let cursor: string | null = null; ;) {
        const page = await claude.messages.list({ session_id: sessionId, limit: PAGE_SIZE, cursor });
        all.push(...page.messages);
        if (page.next_cursor === null) return all;
        cursor = page.next_cursor;
      }
    },
    key: ({ message_id }) => message_id,
    changes: { "claude.message_added": ({ message }) => (message.session_id === sessionId ? { put: message } : null) },
    compare: (one, other) => one.seq - other.seq,
    filter: { session_id: sessionId },
  };
}

function requestOptions({ claude }: ConversationSource, sessionId: string): Options<PermissionRequest> {
  const put = ({ request }: { request: PermissionRequest }) =>
    request.session_id === sessionId ? { put: request } : null;
  return {
    load: () =>
      claude.permissions
        .list({ session_id: sessionId, status: "open", limit: PAGE_SIZE })
        .then(({ requests }) => requests),
    key: ({ request_id }) => request_id,
    version: ({ version }) => version,
    changes: { "claude.permission_requested": put, "claude.permission_resolved": put },
    keep: ({ status }) => status === "open",
    compare: (one, other) => one.created_at.localeCompare(other.created_at),
    filter: { session_id: sessionId },
  };
}

/** The unfinished turns of a session. */
function turnOptions({ jobs }: ConversationSource, sessionId: string): Options<Job> {
  const isOwn = ({ type, payload }: Job): boolean =>
    type === "claude.turn" && (payload as { session_id?: unknown } | null)?.session_id === sessionId;
  const list = (status: "queued" | "running"): Promise<Job[]> =>
    jobs.list({ type: "claude.turn", status, limit: PAGE_SIZE }).then((page) => page.jobs.filter(isOwn));
  return {
    // First those that are queued: one that begins in between is in both, and not in neither.
    load: async () => {
      const queued = await list("queued");
      const running = await list("running");
      const began = new Set(running.map(({ job_id }) => job_id));
      return [...queued.filter(({ job_id }) => !began.has(job_id)), ...running];
    },
    key: ({ job_id }) => job_id,
    version: ({ version }) => version,
    changes: { "jobs.updated": ({ job }) => (isOwn(job) ? { put: job } : null) },
    keep: ({ finished_at }) => finished_at === null,
    compare: (one, other) => one.created_at.localeCompare(other.created_at),
    filter: { session_id: sessionId },
  };
}

/** The context of a session, if the page may know it. */
function contextOptions({ claude }: ConversationSource, sessionId: string): Options<ClaudeContext> {
  return {
    load: () =>
      claude.status({ session_id: sessionId }).then(
        ({ contexts }) => contexts,
        (error: unknown) => {
          if (error instanceof RpcError && ["not_allowed", "session_not_found"].includes(error.kind)) return [];
          throw error;
        },
      ),
    key: ({ session_id }) => session_id,
    changes: {
      "claude.context_updated": ({ context }) => (context.session_id === sessionId ? { put: context } : null),
    },
    filter: { session_id: sessionId },
  };
}
