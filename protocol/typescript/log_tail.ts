// Keeps the last lines that the sidecar wrote to stderr, for bug reports and for the reason of an exit.
import { LineSplitter } from "./framing.ts";

const MAX_LINES = 300;
/** Longer lines are truncated; a line of the log has a few hundred characters. */
const MAX_LINE_CHARS = 4_000;
/** Of longer lines only the length is kept. */
const MAX_LINE_BYTES = 1024 * 1024;
/** The prefix of messages for the user; the log's lines are JSON. */
const MESSAGE_PREFIX = "sidecar: ";

/** The last lines of a log. */
export class LogTail {
  readonly #lines: string[] = [];
  #message: string | null = null;
  /** The last line that is neither: what Python prints if it cannot start. */
  #lastText: string | null = null;
  readonly #splitter: LineSplitter;
  readonly #onLine: (line: string) => void;

  constructor(onLine: (line: string) => void = () => undefined) {
    this.#onLine = onLine;
    this.#splitter = new LineSplitter(
      (line) => this.#add(line),
      (bytes) => this.#add(`(${bytes} bytes)`),
      MAX_LINE_BYTES,
    );
  }

  push(chunk: Uint8Array): void {
    this.#splitter.push(chunk);
  }

  /** Returns the last lines, oldest first. */
  lines(): string[] {
    return [...this.#lines];
  }

  /** Forgets the message of the previous process. */
  resetMessage(): void {
    this.#message = this.#lastText = null;
  }

  /** The last message for the user, or else the last line of other text; null if the process wrote neither. */
  get message(): string | null {
    return this.#message ?? this.#lastText;
  }

  #add(line: string): void {
    const text = line.length > MAX_LINE_CHARS ? `${line.slice(0, MAX_LINE_CHARS)}…` : line;
    if (line.startsWith(MESSAGE_PREFIX)) this.#message = text.slice(MESSAGE_PREFIX.length);
    else if (line.trim() !== "" && !line.startsWith("{")) this.#lastText = text;
    this.#lines.push(text);
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
    this.#onLine(line);
  }
}
