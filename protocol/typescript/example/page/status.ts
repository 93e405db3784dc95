// The sidecar's state in the page's header, and a banner for problems.
import type { Failure, PageSidecar, SidecarState } from "sidecar-electron/renderer";
import { fill, h, setAttribute } from "./dom.ts";

const STATUS_TEXTS: Readonly<Record<SidecarState["status"], string>> = {
  starting: "Starting…",
  ready: "Ready",
  restarting: "Restarting…",
  stopped: "Stopped",
  failed: "Not running",
};
const FAILURE_TEXTS: Readonly<Record<Failure, string>> = {
  not_startable: "The sidecar could not be started. Install the app again.",
  usage: "The sidecar was started with invalid settings.",
  locked: "Another process is using the database. Close the other instance of this app.",
  newer_database: "Your data was created by a newer version of this app and was not changed. Install the update.",
  crashing: "The sidecar has crashed several times. Restart the app, or see the log for details.",
  protocol_mismatch: "The app and its sidecar have different versions. Install the app again.",
  refused: "The sidecar refused the connection.",
};

export function sidecarStatus(sidecar: PageSidecar): { badge: HTMLElement; banner: HTMLElement } {
  const badge = h("p", { class: "status", role: "status" });
  const banner = h("div", { class: "banners" });
  const show = (state: SidecarState): void => {
    const { status, failure, message, version, secrets } = state;
    setAttribute(badge, "data-status", status);
    fill(
      badge,
      STATUS_TEXTS[status],
      version !== null && status === "ready" && h("span", { class: "version" }, version),
    );
    const problems = [
      failure !== null && bannerOf(FAILURE_TEXTS[failure], message),
      secrets === "locked" &&
        bannerOf(
          "Your accounts are locked.",
          "Their key could not be read from the system's keyring. Unlock the keyring and restart the app.",
        ),
      secrets === "key_mismatch" && bannerOf("Your accounts were encrypted with another key.", "Sign in again."),
    ];
    fill(banner, ...problems);
  };
  sidecar.onState(show);
  void sidecar.state().then(show);
  return { badge, banner };
}

function bannerOf(text: string, details: string | null): HTMLElement {
  return h(
    "div",
    { class: "banner", role: "alert" },
    h("strong", {}, text),
    details !== null && h("span", {}, ` ${details}`),
  );
}
