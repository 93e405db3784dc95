// The main process's end of the bridge: several windows share one sidecar.
//
// This is the border that counts.  A page may have been taken over, so every message is checked here again: who sends
// it, what it names, what shape it has.
import type { IpcMain, IpcMainEvent, WebContents, WebFrameMain } from "electron";
import { EVENT_NAMES, REQUEST_NAMES } from "./calls.ts";
import type { CallOptions, EventName, RequestName } from "./calls.ts";
import * as channel from "./channels.ts";
import type { CallMessage, BridgeResponse, SignIn } from "./channels.ts";
import type { EventPage } from "./contract.ts";
import { localError, RpcError } from "./errors.ts";
import { replay, RESYNC, seqOf, withResync } from "./events.ts";
import type { EventPosition } from "./events.ts";
import type { AnyListener, OnFault } from "./listeners.ts";
import type { SidecarState } from "./state.ts";

/** What is used of Electron's `ipcMain`. */
export type ElectronIpcMain = Pick<IpcMain, "handle" | "removeHandler" | "on" | "off">;

/** A page that leaves more than this open has a leak. */
const MAX_SUBSCRIPTIONS = 1_000;
const MAX_CALLS = 1_000;

/** What windows need of the sidecar. */
export interface Shared {
  readonly state: SidecarState;
  readonly position: EventPosition | null;
  ready(): Promise<void>;
  request(name: string, params?: object, options?: CallOptions): Promise<unknown>;
  onAny(listener: AnyListener): () => void;
  onState(listener: (state: SidecarState) => void): () => void;
}

export interface WindowOptions {
  /** What windows may call and hear; everything unless said otherwise. */
  methods?: readonly RequestName[];
  notifications?: readonly EventName[];
  /**
   * Whether a frame may use the bridge.  Unless said otherwise: a window's main frame that shows a file, the app's own
   * scheme, or a development server on this machine.
   */
  trust?: (frame: WebFrameMain) => boolean;
}

interface Subscription {
  names: ReadonlySet<string>;
  /** Durable ones up to here were replayed, and come once more as they happen. */
  seen: EventPosition | null;
  /** While what was missed is fetched, later ones wait for their turn. */
  isReplaying: boolean;
}

/** One load of a page in a window. */
interface Page {
  id: string;
  contents: WebContents;
  /** It has sent something that was checked: it may hear of the sidecar's state too. */
  isTrusted: boolean;
  subscriptions: Map<number, Subscription>;
  calls: Map<number, AbortController>;
}

type Sender = Pick<IpcMainEvent, "sender" | "senderFrame">;

/** Answers windows and tells them what they asked to hear.  Returns what ends it. */
export function serveWindows(
  ipc: ElectronIpcMain,
  sidecar: Shared,
  options: WindowOptions & { signIn: SignIn; onFault: OnFault },
): () => void {
  const windows = new Windows(sidecar, options);
  const undo = [sidecar.onAny(windows.tell), sidecar.onState(windows.tellState)];
  const answer = (name: string, handler: Parameters<ElectronIpcMain["handle"]>[1]): void => {
    ipc.handle(name, handler);
    undo.push(() => ipc.removeHandler(name));
  };
  const hear = (name: string, listener: Parameters<ElectronIpcMain["on"]>[1]): void => {
    ipc.on(name, listener);
    undo.push(() => void ipc.off(name, listener));
  };
  answer(channel.CALL, windows.call);
  answer(channel.SIGN_IN, windows.signIn);
  answer(channel.STATE, windows.state);
  answer(channel.POSITION, windows.position);
  hear(channel.HELLO, windows.hello);
  hear(channel.CANCEL, windows.cancel);
  hear(channel.SUBSCRIBE, windows.subscribe);
  hear(channel.UNSUBSCRIBE, windows.unsubscribe);
  return () => undo.forEach((step) => step());
}

class Windows {
  readonly #sidecar: Shared;
  readonly #signIn: SignIn;
  readonly #onFault: OnFault;
  readonly #trust: (frame: WebFrameMain) => boolean;
  readonly #methods: ReadonlySet<string>;
  readonly #notifications: ReadonlySet<string>;
  readonly #watched = new WeakSet<WebContents>();
  /** By WebContents' id. */
  readonly #pages = new Map<number, Page>();

  constructor(sidecar: Shared, options: WindowOptions & { signIn: SignIn; onFault: OnFault }) {
    this.#sidecar = sidecar;
    this.#signIn = options.signIn;
    this.#onFault = options.onFault;
    this.#trust = options.trust ?? isOwnPage;
    // A host may narrow the lists; nobody can widen them.
    this.#methods = both(REQUEST_NAMES, options.methods);
    this.#notifications = new Set(withResync([...both(EVENT_NAMES, options.notifications)]));
  }

  /** A page was loaded.  That gives it nothing yet: whatever it then asks for is checked. */
  readonly hello = ({ sender: contents, senderFrame }: Sender, id: unknown): void => {
    // A frame inside the page must not take its place.
    if (typeof id !== "string" || (senderFrame !== null && senderFrame.parent !== null)) return;
    this.#pages.set(contents.id, { id, contents, isTrusted: false, subscriptions: new Map(), calls: new Map() });
    if (this.#watched.has(contents)) return;
    this.#watched.add(contents);
    const drop = (): void => void this.#pages.delete(contents.id);
    contents.once("destroyed", drop);
    contents.on("render-process-gone", drop); // the window stays, and may load again
  };

  readonly call = async (event: Sender, message: CallMessage): Promise<BridgeResponse> => {
    const { method } = message ?? {};
    if (!this.#methods.has(method)) return refused(`${String(method)} is not for pages.`);
    return this.#run(event, message, (params, options) => this.#sidecar.request(method, params, options));
  };

  readonly signIn = (event: Sender, message: CallMessage): Promise<BridgeResponse> =>
    this.#run(event, message, (params, { signal }) => this.#signIn(message.method as "google", params, { signal }));

  readonly state = (event: Sender, id: unknown): SidecarState => {
    if (this.#page(event, id) === null) throw new Error("not_allowed");
    return this.#sidecar.state;
  };

  readonly position = async (event: Sender, id: unknown): Promise<EventPosition | null> => {
    if (this.#page(event, id) === null) throw new Error("not_allowed");
    await this.#sidecar.ready().catch(() => undefined);
    return this.#sidecar.position;
  };

  readonly cancel = (event: Sender, id: unknown, call: unknown): void =>
    this.#page(event, id)
      ?.calls.get(call as number)
      ?.abort();

  readonly subscribe = (event: Sender, id: unknown, subscription: unknown, names: unknown, after: unknown): void => {
    const page = this.#page(event, id);
    if (page === null || typeof subscription !== "number" || !Array.isArray(names)) return;
    if (page.subscriptions.size >= MAX_SUBSCRIPTIONS) {
      this.#onFault(new Error(`a page has more than ${MAX_SUBSCRIPTIONS} subscriptions; the newest one is ignored`));
      return;
    }
    const refusedNames = names.filter((name) => !this.#notifications.has(name));
    if (refusedNames.length > 0) this.#onFault(new Error(`a page may not hear ${refusedNames.join(", ")}`));
    const allowed = names.filter((name) => this.#notifications.has(name));
    const made: Subscription = { names: new Set(allowed), seen: null, isReplaying: false };
    page.subscriptions.set(subscription, made);
    if (isPosition(after)) void this.#replay(page, subscription, made, after);
  };

  readonly unsubscribe = (event: Sender, id: unknown, subscription: unknown): void =>
    void this.#page(event, id)?.subscriptions.delete(subscription as number);

  readonly tell: AnyListener = (name, params) => {
    const [seq, epoch] = [seqOf(params), this.#sidecar.position?.epoch];
    for (const page of this.#pages.values()) {
      for (const [id, { names, isReplaying, seen }] of page.subscriptions) {
        if (!names.has(name)) continue;
        if (seq !== null && (isReplaying || (seen?.epoch === epoch && seq <= (seen?.seq ?? 0)))) continue;
        this.#send(page, channel.EVENT, id, name, params);
      }
    }
  };

  readonly tellState = (state: SidecarState): void => {
    for (const page of this.#pages.values()) if (page.isTrusted) this.#send(page, channel.STATE_CHANGED, state);
  };

  /** What a page missed, for one subscription, before it hears what comes. */
  async #replay(page: Page, id: number, subscription: Subscription, after: EventPosition): Promise<void> {
    const deliver = (name: string, params: unknown): void => {
      const isWanted = page.subscriptions.get(id) === subscription && subscription.names.has(name);
      if (isWanted) this.#send(page, channel.EVENT, id, name, params);
    };
    const now = (): number => this.#sidecar.position?.seq ?? 0;
    const fetch = (seq: number): Promise<EventPage> =>
      this.#sidecar.request("events.replay", { after_seq: seq }) as Promise<EventPage>;
    subscription.isReplaying = true;
    try {
      await this.#sidecar.ready();
      const isSame = after.epoch === this.#sidecar.position?.epoch;
      const reached = isSame ? await replay(after, now, fetch, deliver) : null;
      if (!isSame) deliver(RESYNC, { reason: "The database was replaced." });
      subscription.seen = reached === null ? null : { epoch: after.epoch, seq: reached };
    } catch (error) {
      this.#onFault(error);
      deliver(RESYNC, { reason: "What was missed could not be fetched." });
    } finally {
      subscription.isReplaying = false;
    }
  }

  async #run(
    event: Sender,
    message: CallMessage,
    work: (params: object | undefined, options: CallOptions & { signal: AbortSignal }) => Promise<unknown>,
  ): Promise<BridgeResponse> {
    const { page: id, call, params, timeoutMs, wantsProgress } = message ?? {};
    const page = this.#page(event, id);
    if (page === null) return refused("This page may not use the sidecar.");
    if (params !== undefined && (typeof params !== "object" || params === null))
      return refused("Params are an object.");
    if (page.calls.size >= MAX_CALLS)
      return failed(localError("too_many_calls", `${MAX_CALLS} calls of this page wait already.`));
    const controller = new AbortController();
    page.calls.set(call, controller);
    try {
      const value = await work(params as object | undefined, {
        signal: controller.signal,
        ...(typeof timeoutMs === "number" ? { timeoutMs } : {}),
        ...(wantsProgress ? { onProgress: (value) => this.#send(page, channel.PROGRESS, call, value) } : {}),
      });
      return { ok: true, value };
    } catch (error) {
      return failed(error);
    } finally {
      page.calls.delete(call);
    }
  }

  /** The page that a message came from; null where it may not, or where another one has been loaded since. */
  #page({ sender, senderFrame }: Sender, id: unknown): Page | null {
    const page = this.#pages.get(sender.id);
    if (page === undefined || page.id !== id || senderFrame === null || !this.#trust(senderFrame)) return null;
    page.isTrusted = true;
    return page;
  }

  #send(page: Page, name: string, ...told: unknown[]): void {
    if (this.#pages.get(page.contents.id) !== page || page.contents.isDestroyed()) return;
    try {
      page.contents.send(name, page.id, ...told);
    } catch (error) {
      this.#onFault(error); // its frame is going away
    }
  }
}

/** Schemes whose content is not the app's. */
const FOREIGN = ["about:", "blob:", "chrome-extension:", "data:", "devtools:", "filesystem:", "ftp:", "javascript:"];

/** Files, the app's own scheme, a development server on this machine; never a page of the web, never a frame. */
function isOwnPage(frame: WebFrameMain): boolean {
  if (frame.parent !== null || !URL.canParse(frame.url)) return false;
  const { protocol, hostname } = new URL(frame.url);
  if (protocol === "http:" || protocol === "https:") return ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  return !FOREIGN.includes(protocol);
}

function both(all: readonly string[], wanted: readonly string[] | undefined): ReadonlySet<string> {
  return new Set(wanted === undefined ? all : all.filter((name) => wanted.includes(name)));
}

function isPosition(value: unknown): value is EventPosition {
  const { epoch, seq } = (value ?? {}) as Partial<EventPosition>;
  return typeof epoch === "string" && Number.isSafeInteger(seq);
}

function refused(why: string): BridgeResponse {
  return failed(localError("not_allowed", why));
}

function failed(error: unknown): BridgeResponse {
  if (error instanceof RpcError) return { ok: false, error: error.toJSON() };
  if (error instanceof Error && error.name === "AbortError")
    return failed(localError("aborted", "The call was given up."));
  return {
    ok: false,
    error: { code: 0, message: error instanceof Error ? error.message : String(error), data: { kind: "internal" } },
  };
}
