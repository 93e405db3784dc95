// Hooks for React 18 and 19.  They render what the framework-free parts hold, by useSyncExternalStore: without tearing,
// under StrictMode, and on a server, where nothing is loaded yet.
import { createContext, createElement, useContext, useMemo, useSyncExternalStore } from "react";
import type { DependencyList, ReactElement, ReactNode } from "react";
import { conversation, NO_CONVERSATION } from "./conversation.ts";
import type { Conversation, ConversationSnapshot } from "./conversation.ts";
import { localError } from "./errors.ts";
import { liveList, NOTHING_LOADED } from "./live_list.ts";
import type { LiveList, LiveListOptions, LiveListSnapshot } from "./live_list.ts";
import { connectSidecar } from "./renderer.ts";
import type { PageSidecar, SidecarBridge } from "./renderer.ts";
import { sidecarStatus, UNKNOWN_STATUS } from "./state_store.ts";
import type { SidecarStatus } from "./state_store.ts";

const Client = createContext<PageSidecar | null>(null);

/** Gives the hooks below a client; without it, they use that of `window.sidecar`. */
export function SidecarProvider({ client, children }: { client: PageSidecar; children?: ReactNode }): ReactElement {
  return createElement(Client.Provider, { value: client }, children);
}

/** The client of the page, with the state of its sidecar. */
export interface UsedSidecar extends SidecarStatus {
  client: PageSidecar;
}

/** Returns the page's client and the sidecar's state. */
export function useSidecar(): UsedSidecar {
  const client = useContext(Client) ?? ownClient();
  const status = sidecarStatus(client);
  const shown = useSyncExternalStore(status.watch, status.snapshot, unknownStatus);
  return useMemo(() => ({ client, ...shown }), [client, shown]);
}

/** A live list's snapshot, with a function that loads a new one. */
export interface UsedLiveList<Item> extends LiveListSnapshot<Item> {
  reload: () => Promise<void>;
}

/** Renders a live list that is shared by several components. */
export function useLiveList<Item>(list: LiveList<Item>): UsedLiveList<Item>;
/**
 * Renders a live list of the component's own.  `options` is called again, for another list, when a value in `deps` has
 * changed: name the values that it reads, as for `useMemo`.
 */
export function useLiveList<Item>(
  options: (client: PageSidecar) => LiveListOptions<Item>,
  deps: DependencyList,
): UsedLiveList<Item>;
export function useLiveList<Item>(
  given: LiveList<Item> | ((client: PageSidecar) => LiveListOptions<Item>),
  deps: DependencyList = [],
): UsedLiveList<Item> {
  const provided = useContext(Client);
  const isOwn = typeof given === "function";
  const list = useMemo(() => {
    if (typeof given !== "function") return given;
    const client = provided ?? ownClient();
    return liveList(client, given(client));
  }, [provided, isOwn ? null : given, ...deps]);
  const shown = useSyncExternalStore(list.watch, list.snapshot, nothingLoaded<Item>);
  return useMemo(() => ({ ...shown, reload: list.reload }), [list, shown]);
}

/** A conversation's snapshot, and what the user can do in it. */
export interface UsedConversation
  extends ConversationSnapshot, Pick<Conversation, "send" | "interrupt" | "respond" | "reload"> {}

/** Renders the conversation of a session.  With null nothing is loaded, and `send` and the others reject. */
export function useConversation(sessionId: string | null): UsedConversation {
  const provided = useContext(Client);
  const open = useMemo(
    () => (sessionId === null ? NOT_OPEN : conversation(provided ?? ownClient(), sessionId)),
    [provided, sessionId],
  );
  const shown = useSyncExternalStore(open.watch, open.snapshot, noConversation);
  return useMemo(() => {
    const { send, interrupt, respond, reload } = open;
    return { ...shown, send, interrupt, respond, reload };
  }, [open, shown]);
}

const unknownStatus = (): SidecarStatus => UNKNOWN_STATUS;
const nothingLoaded = <Item>(): LiveListSnapshot<Item> => NOTHING_LOADED;
const noConversation = (): ConversationSnapshot => NO_CONVERSATION;
const notOpen = (): Promise<never> => Promise.reject(localError("not_allowed", "No conversation is open."));

/** In place of a conversation while none is open. */
const NOT_OPEN: Omit<Conversation, "sessionId" | "subscribe" | "close"> = {
  snapshot: noConversation,
  watch: () => () => undefined,
  send: notOpen,
  interrupt: notOpen,
  respond: notOpen,
  reload: () => Promise.resolve(),
};

let connected: PageSidecar | null = null;

/** Returns the client of `window.sidecar`; on a server, which has no window, one that is not connected. */
function ownClient(): PageSidecar {
  if (typeof window === "undefined") return NOT_CONNECTED;
  return (connected ??= connectSidecar());
}

/** Rendering on a server only reads snapshots: it neither listens nor calls. */
const NOT_CONNECTED = connectSidecar({} as SidecarBridge);
