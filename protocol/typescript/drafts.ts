// The text that Claude is writing, which is not part of a stored message yet.
import type { ClaudeDelta, ClaudeMessage, ClaudeThinkingDelta } from "./contract.ts";

/** Text or thoughts of one API message that no stored message contains yet. */
export interface Draft {
  /** The `api_message_id` of the messages that will contain it. */
  message_id: string;
  kind: DraftKind;
  /** Where text was lost, it has an ellipsis. */
  text: string;
  /** Whether the beginning is missing, because the page was loaded during the message or text was lost. */
  isCut: boolean;
}

export type DraftKind = "text" | "thinking";

/** Pieces of one API message, in order; between two of them text was lost. */
interface Pieces {
  message_id: string;
  kind: DraftKind;
  pieces: Array<{ offset: number; text: string }>;
}

/** How much of an API message the stored messages contain, in UTF-16 code units, by the key of the draft. */
export type Stored = ReadonlyMap<string, number>;

const KINDS: { readonly [Kind in ClaudeMessage["kind"]]?: DraftKind } = {
  assistant_text: "text",
  thinking: "thinking",
};

const keyOf = (kind: DraftKind, id: string): string => `${kind} ${id}`;

export function storedOf(messages: readonly ClaudeMessage[]): Stored {
  const stored = new Map<string, number>();
  for (const { kind, api_message_id: id, text } of messages) {
    const draftKind = KINDS[kind];
    if (id === null || draftKind === undefined) continue;
    const key = keyOf(draftKind, id);
    stored.set(key, (stored.get(key) ?? 0) + text.length);
  }
  return stored;
}

/** Joins deltas; their offsets tell whether one was lost or came twice. */
export class Drafts {
  readonly #drafts = new Map<string, Pieces>();

  add(kind: DraftKind, { message_id, offset, text }: ClaudeDelta | ClaudeThinkingDelta): void {
    // Claude writes one message at a time: after a broken stream, the CLI requests the text again as another message.
    for (const [key, other] of this.#drafts) if (other.message_id !== message_id) this.#drafts.delete(key);
    const key = keyOf(kind, message_id);
    const draft = this.#drafts.get(key) ?? { message_id, kind, pieces: [] };
    this.#drafts.set(key, draft);
    const last = draft.pieces.at(-1);
    const end = last === undefined ? 0 : last.offset + last.text.length;
    if (last === undefined || offset > end) draft.pieces.push({ offset, text });
    else if (offset + text.length > end) last.text += text.slice(end - offset);
  }

  clear(): void {
    this.#drafts.clear();
  }

  /** Returns what the stored messages do not contain. */
  unstored(stored: Stored): Draft[] {
    const unstored: Draft[] = [];
    for (const [key, { message_id, kind, pieces }] of this.#drafts) {
      const from = stored.get(key) ?? 0;
      const rest = pieces
        .map(({ offset, text }) => ({ offset: Math.max(offset, from), text: text.slice(Math.max(0, from - offset)) }))
        .filter(({ text }) => text !== "");
      const [first] = rest;
      if (first === undefined) continue;
      const text = rest.map((piece) => piece.text).join(" … ");
      unstored.push({ message_id, kind, text, isCut: first.offset > from });
    }
    return unstored;
  }
}
