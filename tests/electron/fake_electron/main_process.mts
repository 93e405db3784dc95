// Fakes of Electron's main process: ipcMain, WebContents, app, powerMonitor, safeStorage.
import { EventEmitter } from "node:events";
import { MessageChannel } from "node:worker_threads";
import type { App, IpcMain, PowerMonitor, SafeStorage, WebContents } from "electron";
import { createContextBridge, createIpcRenderer } from "./renderer_process.mts";
import type { ToMain, ToPage } from "./renderer_process.mts";

type Handler = (event: object, ...args: unknown[]) => unknown;

/** `ipcMain`; `receive` processes a message from a page. */
export class FakeIpcMain extends EventEmitter {
  readonly #handlers = new Map<string, Handler>();

  handle(channel: string, handler: Handler): void {
    if (this.#handlers.has(channel)) throw new Error(`Attempted to register a second handler for '${channel}'`);
    this.#handlers.set(channel, handler);
  }

  removeHandler(channel: string): void {
    this.#handlers.delete(channel);
  }

  get channels(): string[] {
    return [...this.#handlers.keys(), ...(this.eventNames() as string[])];
  }

  async receive(sender: FakeWebContents, frame: Frame | null, message: ToMain): Promise<void> {
    const event = { sender, senderFrame: frame, frameId: 1, processId: 1, type: "frame" };
    if (message.kind === "send") {
      this.emit(message.channel, event, ...message.args);
      return;
    }
    const { number, channel, args } = message;
    try {
      const handler = this.#handlers.get(channel);
      if (handler === undefined) throw new Error(`No handler registered for '${channel}'`);
      sender.respond({ kind: "response", number, value: await handler(event, ...args) });
    } catch (error) {
      sender.respond({ kind: "response", number, error: String(error) });
    }
  }

  get typed(): IpcMain {
    return this as unknown as IpcMain;
  }
}

export interface Frame {
  url: string;
  parent: Frame | null;
}

let lastContents = 0;

/** The `webContents` of one window. */
export class FakeWebContents extends EventEmitter {
  readonly id = (lastContents += 1);
  #post: (message: ToPage) => void = () => undefined;
  #isDestroyed = false;

  /** Connects a newly loaded page. */
  connect(post: (message: ToPage) => void): void {
    this.#post = post;
  }

  send(channel: string, ...args: unknown[]): void {
    if (this.#isDestroyed) throw new TypeError("Object has been destroyed");
    this.#post({ kind: "send", channel, args: structuredClone(args) });
  }

  respond(message: ToPage): void {
    if (!this.#isDestroyed) this.#post(structuredClone(message));
  }

  isDestroyed(): boolean {
    return this.#isDestroyed;
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.emit("destroyed");
  }

  get typed(): WebContents {
    return this as unknown as WebContents;
  }
}

/** A window in this process: messages are cloned and arrive asynchronously and in order, as between processes. */
export class NodeWindow {
  readonly contents = new FakeWebContents();
  readonly ipc: FakeIpcMain;
  #close: () => void = () => undefined;
  frame: Frame | null = { url: "file:///app/index.html", parent: null };

  constructor(ipc: FakeIpcMain) {
    this.ipc = ipc;
  }

  /** Loads or reloads a page: calls `preload` with Electron's modules and returns the properties that it exposed. */
  load(preload: (electron: ReturnType<typeof electronOf>) => void): Record<string, unknown> {
    this.#close();
    const { port1: theirs, port2: ours } = new MessageChannel();
    this.#close = () => ours.close();
    const world: Record<string, unknown> = {};
    const electron = electronOf(world, (message) => theirs.postMessage(message));
    theirs.on("message", electron.receive);
    ours.on("message", (message: ToMain) => void this.ipc.receive(this.contents, this.frame, message));
    this.contents.connect((message) => ours.postMessage(message));
    preload(electron);
    return world;
  }

  close(): void {
    this.contents.destroy();
    this.#close();
  }
}

function electronOf(world: object, post: (message: ToMain) => void) {
  const { ipcRenderer, receive } = createIpcRenderer(post);
  // `never` because Electron's types describe whole modules.
  return { contextBridge: createContextBridge(world), ipcRenderer: ipcRenderer as never, receive };
}

/** `app`; `exited` resolves once a quit was not prevented. */
export class FakeApp extends EventEmitter {
  readonly exited: Promise<void>;
  #exit: () => void = () => undefined;
  isLocked = false;
  quits = 0;

  constructor() {
    super();
    this.exited = new Promise((resolve) => (this.#exit = resolve));
  }

  readonly whenReady = (): Promise<void> => Promise.resolve();
  readonly getName = (): string => "Fake App";
  readonly getVersion = (): string => "1.2.3";
  readonly getAppPath = (): string => "/app";
  isPackaged = true;
  readonly requestSingleInstanceLock = (): boolean => !this.isLocked;

  quit(): void {
    this.quits += 1;
    for (const name of ["before-quit", "will-quit"]) {
      let isHeld = false;
      this.emit(name, { preventDefault: () => (isHeld = true) });
      if (isHeld) return;
    }
    this.#exit();
  }

  get typed(): App {
    return this as unknown as App;
  }
}

/** `powerMonitor`. */
export class FakePowerMonitor extends EventEmitter {
  get typed(): PowerMonitor {
    return this as unknown as PowerMonitor;
  }
}

/** `safeStorage` with a named keyring, which only decrypts its own texts. */
export class FakeSafeStorage {
  readonly keyring: string;
  backend: ReturnType<SafeStorage["getSelectedStorageBackend"]> = "gnome_libsecret";
  shouldReEncrypt = false;
  isAvailable = true;

  constructor(keyring: string) {
    this.keyring = keyring;
  }

  readonly isAsyncEncryptionAvailable = async (): Promise<boolean> => this.isAvailable;
  readonly getSelectedStorageBackend = () => this.backend;
  readonly encryptStringAsync = async (text: string): Promise<Buffer> =>
    Buffer.from(`${this.keyring}:${Buffer.from(text).toString("hex")}`);
  readonly decryptStringAsync = async (encrypted: Buffer) => {
    const [keyring, text = ""] = encrypted.toString().split(":");
    if (keyring !== this.keyring)
      throw new Error("Error while decrypting the ciphertext provided to decryptStringAsync.");
    return { result: Buffer.from(text, "hex").toString(), shouldReEncrypt: this.shouldReEncrypt };
  };
}
