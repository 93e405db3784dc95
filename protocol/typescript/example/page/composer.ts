// The text field for prompts.  Enter sends, Shift+Enter inserts a new line.
import { fill, h, setAttribute } from "./dom.ts";

export interface Composer {
  element: HTMLElement;
  /** Shows the Stop button during a turn, and that new prompts are queued. */
  setWorking(isWorking: boolean): void;
  focus(): void;
}

export function composer(send: (prompt: string) => Promise<boolean>, stop: () => Promise<unknown>): Composer {
  const text = h("textarea", {
    rows: 1,
    placeholder: "Ask Claude…",
    "aria-label": "Message to Claude",
    "aria-keyshortcuts": "Enter",
  });
  const sendButton = h("button", { type: "submit", class: "primary" }, "Send");
  const stopButton = h(
    "button",
    { type: "button", class: "plain", hidden: true, on: { click: () => void stop() } },
    "Stop",
  );
  const hint = h("span", { class: "composer-hint" });
  const element = h(
    "form",
    { class: "composer" },
    text,
    h("div", { class: "composer-foot" }, hint, stopButton, sendButton),
  );
  const submit = async (): Promise<void> => {
    const prompt = text.value.trim();
    if (prompt === "" || text.readOnly) return;
    text.readOnly = true; // until the prompt is stored, so that it is never lost
    const isSent = await send(prompt);
    text.readOnly = false;
    if (isSent) text.value = "";
    text.focus();
  };
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void submit();
  });
  return {
    element,
    setWorking(isWorking) {
      stopButton.hidden = !isWorking;
      setAttribute(sendButton, "data-queues", isWorking);
      fill(
        hint,
        isWorking ? "Your next message is queued until this turn ends." : "Enter to send, Shift+Enter for a new line",
      );
    },
    focus: () => text.focus(),
  };
}
