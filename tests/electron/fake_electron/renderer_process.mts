// Fakes of `ipcRenderer` and `contextBridge` for a preload script, in a page or in Node.
//
// Like Electron, they clone arguments, so that functions throw; reduce errors to their message, which `invoke` also
// prefixes; and expose frozen copies, whose functions are proxies.

/** From a page to the main process, and back. */
export type ToMain =
  | { kind: "invoke"; number: number; channel: string; args: unknown[] }
  | { kind: "send"; channel: string; args: unknown[] };
export type ToPage =
  | { kind: "response"; number: number; value?: unknown; error?: string }
  | { kind: "send"; channel: string; args: unknown[] };

type Listener = (event: object, ...args: unknown[]) => void;

/** Shared by all pages, or in Chromium begun at random with each page, because a response to a page that was reloaded must not reach the next one. */
let last = Math.floor(Math.random() * 2 ** 48);

/** The used part of `ipcRenderer`; `receive` processes a message from the main process. */
export function createIpcRenderer(post: (message: ToMain) => void) {
  const pending = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void; channel: string }
  >();
  const listeners = new Map<string, Listener[]>();
  const ipcRenderer = {
    invoke(channel: string, ...args: unknown[]): Promise<unknown> {
      return new Promise((resolve, reject) => {
        const number = (last += 1);
        const message = { kind: "invoke", number, channel, args: clone(args) } as const;
        pending.set(number, { resolve, reject, channel });
        post(message);
      });
    },
    send(channel: string, ...args: unknown[]): void {
      post({ kind: "send", channel, args: clone(args) });
    },
    on(channel: string, listener: Listener) {
      listeners.set(channel, [...(listeners.get(channel) ?? []), listener]);
      return ipcRenderer;
    },
  };
  const receive = (message: ToPage): void => {
    if (message.kind === "send") {
      const event = { sender: ipcRenderer, ports: [] };
      for (const listener of listeners.get(message.channel) ?? []) listener(event, ...message.args);
      return;
    }
    const call = pending.get(message.number);
    if (call === undefined) return; // of the page before a reload
    const { resolve, reject, channel } = call;
    pending.delete(message.number);
    if (message.error === undefined) resolve(message.value);
    else reject(new Error(`Error invoking remote method '${channel}': ${message.error}`));
  };
  return { ipcRenderer, receive };
}

function clone(args: unknown[]): unknown[] {
  try {
    return structuredClone(args);
  } catch {
    throw new Error("An object could not be cloned.");
  }
}

/** `contextBridge`, which adds properties to `world`. */
export function createContextBridge(world: object) {
  return {
    exposeInMainWorld(key: string, api: unknown): void {
      if (key in world) throw new Error("Cannot bind an API on top of an existing property on the window object");
      Object.defineProperty(world, key, { value: exposed(api), enumerable: true });
    },
  };
}

/** Returns a value as the page sees it. */
function exposed(value: unknown): unknown {
  if (typeof value === "function") return proxy(value as (...args: unknown[]) => unknown);
  if (typeof value !== "object" || value === null) {
    if (typeof value === "symbol") throw new Error("An object could not be cloned.");
    return value;
  }
  if (value instanceof Promise) return value.then(exposed, (error: unknown) => Promise.reject(withoutDetails(error)));
  if (value instanceof Error) return withoutDetails(value);
  if (Array.isArray(value)) return Object.freeze(value.map(exposed));
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([name, member]) => [name, exposed(member)])));
}

function proxy(own: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  return (...args) => {
    let result: unknown;
    try {
      result = own(...args.map(exposed));
    } catch (error) {
      throw withoutDetails(error);
    }
    return exposed(result);
  };
}

/** Returns an error with the same message but without its class, `code` and `data`. */
function withoutDetails(error: unknown): Error {
  return new Error(error instanceof Error ? error.message : String(error));
}
