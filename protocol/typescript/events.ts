// Delivers durable notifications exactly once and in order, across restarts, lag and reloads.
//
// Each durable notification has a `seq`, which rises within an `epoch`.  A client that knows the last `seq` it has seen
// can fetch the notifications after it and recognises duplicates.
import type { EventPage, EventWindow, Notifications } from "./contract.ts";

/** The position of the last durable notification that was delivered. */
export interface EventPosition {
  epoch: string;
  seq: number;
}

export type Fetch = (afterSeq: number) => Promise<EventPage>;
export type Deliver = (name: string, params: unknown) => void;

/** The notification after which snapshots must be loaded again, because some notifications are lost. */
export const RESYNC = "events.resync";

/** Returns the names including RESYNC, which no listener may miss. */
export function withResync(names: readonly string[]): readonly string[] {
  return names.includes(RESYNC) ? names : [...names, RESYNC];
}

/** Returns the `seq` of a durable notification, or null for an ephemeral one. */
export function seqOf(params: unknown): number | null {
  const seq = (params as { seq?: unknown } | null | undefined)?.seq;
  return typeof seq === "number" ? seq : null;
}

/**
 * Fetches and delivers the notifications after `from`, page by page, until `latest()`, which may rise meanwhile.
 *
 * Returns the last `seq`, or null if notifications are missing from the log.  RESYNC was then delivered instead.
 */
export async function replay(
  from: EventPosition,
  latest: () => number,
  fetch: Fetch,
  deliver: Deliver,
): Promise<number | null> {
  let { seq } = from;
  while (seq < latest()) {
    const page = await fetch(seq);
    if (page.truncated || page.epoch !== from.epoch) {
      deliver(RESYNC, { reason: "Some events are no longer in the log." } satisfies Notifications[typeof RESYNC]);
      return null;
    }
    for (const { method, params } of page.events) {
      seq = seqOf(params) ?? seq;
      deliver(method, params);
    }
    if (page.events.length === 0) seq = Math.max(seq, latest());
  }
  return seq;
}

/** The notifications of a sidecar over several processes: gaps are filled by a replay, duplicates are dropped. */
export class EventStream {
  readonly #fetch: Fetch;
  readonly #deliver: Deliver;
  readonly #onFault: (fault: unknown) => void;
  #position: EventPosition | null = null;
  /** The highest `seq` that is known to exist. */
  #latest = 0;
  #isCatchingUp = false;
  /** Notifications that arrived before the handshake was processed; null once it was. */
  #early: Array<[name: string, params: unknown]> | null = [];

  constructor(fetch: Fetch, deliver: Deliver, onFault: (fault: unknown) => void) {
    this.#fetch = fetch;
    this.#deliver = deliver;
    this.#onFault = onFault;
  }

  /** The position to resume from; null before the first handshake. */
  get position(): EventPosition | null {
    return this.#position;
  }

  /** Prepares for the handshake with another process. */
  detach(): void {
    this.#early = [];
  }

  /** Processes a handshake's result.  The sidecar then sends the missed notifications, or RESYNC. */
  attach({ epoch, latest_seq: latest, resume }: EventWindow): void {
    if (this.#position === null || resume === "resync") this.#position = { epoch, seq: latest };
    this.#latest = this.#position.seq;
    const early = this.#early ?? [];
    this.#early = null;
    for (const [name, params] of early) this.receive(name, params);
  }

  /** Processes a notification from the sidecar. */
  receive(name: string, params: unknown): void {
    if (this.#early !== null) {
      this.#early.push([name, params]); // those in the same chunk as the handshake's response: a handful
      return;
    }
    if (name === "events.lag") {
      this.#latest = Math.max(this.#latest, (params as Notifications["events.lag"]).to_seq);
      void this.#catchUp();
      return;
    }
    const seq = seqOf(params);
    if (seq !== null && this.#isCatchingUp) this.#latest = Math.max(this.#latest, seq);
    else this.#deliverOnce(name, params);
  }

  #deliverOnce(name: string, params: unknown): void {
    const seq = seqOf(params);
    if (seq !== null) {
      if (this.#position === null || seq <= this.#position.seq) return;
      this.#position = { epoch: this.#position.epoch, seq };
      this.#latest = Math.max(this.#latest, seq);
    }
    this.#deliver(name, params);
  }

  async #catchUp(): Promise<void> {
    const from = this.#position;
    if (this.#isCatchingUp || from === null) return;
    this.#isCatchingUp = true;
    try {
      const deliver: Deliver = (name, params) => this.#deliverOnce(name, params);
      const reached = await replay(from, () => this.#latest, this.#fetch, deliver);
      this.#position = { epoch: from.epoch, seq: reached ?? this.#latest };
    } catch (error) {
      this.#onFault(error);
      this.#position = { epoch: from.epoch, seq: this.#latest };
      this.#deliver(RESYNC, { reason: "The missed events could not be fetched." });
    } finally {
      this.#isCatchingUp = false;
    }
  }
}
