// The bridge into a page.  It runs in the preload script's own world; the page gets functions of plain values and
// nothing of Electron: no ipcRenderer, no event, no channel name.
//
// It narrows what can be asked by accident.  The border that holds against a page that was taken over is in the main
// process, which checks every name and every sender again (windows.ts).
import type { ContextBridge, IpcRenderer } from "electron";
import { EVENT_NAMES, REQUEST_NAMES } from "./calls.ts";
import type { EventName, RequestName } from "./calls.ts";
import * as channel from "./channels.ts";
import type { BridgeCallOptions, BridgeResponse, SidecarBridge } from "./channels.ts";
import { SCHEMA_HASH } from "./contract.ts";
import { localError } from "./errors.ts";
import { withResync } from "./events.ts";
import type { EventPosition } from "./events.ts";
import type { SidecarState } from "./state.ts";

export type { BridgeResponse, SidecarBridge } from "./channels.ts";

export interface PreloadOptions {
  contextBridge: Pick<ContextBridge, "exposeInMainWorld">;
  ipcRenderer: Pick<IpcRenderer, "invoke" | "send" | "on">;
  /** The page finds the bridge as `window[key]`; `sidecar` unless said otherwise. */
  key?: string;
  /** What the page may call and hear; everything unless said otherwise. */
  methods?: readonly RequestName[];
  notifications?: readonly EventName[];
}

/** Puts the bridge into the page.  Call it once, in the preload script. */
export function exposeSidecar(options: PreloadOptions): void {
  options.contextBridge.exposeInMainWorld(options.key ?? "sidecar", makeBridge(options));
}

function makeBridge(options: PreloadOptions): SidecarBridge {
  const { ipcRenderer, methods = REQUEST_NAMES } = options;
  const notifications = withResync(options.notifications ?? EVENT_NAMES);
  const page = crypto.getRandomValues(new Uint32Array(4)).join("-");
  const progress = new Map<number, NonNullable<BridgeCallOptions["onProgress"]>>();
  const listeners = new Map<number, (name: string, params: unknown) => void>();
  const watchers = new Set<(state: SidecarState) => void>();
  let lastSubscription = 0;

  // The event itself stays here: its `sender` could send anything anywhere.
  const hear = (name: string, take: (...told: never[]) => void): void =>
    void ipcRenderer.on(name, (_event, to, ...told) => void (to === page && take(...(told as never[]))));
  hear(channel.EVENT, (id: number, name: string, params: unknown) => listeners.get(id)?.(name, params));
  hear(channel.PROGRESS, (call: number, value: never) => progress.get(call)?.(value));
  hear(channel.STATE_CHANGED, (state: SidecarState) => watchers.forEach((watch) => watch(state)));
  ipcRenderer.send(channel.HELLO, page);

  const refuse = (what: string): BridgeResponse => ({
    ok: false,
    error: localError("not_allowed", `${what} is not for pages.`).toJSON(),
  });

  return {
    methods,
    notifications,
    schemaHash: SCHEMA_HASH,
    async call(call, method, params, { timeoutMs, onProgress } = {}) {
      if (!(methods as readonly string[]).includes(method)) return refuse(method);
      if (onProgress !== undefined) progress.set(call, onProgress);
      const wanted = {
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(onProgress === undefined ? {} : { wantsProgress: true }),
      };
      try {
        return (await ipcRenderer.invoke(channel.CALL, { page, call, method, params, ...wanted })) as BridgeResponse;
      } finally {
        progress.delete(call);
      }
    },
    cancel: (call) => ipcRenderer.send(channel.CANCEL, page, call),
    subscribe(names, after: EventPosition | null, listener) {
      const refused = names.filter((name) => !notifications.includes(name));
      if (refused.length > 0) throw new Error(`not_allowed: ${refused.join(", ")} is not for pages`);
      const id = (lastSubscription += 1);
      listeners.set(id, listener);
      ipcRenderer.send(channel.SUBSCRIBE, page, id, names, after);
      return () => {
        if (listeners.delete(id)) ipcRenderer.send(channel.UNSUBSCRIBE, page, id);
      };
    },
    state: () => ipcRenderer.invoke(channel.STATE, page) as Promise<SidecarState>,
    position: () => ipcRenderer.invoke(channel.POSITION, page) as Promise<EventPosition | null>,
    onState(listener) {
      watchers.add(listener);
      return () => void watchers.delete(listener);
    },
    signIn: (call, provider, params) =>
      ipcRenderer.invoke(channel.SIGN_IN, { page, call, method: provider, params }) as Promise<BridgeResponse>,
  };
}
