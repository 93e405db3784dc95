// The settings of a new conversation: working directory and permissions.
import { PermissionMode } from "sidecar-electron/renderer";
import type { ClaudeSessionsCreateParams } from "sidecar-electron/renderer";
import type { ClaudeCheck } from "./claude_check.ts";
import { h } from "./dom.ts";

const MODES: ReadonlyArray<[PermissionMode, string]> = [
  [PermissionMode.DEFAULT, "Ask before changes"],
  [PermissionMode.ACCEPT_EDITS, "Edit files without asking, ask for the rest"],
  [PermissionMode.PLAN, "Plan only, change nothing"],
];

export interface NewConversation {
  element: HTMLElement;
  settings(): ClaudeSessionsCreateParams;
}

export function newConversation(check: ClaudeCheck): NewConversation {
  const folder = h("input", {
    type: "text",
    placeholder: "Home folder",
    spellcheck: "false",
    "aria-describedby": "folder-hint",
  });
  const modes = h("select", {}, ...MODES.map(([mode, label]) => h("option", { value: mode }, label)));
  const element = h(
    "div",
    { class: "new-conversation" },
    h("p", { class: "invitation" }, "What should Claude do?"),
    check.element,
    h("label", {}, h("span", {}, "Folder"), folder),
    h("p", { id: "folder-hint", class: "hint" }, "The full path of the folder in which Claude works."),
    h("label", {}, h("span", {}, "Permissions"), modes),
  );
  const settings = (): ClaudeSessionsCreateParams => ({
    permission_mode: modes.value as PermissionMode,
    ...(folder.value.trim() === "" ? {} : { cwd: folder.value.trim() }),
  });
  return { element, settings };
}
