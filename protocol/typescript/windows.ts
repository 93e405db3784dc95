// The main process's side of the bridge: several windows share one sidecar.
//
// A page may be compromised, so every message is checked here: its sender, the names in it and its shape.
import type { IpcMain, IpcMainEvent, WebContents, WebFrameMain } from "electron";
import { alsoNeeded, authorizePage, PAGE_METHODS } from "./authorize.ts";
import type { Authorize, Verdict } from "./authorize.ts";
import { CallLimit } from "./call_limit.ts";
import { EVENT_NAMES, REQUEST_NAMES } from "./calls.ts";
import type { CallOptions, EventName, RequestName } from "./calls.ts";
import * as channel from "./channels.ts";
import type { BridgeResponse, SignIn } from "./channels.ts";
import type { EventPage } from "./contract.ts";
import { callError, localError } from "./errors.ts";
import type { RpcError } from "./errors.ts";
import { parseFilter, passes } from "./event_filter.ts";
import type { EventFilter } from "./event_filter.ts";
import { replay, RESYNC, seqOf, withResync } from "./events.ts";
import type { EventPosition } from "./events.ts";
import type { AnyListener, OnFault } from "./listeners.ts";
import type { SidecarState } from "./state.ts";
import { ownPages } from "./trust.ts";
import type { AppLocation, OwnPages } from "./trust.ts";

/** The part of Electron's `ipcMain` that this package uses. */
export type ElectronIpcMain = Pick<IpcMain, "handle" | "removeHandler" | "on" | "off">;

/** Limit per page; a page that exceeds it leaks subscriptions. */
const MAX_SUBSCRIPTIONS = 1_000;
/** Limit for a text that a page sends as an id; ours have less than 50 characters. */
const MAX_ID_CHARS = 100;
/** The method that a page must have to sign in, and that `authorize` is asked for. */
const SIGN_IN_AS = "calendar.accounts.create" satisfies RequestName;

/** The sidecar that windows share. */
export interface SharedSidecar {
  readonly state: SidecarState;
  readonly position: EventPosition | null;
  ready(): Promise<void>;
  request(name: string, params?: object, options?: CallOptions): Promise<unknown>;
  onAny(listener: AnyListener): () => void;
  onState(listener: (state: SidecarState) => void): () => void;
}

export interface WindowOptions extends OwnPages {
  /** The requests that pages may send; `PAGE_METHODS` by default. */
  methods?: readonly RequestName[];
  /** The notifications that pages may listen to; all by default. */
  notifications?: readonly EventName[];
  /** Returns whether a frame may use the bridge; by default the main frames that show one of the app's own pages. */
  trust?: (frame: WebFrameMain) => boolean;
  /** Returns whether a frame may make a request, given its params; `authorizePage` by default. */
  authorize?: Authorize;
}

/** What the windows share besides the sidecar. */
export interface WindowContext {
  signIn: SignIn;
  onFault: OnFault;
  app?: AppLocation | undefined;
}

interface Subscription {
  names: ReadonlySet<string>;
  filter: EventFilter | null;
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
  limit: CallLimit;
}

/** A call, once its shape was checked. */
interface PageCall {
  page: Page;
  frame: WebFrameMain;
  call: number;
  method: string;
  params: Record<string, unknown>;
  timeoutMs?: number;
  wantsProgress: boolean;
}

type Sender = Pick<IpcMainEvent, "sender" | "senderFrame">;

/** Handles the messages from windows and sends them notifications.  Returns a function that stops this. */
export function serveWindows(
  ipc: ElectronIpcMain,
  sidecar: SharedSidecar,
  options: WindowOptions & WindowContext,
): () => void {
  const windows = new Windows(sidecar, options);
  const detach: Array<() => void> = [];
  const handle = (name: string, handler: Parameters<ElectronIpcMain["handle"]>[1]): void => {
    try {
      ipc.handle(name, handler);
    } catch (error) {
      const advice = "dispose() it before you call startSidecar again.";
      throw localError("windows_served", `Another sidecar serves the windows: ${advice}`, {}, error);
    }
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
  // Last: `handle` throws if another sidecar already serves these windows.
  detach.push(sidecar.onAny(windows.onNotification), sidecar.onState(windows.onState));
  return () => detach.forEach((step) => step());
}

class Windows {
  readonly #sidecar: SharedSidecar;
  readonly #signIn: SignIn;
  readonly #onFault: OnFault;
  readonly #trust: (frame: WebFrameMain) => boolean;
  readonly #methods: ReadonlySet<string>;
  readonly #notifications: ReadonlySet<string>;
  readonly #authorize: Authorize;
  /** The call limits of the windows seen so far. */
  readonly #limits = new WeakMap<WebContents, CallLimit>();
  /** The last sign-in of each window. */
  readonly #signIns = new WeakMap<WebContents, AbortController>();
  /** The windows' current pages, by the WebContents' id. */
  readonly #pages = new Map<number, Page>();

  constructor(sidecar: SharedSidecar, options: WindowOptions & WindowContext) {
    this.#sidecar = sidecar;
    this.#signIn = options.signIn;
    this.#onFault = options.onFault;
    this.#trust = options.trust ?? ownPages(options, options.app);
    this.#authorize = options.authorize ?? authorizePage;
    // The app may choose from the generated lists but not extend them.
    this.#methods = intersection(REQUEST_NAMES, options.methods ?? PAGE_METHODS);
    this.#notifications = new Set(withResync([...intersection(EVENT_NAMES, options.notifications)]));
  }

  /** Registers a page.  All its later messages are checked again, since the frame may navigate. */
  readonly pageLoaded = ({ sender: contents, senderFrame }: Sender, id: unknown): void => {
    // A frame inside the page must not replace it.
    if (!isId(id) || (senderFrame !== null && senderFrame.parent !== null)) return;
    const limit = this.#limits.get(contents) ?? new CallLimit();
    const isTrusted = senderFrame !== null && this.#trust(senderFrame);
    this.#pages.set(contents.id, { id, contents, isTrusted, subscriptions: new Map(), calls: new Map(), limit });
    if (this.#limits.has(contents)) return;
    this.#limits.set(contents, limit);
    const drop = (): void => void this.#pages.delete(contents.id);
    contents.once("destroyed", drop);
    contents.on("render-process-gone", drop); // the window stays, and may load again
  };

  readonly call = async (event: Sender, message: unknown): Promise<BridgeResponse> => {
    const checked = this.#check(event, message);
    if (typeof checked === "string") return refused(checked);
    const { method, params } = checked;
    return this.#permitted(event, message, checked, (options) => this.#sidecar.request(method, params, options));
  };

  /** Does the work of a call if the page may make it. */
  async #permitted(
    event: Sender,
    message: unknown,
    checked: PageCall,
    work: (options: CallOptions & { signal: AbortSignal }) => Promise<unknown>,
  ): Promise<BridgeResponse> {
    const { frame, method, params } = checked;
    for (const name of [method, alsoNeeded(method, params)])
      if (name !== null && !this.#methods.has(name))
        return refused(`This page may not call ${shown(name)}: it is not in the app's \`windows.methods\`.`);
    const verdict = this.#authorize(frame, method, params);
    const answer = typeof verdict === "object" ? await this.#asked(verdict) : verdict;
    if (answer !== true) return refused(answer || `This page may not call ${method} with these params.`);
    // While the user was asked, the window may have loaded another page.
    if (typeof verdict === "object" && typeof this.#check(event, message) === "string")
      return refused("The page was closed meanwhile.");
    return this.#respond(checked, work);
  }

  /** Returns a verdict that is awaited; false if it fails. */
  #asked(verdict: Promise<Verdict>): Promise<Verdict> {
    return verdict.catch((error: unknown) => {
      this.#onFault(error);
      return false;
    });
  }

  /** Signs in, which a page may do that may connect calendars.  A window's next sign-in ends the one before. */
  readonly signIn = async (event: Sender, message: unknown): Promise<BridgeResponse> => {
    const checked = this.#check(event, message);
    if (typeof checked === "string") return refused(checked);
    const { method: provider, params, page } = checked;
    const asCall = { ...checked, method: SIGN_IN_AS, params: { ...params, provider } };
    return this.#permitted(event, message, asCall, async ({ signal }) => {
      this.#signIns.get(page.contents)?.abort();
      const own = new AbortController();
      this.#signIns.set(page.contents, own);
      return this.#signIn(provider as "google", params, { signal: AbortSignal.any([signal, own.signal]) });
    });
  };

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

  readonly subscribe = (event: Sender, id: unknown, ...message: readonly unknown[]): void => {
    const [subscription, names, after, ownFilter] = message;
    const page = this.#page(event, id);
    if (page === null || !Number.isSafeInteger(subscription) || !Array.isArray(names)) return;
    const filter = parseFilter(ownFilter);
    if (filter === undefined) {
      this.#onFault(new Error("a page's filter of notifications is not valid; the subscription is ignored"));
      return;
    }
    if (page.subscriptions.size >= MAX_SUBSCRIPTIONS) {
      this.#onFault(new Error(`a page has more than ${MAX_SUBSCRIPTIONS} subscriptions; the latest is ignored`));
      return;
    }
    // At most as many as there are; a page's own text is not logged at length.
    const wanted = names.slice(0, EVENT_NAMES.length + 1);
    const refusedNames = wanted.filter((name) => !this.#notifications.has(name));
    if (refusedNames.length > 0)
      this.#onFault(new Error(`a page may not listen to ${refusedNames.slice(0, 3).map(shown).join(", ")}`));
    const allowed = wanted.filter((name): name is string => this.#notifications.has(name));
    const added: Subscription = { names: new Set(allowed), filter, replayedTo: null, isReplaying: false };
    page.subscriptions.set(subscription as number, added);
    if (isPosition(after))
      page.limit.run(() => this.#replay(page, subscription as number, added, after)).catch(this.#onFault);
  };

  readonly unsubscribe = (event: Sender, id: unknown, subscription: unknown): void =>
    void this.#page(event, id)?.subscriptions.delete(subscription as number);

  readonly onNotification: AnyListener = (name, params) => {
    const [seq, epoch] = [seqOf(params), this.#sidecar.position?.epoch];
    for (const page of this.#pages.values()) {
      const due: number[] = [];
      for (const [id, { names, filter, isReplaying, replayedTo }] of page.subscriptions) {
        if (!names.has(name) || !passes(filter, name, params)) continue;
        const isReplayed = replayedTo?.epoch === epoch && (seq ?? 0) <= (replayedTo?.seq ?? 0);
        if (seq === null || !(isReplaying || isReplayed)) due.push(id);
      }
      if (due.length > 0) this.#send(page, channel.NOTIFICATION, due, name, params); // once, for all subscriptions
    }
  };

  readonly onState = (state: SidecarState): void => {
    for (const page of this.#pages.values()) if (page.isTrusted) this.#send(page, channel.STATE_CHANGED, state);
  };

  /** Delivers the notifications after a position to one subscription. */
  async #replay(page: Page, id: number, subscription: Subscription, after: EventPosition): Promise<void> {
    const deliver = (name: string, params: unknown): void => {
      const { names, filter } = subscription;
      const isSubscribed = page.subscriptions.get(id) === subscription && names.has(name);
      if (isSubscribed && passes(filter, name, params)) this.#send(page, channel.NOTIFICATION, [id], name, params);
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

  /** Returns a call, or why it is refused.  A page may send anything. */
  #check(event: Sender, message: unknown): PageCall | string {
    const { page: id, call, method, params = {}, timeoutMs, wantsProgress } = isRecord(message) ? message : {};
    const page = this.#page(event, id);
    if (page === null || event.senderFrame === null) return "This page may not use the sidecar.";
    if (typeof method !== "string") return "The method must be a name.";
    if (!Number.isSafeInteger(call) || page.calls.has(call as number)) return "The call's number is missing or in use.";
    if (!isRecord(params)) return "Params must be an object.";
    // Progress tokens and deadlines are the main process's: a page has options for them.
    const { _meta, ...own } = params;
    void _meta;
    return {
      page,
      frame: event.senderFrame,
      call: call as number,
      method,
      params: own,
      ...(typeof timeoutMs === "number" ? { timeoutMs } : {}),
      wantsProgress: wantsProgress === true,
    };
  }

  async #respond(
    { page, call, method, timeoutMs, wantsProgress }: PageCall,
    work: (options: CallOptions & { signal: AbortSignal }) => Promise<unknown>,
  ): Promise<BridgeResponse> {
    const controller = new AbortController();
    page.calls.set(call, controller);
    const options = {
      signal: controller.signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(wantsProgress ? { onProgress: (value: unknown) => this.#send(page, channel.PROGRESS, call, value) } : {}),
    };
    try {
      return { ok: true, value: await page.limit.run(() => work(options), controller.signal) };
    } catch (error) {
      return failed(callError(error, method, controller.signal));
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

function intersection(all: readonly string[], allowed: readonly string[] | undefined): ReadonlySet<string> {
  return new Set(allowed === undefined ? all : all.filter((name) => allowed.includes(name)));
}

/** Returns a page's text for a message, shortened. */
function shown(value: unknown): string {
  return typeof value === "string" ? value.slice(0, MAX_ID_CHARS) : `a value of type ${typeof value}`;
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_ID_CHARS;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPosition(value: unknown): value is EventPosition {
  const { epoch, seq } = (value ?? {}) as Partial<EventPosition>;
  return isId(epoch) && Number.isSafeInteger(seq) && (seq as number) >= 0;
}

function refused(message: string): BridgeResponse {
  return failed(localError("not_allowed", message));
}

function failed(error: RpcError): BridgeResponse {
  return { ok: false, error: error.toJSON() };
}
