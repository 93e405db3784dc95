// The last lines that the sidecar wrote to stderr, for a bug report and for the reason of an end.
import { LineSplitter } from "./framing.ts";

/** What a person reads in a report. */
const LINES = 300;
/** A line of the log is a few hundred; a stray dump is cut. */
const LINE_CHARS = 4_000;
/** A longer line is no log. */
const LINE_BYTES = 1024 * 1024;
/** All else that it writes is JSON. */
const COMPLAINT = "sidecar: ";

/** Keeps the end of a log. */
export class LogTail {
  readonly #lines: string[] = [];
  #complaint: string | null = null;
  readonly #splitter: LineSplitter;
  readonly #onLine: (line: string) => void;

  constructor(onLine: (line: string) => void = () => undefined) {
    this.#onLine = onLine;
    this.#splitter = new LineSplitter(
      (line) => this.#keep(line),
      (bytes) => this.#keep(`(${bytes} bytes)`),
      LINE_BYTES,
    );
  }

  push(chunk: Uint8Array): void {
    this.#splitter.push(chunk);
  }

  /** The last lines, oldest first. */
  lines(): string[] {
    return [...this.#lines];
  }

  /** Another process begins to write. */
  begin(): void {
    this.#complaint = null;
  }

  /** What the process has said to a person, as it does before it refuses to start. */
  get complaint(): string | null {
    return this.#complaint;
  }

  #keep(line: string): void {
    if (line.startsWith(COMPLAINT)) this.#complaint = line.slice(COMPLAINT.length);
    this.#lines.push(line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS)}…` : line);
    if (this.#lines.length > LINES) this.#lines.shift();
    this.#onLine(line);
  }
}
