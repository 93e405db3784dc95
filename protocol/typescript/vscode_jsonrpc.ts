// A message reader and a message writer for vscode-jsonrpc, with one JSON message per line.
//
// The reader and writer of vscode-jsonrpc use Content-Length headers, as LSP does.  The package is not imported:
// `createMessageConnection` accepts any objects with the right methods.
import { LineSplitter } from "./framing.ts";

interface Disposable {
  dispose(): void;
}

type Listener<T> = (value: T) => unknown;
type Event<T> = (listener: Listener<T>, thisArgs?: unknown, disposables?: Disposable[]) => Disposable;

interface Message {
  jsonrpc: string;
}

interface Readable {
  on(event: "data", listener: (chunk: Uint8Array) => void): unknown;
  on(event: "end" | "close", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

interface Writable {
  write(line: string, done: (error?: Error | null) => void): unknown;
  end(): unknown;
  on(event: "close", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** A MessageReader over the sidecar's stdout. */
export class LineMessageReader {
  readonly #input: Readable;
  readonly #errors = new Emitter<Error>();
  readonly #closes = new Emitter<void>();
  readonly #partials = new Emitter<never>();
  #isDisposed = false;

  constructor(input: Readable) {
    this.#input = input;
    input.on("error", (error) => this.#errors.fire(error));
    // Not "close": at the end of the stream, all output was read.
    input.on("end", () => this.#closes.fire());
  }

  readonly onError: Event<Error> = (...args) => this.#errors.listen(...args);
  readonly onClose: Event<void> = (...args) => this.#closes.listen(...args);
  readonly onPartialMessage: Event<never> = (...args) => this.#partials.listen(...args);

  listen(callback: (message: never) => void): Disposable {
    const lines = new LineSplitter(
      (line) => this.#read(line, callback),
      (bytes) => this.#errors.fire(new Error(`a line of ${bytes} bytes was dropped`)),
    );
    this.#input.on("data", (chunk) => lines.push(chunk));
    return { dispose: () => this.dispose() };
  }

  dispose(): void {
    this.#isDisposed = true;
  }

  #read(line: string, callback: (message: never) => void): void {
    if (this.#isDisposed || line.trim() === "") return;
    let message: { id?: unknown; error?: { data?: { recovered_id?: unknown } } };
    try {
      message = JSON.parse(line);
    } catch {
      this.#errors.fire(new Error(`a line of ${line.length} characters is not JSON`));
      return;
    }
    // The response to a line that could not be parsed: without its id the request would never settle.
    const id = message.id === null ? message.error?.data?.recovered_id : undefined;
    callback((id === undefined ? message : { ...message, id }) as never);
  }
}

/** A MessageWriter into the sidecar's stdin. */
export class LineMessageWriter {
  readonly #output: Writable;
  readonly #errors = new Emitter<[Error, Message | undefined, number | undefined]>();
  readonly #closes = new Emitter<void>();
  #failures = 0;

  constructor(output: Writable) {
    this.#output = output;
    output.on("error", (error) => this.#failed(error, undefined));
    output.on("close", () => this.#closes.fire());
  }

  readonly onError: Event<[Error, Message | undefined, number | undefined]> = (...args) => this.#errors.listen(...args);
  readonly onClose: Event<void> = (...args) => this.#closes.listen(...args);

  write(message: Message): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#output.write(`${JSON.stringify(message)}\n`, (error) => {
        if (error == null) return resolve();
        this.#failed(error, message);
        reject(error);
      });
    });
  }

  end(): void {
    this.#output.end();
  }

  dispose(): void {
    this.#errors.clear();
    this.#closes.clear();
  }

  #failed(error: Error, message: Message | undefined): void {
    this.#errors.fire([error, message, (this.#failures += 1)]);
  }
}

class Emitter<T> {
  readonly #listeners = new Set<Listener<T>>();

  listen(listener: Listener<T>, thisArgs?: unknown, disposables?: Disposable[]): Disposable {
    const own: Listener<T> = (value) => listener.call(thisArgs, value);
    this.#listeners.add(own);
    const disposable = { dispose: () => void this.#listeners.delete(own) };
    disposables?.push(disposable);
    return disposable;
  }

  fire(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }

  clear(): void {
    this.#listeners.clear();
  }
}
