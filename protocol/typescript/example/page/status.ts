// The sidecar's state in the page's header, and a banner for problems.
import type { Failure, PageSidecar, SidecarState } from "sidecar-electron/renderer";
import type { HubBridge } from "../repair_channels.ts";
import { button, fill, h, setAttribute, setChildren } from "./dom.ts";
import { NoticeArea } from "./notice.ts";

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

/** The first crash is hardly noticed: the sidecar is restarted at once. */
const CRASHES_SHOWN = 2;
const hub = (globalThis as { hub?: HubBridge }).hub;

/** Loads what no live list holds: now, and again each time the sidecar has started. */
export function loadAtStarts(sidecar: PageSidecar, load: () => unknown): void {
  sidecar.onState(({ status }) => void (status === "ready" && load()));
  load();
}

export function sidecarStatus(sidecar: PageSidecar): { badge: HTMLElement; banner: HTMLElement } {
  const badge = h("p", { class: "status", role: "status" });
  const banner = h("div", { class: "banners" });
  const trouble = new Trouble();
  let logFile: string | null = null;
  let last: SidecarState | null = null;
  const show = (state: SidecarState): void => {
    last = state;
    const { status, version, secrets } = state;
    setAttribute(badge, "data-status", status);
    fill(
      badge,
      h("span", { class: "status-text" }, STATUS_TEXTS[status]),
      version !== null && status === "ready" && h("span", { class: "version" }, version),
    );
    const problems = [
      trouble.show(state, logFile),
      secrets === "locked" &&
        bannerOf(
          "Your accounts are locked.",
          "Their key could not be read from the system's keyring. Unlock the keyring and restart the app.",
        ),
      secrets === "key_mismatch" && bannerOf("Your accounts were encrypted with another key.", "Sign in again."),
    ];
    setChildren(banner, ...problems.map((one) => one || null));
  };
  sidecar.onState(show);
  void sidecar.state().then(show);
  void hub?.logFile().then((file) => {
    logFile = file;
    if (last !== null) show(last);
  });
  return { badge, banner };
}

/** The banner of a sidecar that does not run, or that crashes again and again. */
class Trouble {
  readonly #title = h("strong");
  readonly #reason = h("span", { class: "banner-reason" });
  readonly #log = h("p", { class: "banner-log" });
  readonly #notices = new NoticeArea();
  readonly #start = button("Start", () => this.#notices.attempt(async () => hub?.start()), { class: "plain" });
  readonly #openLog = button("Open the log", () => this.#notices.attempt(openLog), { class: "plain" });
  readonly #element = h(
    "div",
    { class: "banner", role: "alert" },
    h("div", { class: "banner-words" }, h("p", {}, this.#title, " ", this.#reason), this.#log, this.#notices.element),
    hub !== undefined && h("div", { class: "banner-actions" }, this.#start, this.#openLog),
  );
  /** The reason of the last crash: the state forgets it when the sidecar is ready again. */
  #message: string | null = null;

  show({ status, failure, crashes, exitCode, message }: SidecarState, logFile: string | null): HTMLElement | null {
    const isDown = status === "stopped" || status === "failed";
    if (!isDown && crashes < CRASHES_SHOWN) {
      this.#message = null;
      this.#notices.clear();
      return null;
    }
    this.#message = message ?? this.#message;
    const title =
      failure !== null
        ? FAILURE_TEXTS[failure]
        : status === "stopped"
          ? "The sidecar was stopped. Nothing is synced, and Claude cannot work."
          : `The sidecar has crashed ${crashes} times in a row${status === "ready" ? "." : " and is being restarted."}`;
    fillText(this.#title, title);
    const code = exitCode === null ? "It was killed." : `Exit code ${exitCode}.`;
    const reason = status === "stopped" ? [] : [this.#message, crashes > 0 && code];
    fillText(this.#reason, reason.filter(Boolean).join(" "));
    fillText(this.#log, logFile === null ? "" : `Log: ${logFile}`);
    fillText(this.#start, status === "stopped" ? "Start" : status === "ready" ? "Restart" : "Try again");
    return this.#element;
  }
}

async function openLog(): Promise<void> {
  const problem = await hub?.openLog();
  if (problem) throw new Error(problem);
}

/** Sets a text only if it is another one: an alert would be read aloud again. */
function fillText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function bannerOf(text: string, details: string | null): HTMLElement {
  return h(
    "div",
    { class: "banner", role: "alert" },
    h("strong", {}, text),
    details !== null && h("span", {}, ` ${details}`),
  );
}
