// Electron's two modules as a preload script sees them, over any wire to a main process.  It runs in pages and in Node.
//
// Faithful where code breaks on it: arguments are cloned, so that functions throw; errors lose all but their text, and
// `invoke` rewrites that too; what is exposed is copied, frozen, and its functions are proxies.

/** From a page to the main process, and back. */
export type ToMain =
  | { kind: "invoke"; number: number; channel: string; args: unknown[] }
  | { kind: "send"; channel: string; args: unknown[] };
export type ToPage =
  | { kind: "answer"; number: number; value?: unknown; error?: string }
  | { kind: "send"; channel: string; args: unknown[] };

type Heard = (event: object, ...args: unknown[]) => void;

/** `ipcRenderer`, as far as it is used; `receive` is the wire's end. */
export function makeIpcRenderer(post: (message: ToMain) => void) {
  const waiting = new Map<
    number,
    {
      resolve: (value: unknown) => void;
      reject: (error: Error) => void;
      channel: string;
    }
  >();
  const listeners = new Map<string, Heard[]>();
  let last = 0;
  const ipcRenderer = {
    invoke(channel: string, ...args: unknown[]): Promise<unknown> {
      return new Promise((resolve, reject) => {
        const number = (last += 1);
        const message = {
          kind: "invoke",
          number,
          channel,
          args: cloned(args),
        } as const;
        waiting.set(number, { resolve, reject, channel });
        post(message);
      });
    },
    send(channel: string, ...args: unknown[]): void {
      post({ kind: "send", channel, args: cloned(args) });
    },
    on(channel: string, listener: Heard) {
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
    const { resolve, reject, channel } = waiting.get(message.number)!;
    waiting.delete(message.number);
    if (message.error === undefined) resolve(message.value);
    else reject(new Error(`Error invoking remote method '${channel}': ${message.error}`));
  };
  return { ipcRenderer, receive };
}

function cloned(args: unknown[]): unknown[] {
  try {
    return structuredClone(args);
  } catch {
    throw new Error("An object could not be cloned.");
  }
}

/** `contextBridge`, which puts things into `world`. */
export function makeContextBridge(world: object) {
  return {
    exposeInMainWorld(key: string, api: unknown): void {
      if (key in world) throw new Error("Cannot bind an API on top of an existing property on the window object");
      Object.defineProperty(world, key, {
        value: crossed(api),
        enumerable: true,
      });
    },
  };
}

/** A value as it looks from the other world. */
function crossed(value: unknown): unknown {
  if (typeof value === "function") return proxy(value as (...args: unknown[]) => unknown);
  if (typeof value !== "object" || value === null) {
    if (typeof value === "symbol") throw new Error("An object could not be cloned.");
    return value;
  }
  if (value instanceof Promise) return value.then(crossed, (error: unknown) => Promise.reject(bare(error)));
  if (value instanceof Error) return bare(value);
  if (Array.isArray(value)) return Object.freeze(value.map(crossed));
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([name, member]) => [name, crossed(member)])));
}

function proxy(own: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  return (...args) => {
    let result: unknown;
    try {
      result = own(...args.map(crossed));
    } catch (error) {
      throw bare(error);
    }
    return crossed(result);
  };
}

/** Of an error only the text survives: no class, no `code`, no `data`. */
function bare(error: unknown): Error {
  return new Error(error instanceof Error ? error.message : String(error));
}
