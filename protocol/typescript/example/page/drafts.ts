// What Claude is writing just now: pieces that are appended, until the finished item has them whole.
import type { ClaudeDelta, ClaudeMessage } from "sidecar-electron/renderer";

/** Of one message of the API; offsets and lengths are JavaScript's. */
interface Draft {
  /** Where `text` begins in the message. */
  from: number;
  text: string;
  /** How much of the message has come as finished items. */
  finished: number;
}

export interface DraftText {
  id: string;
  text: string;
  /** Whether its beginning was not heard: the page was loaded in mid-message. */
  isCut: boolean;
}

export class Drafts {
  readonly #drafts = new Map<string, Draft>();
  /** Items that were counted: one may be heard and be in a snapshot as well. */
  readonly #items = new Set<string>();

  add({ message_id: id, offset, text }: ClaudeDelta): void {
    const draft = this.#drafts.get(id);
    if (draft === undefined) this.#drafts.set(id, { from: offset, text, finished: 0 });
    else if (offset === draft.from + draft.text.length) draft.text += text;
    else if (offset > draft.from + draft.text.length) this.#drafts.set(id, { ...draft, from: offset, text }); // something was lost
  }

  /** A finished item takes its part of the draft away. */
  finish({ message_id: item, api_message_id: id, kind, text }: ClaudeMessage): void {
    if (id === null || kind !== "assistant_text" || this.#items.has(item)) return;
    this.#items.add(item);
    const draft = this.#drafts.get(id) ?? { from: 0, text: "", finished: 0 };
    this.#drafts.set(id, { ...draft, finished: draft.finished + text.length });
  }

  clear(): void {
    this.#drafts.clear();
  }

  /** What is written and not yet finished. */
  texts(): DraftText[] {
    const open: DraftText[] = [];
    for (const [id, { from, text, finished }] of this.#drafts) {
      const rest = text.slice(Math.max(0, finished - from));
      if (rest !== "") open.push({ id, text: rest, isCut: from > finished });
    }
    return open;
  }
}
