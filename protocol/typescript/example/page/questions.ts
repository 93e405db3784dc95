// The form of Claude's questions, each with its options.
import { button, h } from "./dom.ts";
import type { Respond } from "./permission.ts";

export interface Question {
  question: string;
  header?: string;
  options: Array<{ label: string; description?: string }>;
  multiSelect?: boolean;
}

/** Returns the form and, separately, its buttons. */
export function questions(
  asked: readonly Question[],
  input: Record<string, unknown>,
  respond: Respond,
): { element: HTMLElement; buttons: HTMLElement } {
  const form = h("form", { id: `questions-${crypto.randomUUID()}`, class: "permission-questions" });
  const isOnly = asked.length === 1;
  asked.forEach((question, index) => form.append(questionField(question, `q${index}`, isOnly)));
  const send = h("button", { type: "submit", class: "primary", form: form.id }, "Answer");
  const skip = button("Not now", () => respond({ decision: "deny" }), { class: "plain", "aria-keyshortcuts": "D" });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = new FormData(form);
    const answers = Object.fromEntries(
      asked.map(({ question }, index) => [question, chosen.getAll(`q${index}`).join(", ")]),
    );
    void respond({ decision: "allow", updated_input: { ...input, answers } });
  });
  return { element: form, buttons: h("div", { class: "permission-buttons" }, send, skip) };
}

function questionField(
  { question, options, multiSelect = false }: Question,
  name: string,
  isOnly: boolean,
): HTMLElement {
  const choices = options.map(({ label, description }, index) => {
    const choice = h("input", {
      type: multiSelect ? "checkbox" : "radio",
      name,
      value: label,
      checked: !multiSelect && index === 0,
      required: !multiSelect,
      "aria-keyshortcuts": isOnly ? index + 1 : null,
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
