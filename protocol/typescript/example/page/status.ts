// How the sidecar is, in the head of the page; and a banner where it is in problem.
import type { Failure, PageSidecar, SidecarState } from "sidecar-electron/renderer";
import { fill, h, setAttribute } from "./dom.ts";

const WORDS: Readonly<Record<SidecarState["status"], string>> = {
  starting: "Starting…",
  ready: "Ready",
  restarting: "Starting again…",
  stopped: "Stopped",
  failed: "Not running",
};
const ADVICE: Readonly<Record<Failure, string>> = {
  not_startable: "The sidecar's program could not be started. Is it installed?",
  usage: "The sidecar was started with wrong settings.",
  locked: "Another process has the database. Close the other window of this app.",
  newer_database: "Your data is from a newer version of this app. Nothing was changed: install the update.",
  crashing: "The sidecar has crashed several times. Restart the app; the log says more.",
  protocol_mismatch: "The app and its sidecar do not belong together. Install the app again.",
  refused: "The sidecar has refused the app.",
};

export function sidecarStatus(sidecar: PageSidecar): { badge: HTMLElement; banner: HTMLElement } {
  const badge = h("p", { class: "status", role: "status" });
  const banner = h("div", { class: "banners" });
  const show = (state: SidecarState): void => {
    const { status, failure, message, version, secrets } = state;
    setAttribute(badge, "data-status", status);
    fill(badge, WORDS[status], version !== null && status === "ready" && h("span", { class: "version" }, version));
    const told = [
      failure !== null && banned(ADVICE[failure], message),
      secrets === "locked" &&
        banned(
          "Your accounts are locked.",
          "This system's keyring has not given their key. Unlock it and start the app again.",
        ),
      secrets === "key_mismatch" && banned("Your accounts were stored with another key.", "Sign in to them again."),
    ];
    fill(banner, ...told);
  };
  sidecar.onState(show);
  void sidecar.state().then(show);
  return { badge, banner };
}

function banned(words: string, more: string | null): HTMLElement {
  return h(
    "div",
    { class: "banner", role: "alert" },
    h("strong", {}, words),
    more !== null && h("span", {}, ` ${more}`),
  );
}
