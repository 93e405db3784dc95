// The main process's side of the bridge: several windows share one sidecar.
//
// A page may be compromised, so every message is checked here: its sender, the names in it and its shape.
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

/** The part of Electron's `ipcMain` that this package uses. */
export type ElectronIpcMain = Pick<IpcMain, "handle" | "removeHandler" | "on" | "off">;

/** Limits per page; a page that exceeds them leaks subscriptions or calls. */
const MAX_SUBSCRIPTIONS = 1_000;
const MAX_CALLS = 1_000;

/** The sidecar that windows share. */
export interface SharedSidecar {
  readonly state: SidecarState;
  readonly position: EventPosition | null;
  ready(): Promise<void>;
  request(name: string, params?: object, options?: CallOptions): Promise<unknown>;
  onAny(listener: AnyListener): () => void;
  onState(listener: (state: SidecarState) => void): () => void;
}

export interface WindowOptions {
  /** The requests and notifications that pages may use; all by default. */
  methods?: readonly RequestName[];
  notifications?: readonly EventName[];
  /**
   * Returns whether a frame may use the bridge.  By default these are main frames that show a file, a page with the
   * app's own scheme, or a page of a development server on this machine.
   */
  trust?: (frame: WebFrameMain) => boolean;
}

interface Subscription {
  names: ReadonlySet<string>;
  /** Durable notifications up to this position were delivered by a replay. */
  replayedTo: EventPosition | null;
  /** Whether a replay is running, which also delivers the durable notifications that arrive meanwhile. */
  isReplaying: boolean;
}

/** One load of a page in a window. */
interface Page {
  id: string;
  contents: WebContents;
  /** Whether a message from it has passed the checks; only then is it notified of state changes. */
  isTrusted: boolean;
  subscriptions: Map<number, Subscription>;
  calls: Map<number, AbortController>;
}

type Sender = Pick<IpcMainEvent, "sender" | "senderFrame">;

/** Handles the messages from windows and sends them notifications.  Returns a function that stops this. */
export function serveWindows(
  ipc: ElectronIpcMain,
  sidecar: SharedSidecar,
  options: WindowOptions & { signIn: SignIn; onFault: OnFault },
): () => void {
  const windows = new Windows(sidecar, options);
  const detach = [sidecar.onAny(windows.onNotification), sidecar.onState(windows.onState)];
  const handle = (name: string, handler: Parameters<ElectronIpcMain["handle"]>[1]): void => {
    ipc.handle(name, handler);
    detach.push(() => ipc.removeHandler(name));
  };
  const listen = (name: string, listener: Parameters<ElectronIpcMain["on"]>[1]): void => {
    ipc.on(name, listener);
    detach.push(() => void ipc.off(name, listener));
  };
  handle(channel.CALL, windows.call);
  handle(channel.SIGN_IN, windows.signIn);
  handle(channel.STATE, windows.state);
  handle(channel.POSITION, windows.position);
  listen(channel.PAGE_LOADED, windows.pageLoaded);
  listen(channel.CANCEL, windows.cancel);
  listen(channel.SUBSCRIBE, windows.subscribe);
  listen(channel.UNSUBSCRIBE, windows.unsubscribe);
  return () => detach.forEach((step) => step());
}

class Windows {
  readonly #sidecar: SharedSidecar;
  readonly #signIn: SignIn;
  readonly #onFault: OnFault;
  readonly #trust: (frame: WebFrameMain) => boolean;
  readonly #methods: ReadonlySet<string>;
  readonly #notifications: ReadonlySet<string>;
  readonly #watched = new WeakSet<WebContents>();
  /** The windows' current pages, by the WebContents' id. */
  readonly #pages = new Map<number, Page>();

  constructor(sidecar: SharedSidecar, options: WindowOptions & { signIn: SignIn; onFault: OnFault }) {
    this.#sidecar = sidecar;
    this.#signIn = options.signIn;
    this.#onFault = options.onFault;
    this.#trust = options.trust ?? isOwnPage;
    // The app may restrict the generated lists but not extend them.
    this.#methods = intersection(REQUEST_NAMES, options.methods);
    this.#notifications = new Set(withResync([...intersection(EVENT_NAMES, options.notifications)]));
  }

  /** Registers a page.  This grants it nothing: all its messages are checked. */
  readonly pageLoaded = ({ sender: contents, senderFrame }: Sender, id: unknown): void => {
    // A frame inside the page must not replace it.
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
    if (!this.#methods.has(method)) return refused(`This page may not call ${String(method)}.`);
    return this.#respond(event, message, (params, options) => this.#sidecar.request(method, params, options));
  };

  readonly signIn = (event: Sender, message: CallMessage): Promise<BridgeResponse> =>
    this.#respond(event, message, (params, { signal }) => this.#signIn(message.method as "google", params, { signal }));

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
      this.#onFault(new Error(`a page has more than ${MAX_SUBSCRIPTIONS} subscriptions; the latest is ignored`));
      return;
    }
    const refusedNames = names.filter((name) => !this.#notifications.has(name));
    if (refusedNames.length > 0) this.#onFault(new Error(`a page may not listen to ${refusedNames.join(", ")}`));
    const allowed = names.filter((name) => this.#notifications.has(name));
    const added: Subscription = { names: new Set(allowed), replayedTo: null, isReplaying: false };
    page.subscriptions.set(subscription, added);
    if (isPosition(after)) void this.#replay(page, subscription, added, after);
  };

  readonly unsubscribe = (event: Sender, id: unknown, subscription: unknown): void =>
    void this.#page(event, id)?.subscriptions.delete(subscription as number);

  readonly onNotification: AnyListener = (name, params) => {
    const [seq, epoch] = [seqOf(params), this.#sidecar.position?.epoch];
    for (const page of this.#pages.values()) {
      for (const [id, { names, isReplaying, replayedTo }] of page.subscriptions) {
        if (!names.has(name)) continue;
        const isReplayed = replayedTo?.epoch === epoch && (seq ?? 0) <= (replayedTo?.seq ?? 0);
        if (seq !== null && (isReplaying || isReplayed)) continue;
        this.#send(page, channel.NOTIFICATION, id, name, params);
      }
    }
  };

  readonly onState = (state: SidecarState): void => {
    for (const page of this.#pages.values()) if (page.isTrusted) this.#send(page, channel.STATE_CHANGED, state);
  };

  /** Delivers the notifications after a position to one subscription. */
  async #replay(page: Page, id: number, subscription: Subscription, after: EventPosition): Promise<void> {
    const deliver = (name: string, params: unknown): void => {
      const isSubscribed = page.subscriptions.get(id) === subscription && subscription.names.has(name);
      if (isSubscribed) this.#send(page, channel.NOTIFICATION, id, name, params);
    };
    const latest = (): number => this.#sidecar.position?.seq ?? 0;
    const fetch = (seq: number): Promise<EventPage> =>
      this.#sidecar.request("events.replay", { after_seq: seq }) as Promise<EventPage>;
    subscription.isReplaying = true;
    try {
      await this.#sidecar.ready();
      const isSame = after.epoch === this.#sidecar.position?.epoch;
      const reached = isSame ? await replay(after, latest, fetch, deliver) : null;
      if (!isSame) deliver(RESYNC, { reason: "The database was replaced." });
      subscription.replayedTo = reached === null ? null : { epoch: after.epoch, seq: reached };
    } catch (error) {
      this.#onFault(error);
      deliver(RESYNC, { reason: "The missed events could not be fetched." });
    } finally {
      subscription.isReplaying = false;
    }
  }

  async #respond(
    event: Sender,
    message: CallMessage,
    work: (params: object | undefined, options: CallOptions & { signal: AbortSignal }) => Promise<unknown>,
  ): Promise<BridgeResponse> {
    const { page: id, call, params, timeoutMs, wantsProgress } = message ?? {};
    const page = this.#page(event, id);
    if (page === null) return refused("This page may not use the sidecar.");
    if (params !== undefined && (typeof params !== "object" || params === null))
      return refused("Params must be an object.");
    if (page.calls.size >= MAX_CALLS)
      return failed(localError("too_many_calls", `${MAX_CALLS} calls of this page are already waiting.`));
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

  /** Returns the page that sent a message; null if it may not use the bridge or another page was loaded since. */
  #page({ sender, senderFrame }: Sender, id: unknown): Page | null {
    const page = this.#pages.get(sender.id);
    if (page === undefined || page.id !== id || senderFrame === null || !this.#trust(senderFrame)) return null;
    page.isTrusted = true;
    return page;
  }

  #send(page: Page, name: string, ...args: unknown[]): void {
    if (this.#pages.get(page.contents.id) !== page || page.contents.isDestroyed()) return;
    try {
      page.contents.send(name, page.id, ...args);
    } catch (error) {
      this.#onFault(error); // the frame is being destroyed
    }
  }
}

/** Schemes of pages that are not the app's own. */
const FOREIGN_SCHEMES = [
  "about:",
  "blob:",
  "chrome-extension:",
  "data:",
  "devtools:",
  "filesystem:",
  "ftp:",
  "javascript:",
];

/** Returns whether a main frame shows a file, a page with the app's own scheme, or a local development server. */
function isOwnPage(frame: WebFrameMain): boolean {
  if (frame.parent !== null || !URL.canParse(frame.url)) return false;
  const { protocol, hostname } = new URL(frame.url);
  if (protocol === "http:" || protocol === "https:") return ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  return !FOREIGN_SCHEMES.includes(protocol);
}

function intersection(all: readonly string[], allowed: readonly string[] | undefined): ReadonlySet<string> {
  return new Set(allowed === undefined ? all : all.filter((name) => allowed.includes(name)));
}

function isPosition(value: unknown): value is EventPosition {
  const { epoch, seq } = (value ?? {}) as Partial<EventPosition>;
  return typeof epoch === "string" && Number.isSafeInteger(seq);
}

function refused(message: string): BridgeResponse {
  return failed(localError("not_allowed", message));
}

function failed(error: unknown): BridgeResponse {
  if (error instanceof RpcError) return { ok: false, error: error.toJSON() };
  if (error instanceof Error && error.name === "AbortError")
    return failed(localError("aborted", "The call was aborted."));
  return {
    ok: false,
    error: { code: 0, message: error instanceof Error ? error.message : String(error), data: { kind: "internal" } },
  };
}
