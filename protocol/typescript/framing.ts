// Bytes in, lines out: one message a line, split on the byte 0x0A only.
//
// What has arrived of a line is kept as a list of chunks and joined once, at its end: joining at every chunk would make
// a line of 20 MB cost seconds.

/** Longer lines are dropped: the sidecar sends at most 8 MiB a result, and nothing that it sends is this long. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

const LF = 0x0a;
// U+FFFD for a bad byte, so that it costs one message and not the connection.  It also drops a byte order mark.
const utf8 = new TextDecoder("utf-8", { fatal: false });

/** Cuts a stream of bytes into lines. */
export class LineSplitter {
  readonly #take: (line: string) => void;
  readonly #drop: (bytes: number) => void;
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #size = 0;

  /** `take` is given each line without its end, `drop` the length of a line that was over the limit. */
  constructor(take: (line: string) => void, drop: (bytes: number) => void, limit = MAX_LINE_BYTES) {
    this.#take = take;
    this.#drop = drop;
    this.#limit = limit;
  }

  /** The next bytes.  They are kept, not copied: do not write into the chunk afterwards. */
  push(chunk: Uint8Array): void {
    let from = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
      this.#keep(chunk.subarray(from, end));
      this.#finish();
      from = end + 1;
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
  }

  /** How much there is of a line that has not ended. */
  get unfinished(): number {
    return this.#size;
  }

  #keep(part: Uint8Array): void {
    this.#size += part.length;
    if (this.#size > this.#limit) this.#chunks = [];
    else this.#chunks.push(part);
  }

  #finish(): void {
    const [chunks, size] = [this.#chunks, this.#size];
    this.#chunks = [];
    this.#size = 0;
    if (size > this.#limit) this.#drop(size);
    else this.#take(utf8.decode(joined(chunks, size)));
  }
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) return first;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
