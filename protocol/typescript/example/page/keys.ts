// The keyboard: one list of shortcuts, for what they do and for the dialog that `?` opens.
import { button, h } from "./dom.ts";

export interface Shortcut {
  /** Shown, for example `Ctrl+K`; on a Mac with ⌘ in place of Ctrl. */
  keys: string;
  does: string;
  /** Whether the event is this shortcut; without it, another module handles it. */
  matches?: (event: KeyboardEvent) => boolean;
  run?: () => void;
}

const isMac = navigator.userAgent.includes("Mac");

/** A shortcut with Ctrl or Cmd. */
export function withControl(key: string, does: string, run: () => void): Shortcut {
  const matches = (event: KeyboardEvent): boolean =>
    (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === key;
  return { keys: `${isMac ? "⌘" : "Ctrl+"}${key.toUpperCase()}`, does, matches, run };
}

/** A shortcut of one character, which is ignored while a text is being written. */
export function character(key: string, does: string, run: () => void): Shortcut {
  const matches = (event: KeyboardEvent): boolean =>
    event.key === key && !event.ctrlKey && !event.metaKey && !event.altKey && !isWriting(event.target);
  return { keys: key, does, matches, run };
}

const isWriting = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input:not([type=radio], [type=checkbox]), textarea, select");

/** Listens to the shortcuts, and returns the dialog that lists them. */
export function keyboard(shortcuts: readonly Shortcut[]): HTMLDialogElement {
  const close = button("Close", () => dialog.close(), { class: "quiet-button" });
  const rows = (): Node[] =>
    all.flatMap(({ keys, does }) => [
      h("dt", {}, ...keys.split(" ").map((key) => h("kbd", {}, key))),
      h("dd", {}, does),
    ]);
  const open = (): void => {
    if (!dialog.open) dialog.showModal();
  };
  const all = [...shortcuts, character("?", "Show this list", open)];
  const title = h("h2", { id: "keys-title" }, "Keys");
  const list = h("dl", { class: "key-list" }, ...rows());
  const dialog = h("dialog", { class: "keys", "aria-labelledby": "keys-title" }, h("header", {}, title, close), list);
  document.addEventListener("keydown", (event) => {
    const found = all.find(({ matches }) => matches?.(event));
    if (found === undefined || event.defaultPrevented) return;
    event.preventDefault();
    found.run?.();
  });
  return dialog;
}
