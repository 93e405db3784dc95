// What Claude asks: may it use a tool, which of these answers, is the plan good.  An answer is about exactly what is shown.
import type {
  ClaudePermissionsRespondParams,
  PageSidecar,
  PermissionMode,
  PermissionRequest,
} from "sidecar-electron/renderer";
import { button, h } from "./dom.ts";
import { markdown } from "./markdown.ts";
import { NoticeArea } from "./notice.ts";

type Answer = Omit<ClaudePermissionsRespondParams, "request_id">;
type Respond = (answer: Answer) => Promise<unknown>;

interface Question {
  question: string;
  header?: string;
  options: Array<{ label: string; description?: string }>;
  multiSelect?: boolean;
}

export function permissionCard(sidecar: PageSidecar, request: PermissionRequest): HTMLElement {
  const notices = new NoticeArea();
  const respond: Respond = (answer) =>
    notices.attempt(() => sidecar.claude.permissions.respond({ request_id: request.request_id, ...answer }));
  const allowMode = async (mode: PermissionMode): Promise<void> => {
    const { session_id } = request;
    const set = await notices.attempt(() => sidecar.claude.sessions.update({ session_id, permission_mode: mode }));
    if (set !== undefined) await respond({ decision: "allow" });
  };
  const [heading, ...content] = contentOf(request, respond, allowMode);
  const id = `ask-${request.request_id}`;
  return h(
    "div",
    { class: "ask", role: "group", "aria-labelledby": id, "data-kind": request.kind },
    h("h3", { id }, heading as string),
    request.turn_ended &&
      h("p", { class: "hint" }, "The turn that asked has ended. Your answer starts a new one that goes on."),
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
      return ["Claude asks", questions((input["questions"] ?? []) as Question[], input, respond)];
    case "plan":
      return [
        "Is this plan good?",
        h("div", { class: "prose ask-plan" }, markdown(String(input["plan"] ?? ""))),
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
  { description, blocked_path: blocked }: PermissionRequest,
  input: Record<string, unknown>,
): Node[] {
  const isName =
    typeof input["file_path"] === "string" && description !== null && input["file_path"].endsWith(description);
  const words = [isName ? null : description, blocked === null ? null : `Outside of its folder: ${blocked}`].filter(
    (text) => text !== null,
  );
  return [...words.map((text) => h("p", { class: "ask-words" }, text)), ...inputView(input, description)];
}

const VIEWS: Readonly<Record<string, (text: string) => Node>> = {
  command: (text) => h("pre", { class: "ask-command" }, text),
  file_path: (text) => h("p", { class: "ask-file" }, h("code", {}, text)),
  old_string: (text) => h("pre", { class: "ask-before", "aria-label": "Before" }, text),
  new_string: (text) => h("pre", { class: "ask-after", "aria-label": "After" }, text),
  content: (text) => h("pre", { class: "ask-after", "aria-label": "Content" }, text),
};

/** Commands and changes of files as they are, then whatever else there is: nothing is left out. */
function inputView(input: Record<string, unknown>, said: string | null): Node[] {
  const views: Node[] = [];
  const rest = { ...input };
  if (rest["description"] === said) delete rest["description"];
  for (const [name, view] of Object.entries(VIEWS)) {
    const value = rest[name];
    if (typeof value !== "string") continue;
    views.push(view(value));
    delete rest[name];
  }
  const others = Object.entries(rest).map(([name, value]) =>
    h(
      "p",
      { class: "ask-field" },
      h("span", { class: "hint" }, `${name} `),
      h("code", {}, typeof value === "string" ? value : JSON.stringify(value, null, 2)),
    ),
  );
  return [...views, ...others];
}

const MODES: Readonly<Partial<Record<PermissionMode, string>>> = {
  acceptEdits: "Allow all edits",
  auto: "Let a classifier decide",
  bypassPermissions: "Allow everything",
};

/** What spares the next question of this kind. */
function alwaysButtons(
  { rules, suggested_mode: mode }: PermissionRequest,
  respond: Respond,
  allowMode: (mode: PermissionMode) => Promise<void>,
): Node[] {
  const made: Node[] = [];
  const remember = (): Promise<unknown> => respond({ decision: "allow", remember: true });
  if (rules.length > 0) made.push(button(`Always allow ${rules.join(", ")}`, remember, { class: "plain" }));
  const words = mode === null ? undefined : MODES[mode];
  if (mode !== null && words !== undefined) made.push(button(words, () => allowMode(mode), { class: "plain" }));
  return made;
}

function answers(respond: Respond, yes: string, no: string, ...always: Node[]): HTMLElement {
  const reason = h("input", {
    type: "text",
    class: "ask-reason",
    placeholder: "Tell Claude what to do instead (optional)",
    "aria-label": "Why not, or what to do instead",
  });
  const deny = (): Promise<unknown> =>
    respond({ decision: "deny", ...(reason.value.trim() === "" ? {} : { message: reason.value.trim() }) });
  reason.addEventListener("keydown", (event) => void (event.key === "Enter" && deny()));
  const buttons = h(
    "div",
    { class: "ask-buttons" },
    button(yes, () => respond({ decision: "allow" }), { class: "primary" }),
    ...always,
    button(no, deny, { class: "plain" }),
  );
  return h("div", { class: "ask-answers" }, buttons, reason);
}

function questions(asked: readonly Question[], input: Record<string, unknown>, respond: Respond): HTMLElement {
  const form = h("form", { class: "ask-questions" });
  asked.forEach((question, index) => form.append(questionField(question, `q${index}`)));
  const send = h("button", { type: "submit", class: "primary" }, "Answer");
  const skip = button("Not now", () => respond({ decision: "deny" }), { class: "plain" });
  form.append(h("div", { class: "ask-buttons" }, send, skip));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = new FormData(form);
    const given = Object.fromEntries(
      asked.map(({ question }, index) => [question, chosen.getAll(`q${index}`).join(", ")]),
    );
    void respond({ decision: "allow", updated_input: { ...input, answers: given } });
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
