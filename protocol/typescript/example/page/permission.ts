// A card for a permission request: the use of a tool, a question or a plan.  It shows everything that is allowed.
//
// Its head and its buttons stay in sight, and what is between them is scrolled.
import type {
  ClaudePermissionsRespondParams,
  PageSidecar,
  PermissionMode,
  PermissionRequest,
} from "sidecar-electron/renderer";
import { button, h } from "./dom.ts";
import { counted } from "./format.ts";
import { markdown } from "./markdown.ts";
import { NoticeArea } from "./notice.ts";
import { fileOf, toolContent } from "./permission_input.ts";
import { questions } from "./questions.ts";
import type { Question } from "./questions.ts";

type Response = Omit<ClaudePermissionsRespondParams, "request_id">;
export type Respond = (response: Response) => Promise<unknown>;

interface Content {
  heading: string;
  /** The file that a tool changes. */
  file?: string | null;
  body: Node[];
  foot: Node | null;
}

export function permissionCard(sidecar: PageSidecar, request: PermissionRequest): HTMLElement {
  const notices = new NoticeArea();
  const respond: Respond = (response) =>
    notices.attempt(() => sidecar.claude.permissions.respond({ request_id: request.request_id, ...response }));
  const allowMode = async (mode: PermissionMode): Promise<void> => {
    const { session_id } = request;
    const set = await notices.attempt(() => sidecar.claude.sessions.update({ session_id, permission_mode: mode }));
    if (set !== undefined) await respond({ decision: "allow" });
  };
  const { heading, file, body, foot } = contentOf(request, respond, allowMode);
  const id = `permission-${request.request_id}`;
  const element = h(
    "div",
    { class: "permission", role: "group", "aria-labelledby": id, "data-kind": request.kind, tabindex: -1 },
    h(
      "header",
      {},
      h("h3", { id }, heading),
      file !== undefined && file !== null && h("p", { class: "permission-file" }, h("code", {}, file)),
      request.turn_ended &&
        h("p", { class: "hint" }, "The turn of this request has ended. Your answer starts a new turn."),
    ),
    h("div", { class: "permission-body", tabindex: 0, role: "group", "aria-label": "Details" }, ...body),
    h("footer", {}, foot, notices.element),
  );
  element.addEventListener("keydown", (event) => answerByKey(element, event));
  return element;
}

/** Presses the button with the key, unless a text is being written: A allows, D denies, a digit chooses an option. */
function answerByKey(card: HTMLElement, event: KeyboardEvent): void {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target instanceof HTMLElement && target.matches("input[type=text], textarea, select")) return;
  const control = card.querySelector<HTMLElement>(`[aria-keyshortcuts="${CSS.escape(key.toUpperCase())}"]`);
  if (control === null) return;
  event.preventDefault();
  if (control instanceof HTMLInputElement) control.focus();
  control.click();
}

function contentOf(
  request: PermissionRequest,
  respond: Respond,
  allowMode: (mode: PermissionMode) => Promise<void>,
): Content {
  const input = (request.input ?? {}) as Record<string, unknown>;
  switch (request.kind) {
    case "question": {
      const form = questions((input["questions"] ?? []) as Question[], input, respond);
      return { heading: "Claude has a question", body: [form.element], foot: form.buttons };
    }
    case "plan":
      return {
        heading: "Approve this plan?",
        body: [h("div", { class: "prose permission-plan" }, markdown(String(input["plan"] ?? "")))],
        foot: answers(respond, "Go ahead", "Keep planning"),
      };
    default:
      return {
        heading: `Allow ${request.tool_name}?`,
        file: fileOf(input),
        body: toolContent(request, input),
        foot: answers(respond, "Allow", "Deny", ...alwaysButtons(request, respond, allowMode)),
      };
  }
}

const MODES: Readonly<Partial<Record<PermissionMode, string>>> = {
  acceptEdits: "Allow all edits",
  auto: "Decide automatically",
  bypassPermissions: "Allow everything",
};

/** The controls that also allow future requests of this kind. */
function alwaysButtons(
  { rules, suggestions, turn_ended: hasEnded, suggested_mode: mode }: PermissionRequest,
  respond: Respond,
  allowMode: (mode: PermissionMode) => Promise<void>,
): Node[] {
  const controls: Node[] = [];
  suggestions.forEach(({ type, directories }, index) => {
    if (type !== "addDirectories" || hasEnded) return;
    const allow = (): Promise<unknown> => respond({ decision: "allow", suggestions: [index] });
    controls.push(unfolded("Allow a folder…", directories, "Allow all in it", allow));
  });
  const label = mode === null ? undefined : MODES[mode];
  if (mode !== null && label !== undefined) controls.push(button(label, () => allowMode(mode), { class: "plain" }));
  if (rules.length > 0) {
    const remember = (): Promise<unknown> => respond({ decision: "allow", remember: true });
    const text = rules.length === 1 ? "Always allow this" : `Always allow ${counted(rules.length, "rule")}`;
    controls.push(unfolded("Always allow…", rules, text, remember));
  }
  return controls;
}

/** A control that shows, one a line and whole, what its button would allow from now on. */
function unfolded(summary: string, lines: readonly string[], label: string, allow: () => unknown): HTMLElement {
  return h(
    "details",
    { class: "always" },
    h("summary", { class: "plain" }, summary),
    h("ul", { tabindex: 0, "aria-label": summary }, ...lines.map((line) => h("li", {}, h("code", {}, line)))),
    button(label, allow, { class: "plain" }),
  );
}

function answers(respond: Respond, yes: string, no: string, ...always: Node[]): HTMLElement {
  const reason = h("input", {
    type: "text",
    class: "permission-reason",
    placeholder: "Tell Claude what to do instead (optional)",
    "aria-label": "Why not, or what to do instead",
  });
  const deny = (): Promise<unknown> =>
    respond({ decision: "deny", ...(reason.value.trim() === "" ? {} : { message: reason.value.trim() }) });
  reason.addEventListener("keydown", (event) => void (event.key === "Enter" && !event.isComposing && deny()));
  const buttons = h(
    "div",
    { class: "permission-buttons" },
    button(yes, () => respond({ decision: "allow" }), { class: "primary", "aria-keyshortcuts": "A" }),
    button(no, deny, { class: "plain", "aria-keyshortcuts": "D" }),
    reason,
  );
  return h("div", { class: "permission-answers" }, buttons, always.length > 0 && h("div", {}, ...always));
}
