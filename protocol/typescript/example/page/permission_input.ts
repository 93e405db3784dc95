// What a tool is to do: commands and changes of files first, then every other field of its input.
import type { PermissionRequest } from "sidecar-electron/renderer";
import { diffView } from "./diff.ts";
import { h } from "./dom.ts";

type Input = Record<string, unknown>;

/** Returns the file that a tool changes or reads, for the head of the card; null if it names none. */
export function fileOf(input: Input): string | null {
  const path = input["file_path"] ?? input["notebook_path"];
  return typeof path === "string" ? path : null;
}

/** Renders the reasons and the whole input. */
export function toolContent(request: PermissionRequest, input: Input): Node[] {
  const { description, blocked_path: blocked, decision_reason: reason, parent, agent } = request;
  const isFile = description !== null && (fileOf(input)?.endsWith(description) ?? false);
  const texts = [
    parent === null ? null : `Requested by ${agent === null ? "a subagent" : `the subagent ${agent}`}`,
    isFile ? null : description,
    reason,
    blocked === null ? null : `Outside the working folder: ${blocked}`,
  ].filter((text) => text !== null);
  return [...texts.map((text) => h("p", { class: "permission-text" }, text)), ...inputView(input, description)];
}

function inputView(input: Input, shownDescription: string | null): Node[] {
  const rest = { ...input };
  if (rest["description"] === shownDescription) delete rest["description"];
  const views: Node[] = [];
  const text = (name: string): string | null => (typeof rest[name] === "string" ? rest[name] : null);
  const show = (view: Node, ...fields: string[]): void => {
    views.push(view);
    for (const field of fields) delete rest[field];
  };
  const [command, before, after, content] = ["command", "old_string", "new_string", "content"].map(text);
  if (fileOf(rest) !== null) delete rest[typeof rest["file_path"] === "string" ? "file_path" : "notebook_path"];
  if (typeof command === "string") show(h("pre", { class: "permission-command", tabindex: 0 }, command), "command");
  if (typeof before === "string" && typeof after === "string")
    show(diffView(before, after), "old_string", "new_string");
  if (typeof content === "string") show(diffView("", content), "content");
  const edits = rest["edits"];
  if (isEdits(edits)) show(h("div", {}, ...edits.map((one) => diffView(one.old_string, one.new_string))), "edits");
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

/** Whether nothing but these two texts is in any of the edits, so that the diffs show everything. */
function isEdits(value: unknown): value is Array<{ old_string: string; new_string: string }> {
  const isEdit = (one: Input | null): boolean =>
    typeof one === "object" &&
    one !== null &&
    Object.keys(one).sort().join() === "new_string,old_string" &&
    Object.values(one).every((text) => typeof text === "string");
  return Array.isArray(value) && value.every(isEdit);
}
