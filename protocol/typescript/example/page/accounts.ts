// Accounts: which there are, how they stand.
import type { PageSidecar } from "sidecar-electron/renderer";
import { button, h } from "./dom.ts";

export interface Accounts {
  dialog: HTMLDialogElement;
  open(): void;
}

export function accountsDialog(_sidecar: PageSidecar): Accounts {
  const close = button("Close", () => dialog.close(), { class: "quiet-button" });
  const dialog = h("dialog", { class: "accounts", "aria-labelledby": "accounts-title" }, h("header", {}, h("h2", { id: "accounts-title" }, "Accounts"), close));
  return { dialog, open: () => dialog.showModal() };
}
