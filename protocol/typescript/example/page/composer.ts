// The text field for prompts.  Enter sends, Shift+Enter inserts a new line; images and files can be attached.
import type { SendParams } from "sidecar-electron/renderer";
import { Attachments } from "./attachments.ts";
import { fill, h, setAttribute } from "./dom.ts";

export interface Composer {
  element: HTMLElement;
  /** Shows the Stop button during a turn, and that new prompts are queued or can be sent into the turn. */
  setWorking(isWorking: boolean): void;
  focus(): void;
}

/** `send` resolves to null, or to the error if the prompt was not accepted; then it stays. */
export function composer(send: (prompt: SendParams) => Promise<unknown>, stop: () => Promise<unknown>): Composer {
  const text = h("textarea", {
    rows: 1,
    placeholder: "Ask Claude…",
    "aria-label": "Message to Claude",
    "aria-keyshortcuts": "Enter",
    dir: "auto",
  });
  const attachments = new Attachments();
  const sendButton = h("button", { type: "submit", class: "primary" }, "Send");
  const control = (label: string, act: () => unknown, more: object = {}): HTMLButtonElement =>
    h("button", { type: "button", class: "plain", hidden: true, on: { click: () => void act() }, ...more }, label);
  const nowButton = control("Send now", () => submit("now"), { "aria-keyshortcuts": "Control+Enter Meta+Enter" });
  const stopButton = control("Stop", stop);
  const hint = h("span", { class: "composer-hint" });
  const element = h(
    "form",
    { class: "composer" },
    attachments.list,
    text,
    h("div", { class: "composer-foot" }, attachments.button, hint, stopButton, nowButton, sendButton),
  );
  attachments.receive(text, element);
  const submit = async (when: "next" | "now" = "next"): Promise<void> => {
    const prompt = text.value.trim();
    if ((prompt === "" && attachments.isEmpty) || text.readOnly) return;
    text.readOnly = true; // until the prompt is stored, so that it is never lost
    const words = prompt === "" ? [] : [{ type: "text", text: prompt } as const];
    const content = attachments.isEmpty ? { prompt } : { content: [...words, ...(await attachments.parts())] };
    const error = await send({ ...content, when });
    text.readOnly = false;
    if (error === null) {
      text.value = "";
      attachments.clear();
    } else attachments.refused(error, words.length);
    text.focus();
  };
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void submit((event.ctrlKey || event.metaKey) && !nowButton.hidden ? "now" : "next");
  });
  return {
    element,
    setWorking(isWorking) {
      stopButton.hidden = !isWorking;
      nowButton.hidden = !isWorking;
      setAttribute(sendButton, "data-queues", isWorking);
      fill(
        hint,
        isWorking ? "Send waits for this turn, Send now does not." : "Enter to send, Shift+Enter for a new line",
      );
    },
    focus: () => text.focus(),
  };
}
