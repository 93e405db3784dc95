// A card for a permission request: the use of a tool, a question or a plan.  It shows everything that is allowed.
import type {
  ClaudePermissionsRespondParams,
  PageSidecar,
  PermissionMode,
  PermissionRequest,
} from "sidecar-electron/renderer";
import { button, h } from "./dom.ts";
import { markdown } from "./markdown.ts";
import { NoticeArea } from "./notice.ts";

type Response = Omit<ClaudePermissionsRespondParams, "request_id">;
type Respond = (response: Response) => Promise<unknown>;

interface Question {
  question: string;
  header?: string;
  options: Array<{ label: string; description?: string }>;
  multiSelect?: boolean;
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
  const [heading, ...content] = contentOf(request, respond, allowMode);
  const id = `permission-${request.request_id}`;
  return h(
    "div",
    { class: "permission", role: "group", "aria-labelledby": id, "data-kind": request.kind },
    h("h3", { id }, heading as string),
    request.turn_ended &&
      h("p", { class: "hint" }, "The turn of this request has ended. Your answer starts a new turn."),
    ...(content as Node[]),
    notices.element,
  );
}

function contentOf(
  request: PermissionRequest,
  respond: Respond,
  allowMode: (mode: PermissionMode) => Promise<void>,
): [string, ...Node[]] {
  const input = (request.input ?? {}) as Record<string, unknown>;
  switch (request.kind) {
    case "question":
      return ["Claude has a question", questions((input["questions"] ?? []) as Question[], input, respond)];
    case "plan":
      return [
        "Approve this plan?",
        h("div", { class: "prose permission-plan" }, markdown(String(input["plan"] ?? ""))),
        answers(respond, "Go ahead", "Keep planning"),
      ];
    default:
      return [
        `Allow ${request.tool_name}?`,
        ...toolContent(request, input),
        answers(respond, "Allow", "Deny", ...alwaysButtons(request, respond, allowMode)),
      ];
  }
}

function toolContent(
  { description, blocked_path: blocked, decision_reason: reason, parent, agent }: PermissionRequest,
  input: Record<string, unknown>,
): Node[] {
  const isName =
    typeof input["file_path"] === "string" && description !== null && input["file_path"].endsWith(description);
  const texts = [
    parent === null ? null : `Requested by ${agent === null ? "a subagent" : `the subagent ${agent}`}`,
    isName ? null : description,
    reason,
    blocked === null ? null : `Outside the working folder: ${blocked}`,
  ].filter((text) => text !== null);
  return [...texts.map((text) => h("p", { class: "permission-text" }, text)), ...inputView(input, description)];
}

const VIEWS: Readonly<Record<string, (text: string) => Node>> = {
  command: (text) => h("pre", { class: "permission-command" }, text),
  file_path: (text) => h("p", { class: "permission-file" }, h("code", {}, text)),
  old_string: (text) => h("pre", { class: "permission-before", "aria-label": "Before" }, text),
  new_string: (text) => h("pre", { class: "permission-after", "aria-label": "After" }, text),
  content: (text) => h("pre", { class: "permission-after", "aria-label": "Content" }, text),
};

/** Renders the whole input of a tool: commands and file changes first, then all other fields. */
function inputView(input: Record<string, unknown>, shownDescription: string | null): Node[] {
  const views: Node[] = [];
  const rest = { ...input };
  if (rest["description"] === shownDescription) delete rest["description"];
  for (const [name, view] of Object.entries(VIEWS)) {
    const value = rest[name];
    if (typeof value !== "string") continue;
    views.push(view(value));
    delete rest[name];
  }
  const others = Object.entries(rest).map(([name, value]) =>
    h(
      "p",
      { class: "permission-field" },
      h("span", { class: "hint" }, `${name} `),
      h("code", {}, typeof value === "string" ? value : JSON.stringify(value, null, 2)),
    ),
  );
  return [...views, ...others];
}

const MODES: Readonly<Partial<Record<PermissionMode, string>>> = {
  acceptEdits: "Allow all edits",
  auto: "Decide automatically",
  bypassPermissions: "Allow everything",
};

/** The buttons that also allow future requests of this kind. */
function alwaysButtons(
  { rules, suggestions, turn_ended: hasEnded, suggested_mode: mode }: PermissionRequest,
  respond: Respond,
  allowMode: (mode: PermissionMode) => Promise<void>,
): Node[] {
  const buttons: Node[] = [];
  const remember = (): Promise<unknown> => respond({ decision: "allow", remember: true });
  if (rules.length > 0) buttons.push(button(`Always allow ${rules.join(", ")}`, remember, { class: "plain" }));
  suggestions.forEach(({ type, directories }, index) => {
    if (type !== "addDirectories" || hasEnded) return;
    const allow = (): Promise<unknown> => respond({ decision: "allow", suggestions: [index] });
    buttons.push(button(`Allow all in ${directories.join(", ")}`, allow, { class: "plain" }));
  });
  const label = mode === null ? undefined : MODES[mode];
  if (mode !== null && label !== undefined) buttons.push(button(label, () => allowMode(mode), { class: "plain" }));
  return buttons;
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
  reason.addEventListener("keydown", (event) => void (event.key === "Enter" && deny()));
  const buttons = h(
    "div",
    { class: "permission-buttons" },
    button(yes, () => respond({ decision: "allow" }), { class: "primary" }),
    ...always,
    button(no, deny, { class: "plain" }),
  );
  return h("div", { class: "permission-answers" }, buttons, reason);
}

function questions(asked: readonly Question[], input: Record<string, unknown>, respond: Respond): HTMLElement {
  const form = h("form", { class: "permission-questions" });
  asked.forEach((question, index) => form.append(questionField(question, `q${index}`)));
  const send = h("button", { type: "submit", class: "primary" }, "Answer");
  const skip = button("Not now", () => respond({ decision: "deny" }), { class: "plain" });
  form.append(h("div", { class: "permission-buttons" }, send, skip));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = new FormData(form);
    const answers = Object.fromEntries(
      asked.map(({ question }, index) => [question, chosen.getAll(`q${index}`).join(", ")]),
    );
    void respond({ decision: "allow", updated_input: { ...input, answers } });
  });
  return form;
}

function questionField({ question, options, multiSelect = false }: Question, name: string): HTMLElement {
  const choices = options.map(({ label, description }, index) => {
    const choice = h("input", {
      type: multiSelect ? "checkbox" : "radio",
      name,
      value: label,
      checked: !multiSelect && index === 0,
      required: !multiSelect,
    });
    return h(
      "label",
      { class: "choice" },
      choice,
      h(
        "span",
        {},
        h("strong", {}, label),
        description !== undefined && h("span", { class: "hint" }, ` ${description}`),
      ),
    );
  });
  return h("fieldset", {}, h("legend", {}, question), ...choices);
}
