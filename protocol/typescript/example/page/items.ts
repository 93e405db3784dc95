// How each item of a conversation looks.
import type { ClaudeMessage } from "sidecar-electron/renderer";
import { fill, h, setAttribute } from "./dom.ts";
import { markdown } from "./markdown.ts";
import { notice } from "./notice.ts";

/** An item, and what its tool said where it is a tool's use. */
export interface Shown {
  message: ClaudeMessage;
  result: ClaudeMessage | null;
}

interface Block {
  id?: unknown;
  input?: unknown;
  tool_use_id?: unknown;
  is_error?: unknown;
}

/** Of the line that the CLI sent: its block that matters here. */
export function blockOf({ raw }: ClaudeMessage): Block {
  const content = (raw as { message?: { content?: unknown } } | null)?.message?.content;
  return (Array.isArray(content) ? content[0] : undefined) ?? {};
}

/** Uses of tools get their results; what is bookkeeping of the CLI is left out. */
export function shownOf(messages: readonly ClaudeMessage[]): Shown[] {
  const results = new Map<unknown, ClaudeMessage>();
  for (const message of messages) {
    if (message.kind === "tool_result") results.set(blockOf(message).tool_use_id, message);
  }
  return messages
    .filter(({ kind, text }) => kind !== "tool_result" && kind !== "raw" && (text !== "" || kind === "tool_use"))
    .map((message) => ({
      message,
      result: message.kind === "tool_use" ? (results.get(blockOf(message).id) ?? null) : null,
    }));
}

/** `cwd` is where Claude works: paths in it are told from there. */
export function itemRow(shown: Shown, cwd: string | null): { element: HTMLElement; update: (item: Shown) => void } {
  const { message } = shown;
  if (message.kind === "tool_use") return toolRow(shown, cwd);
  return { element: wordsRow(message), update: () => undefined };
}

function wordsRow({ kind, text }: ClaudeMessage): HTMLElement {
  switch (kind) {
    case "user":
      return h("li", { class: "item said", "aria-label": "You" }, h("div", { class: "prose plain-text" }, text));
    case "thinking":
      return h(
        "li",
        { class: "item thought" },
        h("details", {}, h("summary", {}, "Thought"), h("div", { class: "prose plain-text" }, text)),
      );
    case "error":
      return h("li", { class: "item" }, notice({ message: text, hint: null }));
    default:
      return h("li", { class: "item answer", "aria-label": "Claude" }, h("div", { class: "prose" }, markdown(text)));
  }
}

function toolRow(shown: Shown, cwd: string | null): { element: HTMLElement; update: (item: Shown) => void } {
  const { message } = shown;
  const state = h("span", { class: "tool-state" });
  const said = h("div", { class: "tool-said" });
  const input = blockOf(message).input;
  const summary = h(
    "summary",
    {},
    h("span", { class: "tool-name" }, message.text),
    h("code", { class: "tool-brief" }, briefly(input, cwd)),
    state,
  );
  const details = h("details", { class: "tool" }, summary, h("pre", {}, JSON.stringify(input, null, 2) ?? ""), said);
  const element = h("li", { class: "item" }, details);
  const update = ({ result }: Shown): void => {
    const status = result === null ? "running" : blockOf(result).is_error === true ? "failed" : "done";
    setAttribute(details, "data-status", status);
    fill(state, status === "done" ? "" : status === "failed" ? "failed" : "…");
    fill(said, result === null ? null : h("pre", {}, result.text || "(nothing)"));
  };
  update(shown);
  return { element, update };
}

/** What a tool is used on, in a line: the command, the file, the search, or the first text there is. */
function briefly(input: unknown, cwd: string | null): string {
  const fields = Object.entries((input ?? {}) as Record<string, unknown>);
  const known = ["command", "file_path", "pattern", "url", "query", "path", "prompt", "description"];
  const named = known
    .map((name) => fields.find(([field, value]) => field === name && typeof value === "string"))
    .find(Boolean);
  const [, value = ""] = named ?? fields.find(([, given]) => typeof given === "string") ?? [];
  const line = String(value).split("\n", 1)[0] ?? "";
  return cwd !== null && (line.startsWith(`${cwd}/`) || line.startsWith(`${cwd}\\`))
    ? line.slice(cwd.length + 1)
    : line;
}
