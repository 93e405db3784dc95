// The text that Claude is writing: deltas are appended until finished items contain the text.
import type { ClaudeDelta, ClaudeMessage } from "sidecar-electron/renderer";

/** The draft of one API message; offsets and lengths are in UTF-16 code units. */
interface Draft {
  /** The offset of `text` in the message. */
  from: number;
  text: string;
  /** The length of the finished items of the message. */
  finished: number;
}

export interface DraftText {
  id: string;
  text: string;
  /** Whether the beginning is missing because the page was loaded during the message. */
  isCut: boolean;
}

export class Drafts {
  readonly #drafts = new Map<string, Draft>();
  /** The ids of finished items, each of which may arrive in a notification and in a snapshot. */
  readonly #items = new Set<string>();

  add({ message_id: id, offset, text }: ClaudeDelta): void {
    const draft = this.#drafts.get(id);
    if (draft === undefined) this.#drafts.set(id, { from: offset, text, finished: 0 });
    else if (offset === draft.from + draft.text.length) draft.text += text;
    else if (offset > draft.from + draft.text.length) this.#drafts.set(id, { ...draft, from: offset, text }); // a delta was lost
  }

  /** Removes the text of a finished item from its draft. */
  finish({ message_id: itemId, api_message_id: id, kind, text }: ClaudeMessage): void {
    if (id === null || kind !== "assistant_text" || this.#items.has(itemId)) return;
    this.#items.add(itemId);
    const draft = this.#drafts.get(id) ?? { from: 0, text: "", finished: 0 };
    this.#drafts.set(id, { ...draft, finished: draft.finished + text.length });
  }

  clear(): void {
    this.#drafts.clear();
  }

  /** Returns the texts that are not finished. */
  texts(): DraftText[] {
    const open: DraftText[] = [];
    for (const [id, { from, text, finished }] of this.#drafts) {
      const rest = text.slice(Math.max(0, finished - from));
      if (rest !== "") open.push({ id, text: rest, isCut: from > finished });
    }
    return open;
  }
}
