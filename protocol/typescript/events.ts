// Durable notifications, each exactly once and in order, over restarts, lag and reloads.
//
// They carry a `seq` that rises within an `epoch`.  Whoever knows the last one it has seen can ask for what came after
// it, and one that arrives twice is known by its number.
import type { EventPage, EventWindow, Notifications } from "./contract.ts";

/** The last durable notification that was seen. */
export interface EventPosition {
  epoch: string;
  seq: number;
}

export type Fetch = (afterSeq: number) => Promise<EventPage>;
export type Deliver = (name: string, params: unknown) => void;

/** Says that events are missing for good: snapshots are to be fetched again. */
export const RESYNC = "events.resync";

/** A list of notifications that is complete: whoever hears any must hear that some were lost. */
export function withResync(names: readonly string[]): readonly string[] {
  return names.includes(RESYNC) ? names : [...names, RESYNC];
}

/** The number of a durable notification; null for any other. */
export function seqOf(params: unknown): number | null {
  const seq = (params as { seq?: unknown } | null | undefined)?.seq;
  return typeof seq === "number" ? seq : null;
}

/**
 * Delivers what came after `from`, page by page, until `until()` is reached: it may move on meanwhile.
 *
 * The number of the last one, or null where some are gone; then RESYNC was delivered instead.
 */
export async function replay(
  from: EventPosition,
  until: () => number,
  fetch: Fetch,
  deliver: Deliver,
): Promise<number | null> {
  let { seq } = from;
  while (seq < until()) {
    const page = await fetch(seq);
    if (page.truncated || page.epoch !== from.epoch) {
      deliver(RESYNC, { reason: "Some events are no longer in the log." } satisfies Notifications[typeof RESYNC]);
      return null;
    }
    for (const { method, params } of page.events) {
      seq = seqOf(params) ?? seq;
      deliver(method, params);
    }
    if (page.events.length === 0) seq = Math.max(seq, until());
  }
  return seq;
}

/** What comes over the wire, made whole: lag is made good by replaying, and nothing is delivered twice. */
export class Feed {
  readonly #fetch: Fetch;
  readonly #deliver: Deliver;
  readonly #onFault: (fault: unknown) => void;
  #position: EventPosition | null = null;
  /** The highest number known to exist. */
  #latest = 0;
  #catchingUp = false;
  /** What came between a handshake's answer and `attach`; null once attached. */
  #early: Array<[name: string, params: unknown]> | null = [];

  constructor(fetch: Fetch, deliver: Deliver, onFault: (fault: unknown) => void) {
    this.#fetch = fetch;
    this.#deliver = deliver;
    this.#onFault = onFault;
  }

  /** Where to resume from; null before the first handshake. */
  get position(): EventPosition | null {
    return this.#position;
  }

  /** Another process is about to be greeted. */
  detach(): void {
    this.#early = [];
  }

  /** A handshake was answered: what was missed follows by itself, or RESYNC does. */
  attach({ epoch, latest_seq: latest, resume }: EventWindow): void {
    if (this.#position === null || resume === "resync") this.#position = { epoch, seq: latest };
    this.#latest = this.#position.seq;
    const early = this.#early ?? [];
    this.#early = null;
    for (const [name, params] of early) this.take(name, params);
  }

  /** The next notification, as it came. */
  take(name: string, params: unknown): void {
    if (this.#early !== null) {
      this.#early.push([name, params]); // what shares a chunk with the answer: a handful
      return;
    }
    if (name === "events.lag") {
      this.#latest = Math.max(this.#latest, (params as Notifications["events.lag"]).to_seq);
      void this.#catchUp();
      return;
    }
    const seq = seqOf(params);
    if (seq === null) this.#deliver(name, params);
    else if (this.#catchingUp) this.#latest = Math.max(this.#latest, seq);
    else this.#durable(seq, name, params);
  }

  #durable(seq: number, name: string, params: unknown): void {
    if (this.#position === null || seq <= this.#position.seq) return;
    this.#position = { epoch: this.#position.epoch, seq };
    this.#latest = Math.max(this.#latest, seq);
    this.#deliver(name, params);
  }

  async #catchUp(): Promise<void> {
    const from = this.#position;
    if (this.#catchingUp || from === null) return;
    this.#catchingUp = true;
    try {
      const moving = (name: string, params: unknown): void => {
        const seq = seqOf(params);
        if (seq === null) this.#deliver(name, params);
        else this.#durable(seq, name, params);
      };
      const reached = await replay(from, () => this.#latest, this.#fetch, moving);
      this.#position = { epoch: from.epoch, seq: reached ?? this.#latest };
    } catch (error) {
      this.#onFault(error);
      this.#position = { epoch: from.epoch, seq: this.#latest };
      this.#deliver(RESYNC, { reason: "What was missed could not be fetched." });
    } finally {
      this.#catchingUp = false;
    }
  }
}
