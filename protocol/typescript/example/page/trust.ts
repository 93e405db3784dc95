// Asks what to do about a folder that brings hooks, servers or settings of its own.
import { RpcError } from "sidecar-electron/renderer";
import type { FolderContents } from "sidecar-electron/renderer";
import { button, h } from "./dom.ts";

/** What the user chooses: to trust the folder, or to work without what it brings. */
export type TrustChoice = { trust: true } | { settings: "user" };

const LABELS: ReadonlyArray<[keyof FolderContents, string]> = [
  ["hooks", "hooks"],
  ["mcp_servers", "servers"],
  ["commands", "commands"],
  ["environment", "environment variables"],
  ["settings", "settings"],
  ["extensions", "extensions"],
  ["git", "programs of git"],
];

/** Returns the contents of the folder of a request that was refused because of it; null for other errors. */
export function untrustedContents(error: unknown): FolderContents | null {
  if (!(error instanceof RpcError) || error.kind !== "workspace_untrusted") return null;
  const [details] = Array.isArray(error.data.details) ? error.data.details : [];
  return (details as { contents?: FolderContents } | undefined)?.contents ?? null;
}

/** Creates the question.  Trusting also needs the user's answer in the main process. */
export function trustQuestion(contents: FolderContents, choose: (choice: TrustChoice | null) => unknown): HTMLElement {
  const brought = LABELS.filter(([field]) => contents[field].length > 0);
  return h(
    "div",
    { class: "permission", role: "group", "aria-labelledby": "trust-question" },
    h(
      "header",
      {},
      h("h3", { id: "trust-question" }, "This folder brings its own hooks, servers or settings"),
      h("p", { class: "permission-text" }, "They run on your computer as soon as Claude works here."),
    ),
    h(
      "div",
      { class: "permission-body", tabindex: 0, role: "group", "aria-label": "Details" },
      ...brought.map(([field, label]) =>
        h(
          "p",
          { class: "permission-field" },
          h("span", { class: "hint" }, `${label} `),
          h("code", {}, contents[field].join(", ")),
        ),
      ),
    ),
    h(
      "footer",
      { class: "permission-buttons" },
      button("Trust", () => choose({ trust: true }), { class: "primary" }),
      button("Run without them", () => choose({ settings: "user" }), { class: "plain" }),
      button("Cancel", () => choose(null), { class: "plain" }),
    ),
  );
}
