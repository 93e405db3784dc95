// Renders the items of a conversation.
import type { Citation, ClaudeMessage, PageSidecar } from "sidecar-electron/renderer";
import { sizeOf } from "./attachments.ts";
import { cited, NO_CITATIONS } from "./citations.ts";
import type { TurnCitations } from "./citations.ts";
import { fill, h, setAttribute } from "./dom.ts";
import { failedTurn } from "./failed_turn.ts";
import { markdown } from "./markdown.ts";

/** An item and, for the use of a tool, its result. */
export interface ShownItem {
  message: ClaudeMessage;
  /** What the answer of a turn cites; empty for all other items. */
  citations: readonly Citation[];
  /** Whether the user has denied the use of the tool. */
  isDenied: boolean;
  result: ClaudeMessage | null;
}

interface Block {
  id?: unknown;
  input?: unknown;
  tool_use_id?: unknown;
  is_error?: unknown;
}

/** Returns the content block of the line that the CLI sent. */
export function blockOf({ raw }: ClaudeMessage): Block {
  const content = (raw as { message?: { content?: unknown } } | null)?.message?.content;
  return (Array.isArray(content) ? content[0] : undefined) ?? {};
}

/** Returns the items to show, tool uses with their results; the CLI's internal items are omitted. */
export function shownItems(
  messages: readonly ClaudeMessage[],
  denied: ReadonlySet<unknown>,
  citations: TurnCitations,
): ShownItem[] {
  const results = new Map<unknown, ClaudeMessage>();
  const answers = new Map<string | null, ClaudeMessage>();
  for (const message of messages) {
    if (message.kind === "tool_result") results.set(blockOf(message).tool_use_id, message);
    if (message.kind === "assistant_text" && message.parent === null) answers.set(message.job_id, message);
  }
  const citedIn = (message: ClaudeMessage): readonly Citation[] =>
    answers.get(message.job_id) === message ? citations.of(message) : NO_CITATIONS;
  return messages
    .filter(
      ({ kind, text }) =>
        kind !== "tool_result" && kind !== "raw" && (text !== "" || kind === "tool_use" || kind === "cleared"),
    )
    .map((message) => ({
      message,
      citations: citedIn(message),
      isDenied: message.kind === "tool_use" && denied.has(blockOf(message).id),
      result: message.kind === "tool_use" ? (results.get(blockOf(message).id) ?? null) : null,
    }));
}

/** Creates the row of an item.  Paths inside `cwd`, Claude's working directory, are shown relative to it. */
export function itemRow(
  sidecar: PageSidecar,
  shown: ShownItem,
  cwd: string | null,
): { element: HTMLElement; update: (item: ShownItem) => void } {
  const { message } = shown;
  const row =
    message.kind === "tool_use"
      ? toolRow(shown, cwd)
      : message.kind === "assistant_text"
        ? answerRow(shown)
        : { element: textRow(sidecar, message), update: () => undefined };
  if (message.parent !== null) {
    const name = message.agent === null ? "Subagent" : `Subagent ${message.agent}`;
    row.element.classList.add("of-subagent");
    row.element.setAttribute("aria-label", name);
    row.element.prepend(h("p", { class: "hint" }, name));
  }
  return row;
}

function textRow(sidecar: PageSidecar, message: ClaudeMessage): HTMLElement {
  const { kind, text } = message;
  switch (kind) {
    case "user":
      return h(
        "li",
        { class: "item prompt", "aria-label": "You" },
        h("div", { class: "prose plain-text", dir: "auto" }, text, attachmentList(message)),
      );
    case "thinking":
      return h(
        "li",
        { class: "item thought" },
        h("details", {}, h("summary", {}, "Thought"), h("div", { class: "prose plain-text", dir: "auto" }, text)),
      );
    case "notice":
    case "cleared":
      return h(
        "li",
        { class: "item thought", "aria-label": "Notice" },
        h("div", { class: "prose plain-text" }, text || "The conversation was cleared."),
      );
    default:
      return h("li", { class: "item" }, failedTurn(sidecar, message));
  }
}

/** What Claude says.  It is rendered again only if what it cites becomes known, so that a selection stays. */
function answerRow(shown: ShownItem): { element: HTMLElement; update: (item: ShownItem) => void } {
  const prose = h("div", { class: "prose" }, markdown(shown.message.text));
  let known = NO_CITATIONS;
  const update = ({ message, citations }: ShownItem): void => {
    if (citations === known) return;
    known = citations;
    const { text, sources } = cited(markdown(message.text), citations);
    fill(prose, text, sources);
  };
  update(shown);
  return { element: h("li", { class: "item answer", "aria-label": "Claude" }, prose), update };
}

function toolRow(shown: ShownItem, cwd: string | null): { element: HTMLElement; update: (item: ShownItem) => void } {
  const { message } = shown;
  const state = h("span", { class: "tool-state" });
  const output = h("div", { class: "tool-output" });
  const input = blockOf(message).input;
  const summary = h(
    "summary",
    {},
    h("span", { class: "tool-name" }, toolName(message.text)),
    h("code", { class: "tool-brief" }, inputSummary(input, cwd)),
    state,
  );
  const details = h(
    "details",
    { class: "tool" },
    summary,
    h("pre", { tabindex: 0 }, JSON.stringify(input, null, 2) ?? ""),
    output,
  );
  const element = h("li", { class: "item" }, details);
  const update = ({ result, isDenied }: ShownItem): void => {
    const status = statusOf(result, isDenied);
    setAttribute(details, "data-status", status);
    fill(state, STATUS_TEXTS[status]);
    fill(output, result === null ? null : h("pre", { tabindex: 0 }, result.text || "(no output)"));
  };
  update(shown);
  return { element, update };
}

/** `Hub: activity search` for the sidecar's own tool `mcp__hub__activity_search`; others have the name that they give. */
const toolName = (name: string): string =>
  name.startsWith("mcp__hub__") ? `Hub: ${name.slice("mcp__hub__".length).replaceAll("_", " ")}` : name;

const STATUS_TEXTS = { running: "…", done: "", failed: "failed", denied: "denied" } as const;

function statusOf(result: ClaudeMessage | null, isDenied: boolean): keyof typeof STATUS_TEXTS {
  if (isDenied) return "denied";
  if (result === null) return "running";
  return blockOf(result).is_error === true ? "failed" : "done";
}

/** The names and sizes of a prompt's images and files; the page's policy shows no images. */
function attachmentList({ attachments }: ClaudeMessage): HTMLElement | null {
  if (attachments.length === 0) return null;
  const rows = attachments.map(({ name, size }) =>
    h("li", { class: "attachment" }, h("span", { dir: "auto" }, name), h("span", { class: "hint" }, sizeOf(size))),
  );
  return h("ul", { class: "attachments", "aria-label": "Attachments" }, ...rows);
}

/** Returns a tool's input in one line: its command, file, search or first text. */
function inputSummary(input: unknown, cwd: string | null): string {
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
