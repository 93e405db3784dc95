// Splits a stream of bytes into lines, at the byte 0x0A only.
//
// The chunks of an incomplete line are joined once, when the line ends: joining them at every chunk would take seconds
// for a line of 20 MB.

/** Longer lines are dropped.  The sidecar never sends one: its results are at most 8 MiB long. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

const LF = 0x0a;
// An invalid byte becomes U+FFFD, so that it costs one message and not the connection.  A byte order mark is dropped.
const utf8 = new TextDecoder("utf-8", { fatal: false });

/** Splits a stream of bytes into lines. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #onDrop: (bytes: number) => void;
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #size = 0;

  /** `onLine` receives each line without its line feed, `onDrop` the length of each line that was too long. */
  constructor(onLine: (line: string) => void, onDrop: (bytes: number) => void, limit = MAX_LINE_BYTES) {
    this.#onLine = onLine;
    this.#onDrop = onDrop;
    this.#limit = limit;
  }

  /** Processes the next bytes.  They are not copied: do not modify the chunk afterwards. */
  push(chunk: Uint8Array): void {
    let from = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
      this.#append(chunk.subarray(from, end));
      this.#finish();
      from = end + 1;
    }
    if (from < chunk.length) this.#append(chunk.subarray(from));
  }

  /** The length in bytes of the last, incomplete line. */
  get unfinished(): number {
    return this.#size;
  }

  #append(part: Uint8Array): void {
    this.#size += part.length;
    if (this.#size > this.#limit) this.#chunks = [];
    else this.#chunks.push(part);
  }

  #finish(): void {
    const [chunks, size] = [this.#chunks, this.#size];
    this.#chunks = [];
    this.#size = 0;
    if (size > this.#limit) this.#onDrop(size);
    else this.#onLine(utf8.decode(join(chunks, size)));
  }
}

function join(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) return first;
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
