// The last lines that the sidecar wrote to stderr, for a bug report and for the reason of an end.
import { LineSplitter } from "./framing.ts";

/** What a person reads in a report. */
const LINES = 300;
/** A line of the log is a few hundred; a stray dump is cut. */
const LINE_CHARS = 4_000;
/** A longer line is no log. */
const LINE_BYTES = 1024 * 1024;

/** Keeps the end of a log. */
export class LogTail {
  readonly #lines: string[] = [];
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

  /** The last sentence that was meant for a person: the process says so before it refuses to start. */
  complaint(): string | null {
    return (
      [...this.#lines]
        .reverse()
        .find((line) => line.startsWith("sidecar: "))
        ?.slice("sidecar: ".length) ?? null
    );
  }

  #keep(line: string): void {
    this.#lines.push(line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS)}…` : line);
    if (this.#lines.length > LINES) this.#lines.shift();
    this.#onLine(line);
  }
}
