// The page: a header and five panels, side by side or, in a narrow window, one at a time.
import { connectSidecar, liveList } from "sidecar-electron/renderer";
import type { PageSidecar, PermissionRequest } from "sidecar-electron/renderer";
import { accountList } from "./account_list.ts";
import { accountsDialog } from "./accounts.ts";
import { activityPanel } from "./activity.ts";
import { agenda } from "./agenda.ts";
import { claudePanel } from "./claude.ts";
import { dailyPanel } from "./daily.ts";
import { button, fill, h, setAttribute } from "./dom.ts";
import { jobsPanel } from "./jobs.ts";
import { character, keyboard, withControl } from "./keys.ts";
import { sidecarStatus } from "./status.ts";
import { counted, isTwelveHourClock } from "./format.ts";

const TABS = [
  ["today", "Today"],
  ["jobs", "Jobs"],
  ["claude", "Claude"],
  ["activity", "Activity"],
  ["daily", "Daily"],
] as const;

function start(sidecar: PageSidecar): void {
  const requests = openRequests(sidecar);
  const accounts = accountsDialog(sidecar, accountList(sidecar));
  const claude = claudePanel(sidecar, requests);
  const today = agenda(sidecar, accounts.open);
  const { badge, banner } = sidecarStatus(sidecar);
  const openRequest = (): void => {
    const [first] = requests.items();
    if (first === undefined) return;
    showPanel("claude");
    claude.openRequest(first.session_id);
  };
  const attention = h("div", { class: "attention-place", "aria-live": "polite" });
  requests.watch(() => {
    const open = requests.items().length;
    const label = `${counted(open, "question")} from Claude`;
    const keys = { class: "attention", "aria-keyshortcuts": "Control+J Meta+J" };
    if (attention.textContent !== (open > 0 ? label : ""))
      fill(attention, open > 0 && button(label, openRequest, keys));
  });
  const head = h(
    "header",
    { class: "head" },
    today.date,
    attention,
    h(
      "div",
      { class: "head-side" },
      button("?", () => keys.showModal(), { class: "quiet-button", label: "Keys" }),
      button("Accounts", accounts.open, { class: "plain" }),
      badge,
    ),
  );
  const panels = h(
    "main",
    {},
    today.element,
    jobsPanel(sidecar),
    claude.element,
    activityPanel(sidecar),
    dailyPanel(sidecar),
  );
  const keys = keyboard([
    ...TABS.map(([name, label], at) => withControl(String(at + 1), label, () => focusPanel(name))),
    withControl("k", "Find in the activity of all sources", find),
    character("/", "Find in the activity of all sources", find),
    withControl("j", "Go to Claude's question", openRequest),
    { keys: "A", does: "Allow what Claude asks for, in the question" },
    { keys: "D", does: "Deny it, in the question" },
    { keys: "1 2 3", does: "Choose an answer, in the question" },
    { keys: "Enter", does: "Send the message to Claude; with Shift, begin a new line" },
    { keys: "← ↑ → ↓", does: "Move between days, in the heatmap and in a schedule" },
  ]);
  document.body.toggleAttribute("data-twelve-hours", isTwelveHourClock);
  document.body.replaceChildren(
    head,
    h("div", { class: "banner-place" }, banner, accounts.banners),
    tabs(),
    panels,
    accounts.dialog,
    keys,
  );
  showPanel("today");
  showPanel("claude");
}

/** The open permission requests of all conversations. */
function openRequests(sidecar: PageSidecar) {
  return liveList<PermissionRequest>(sidecar, {
    load: () => sidecar.claude.permissions.list({ status: "open", limit: 100 }).then(({ requests }) => requests),
    key: ({ request_id }) => request_id,
    version: ({ version }) => version,
    changes: {
      "claude.permission_requested": ({ request }) => ({ put: request }),
      "claude.permission_resolved": ({ request }) => ({ put: request }),
    },
    keep: ({ status }) => status === "open",
    compare: (one, other) => one.created_at.localeCompare(other.created_at),
    limit: 100,
  });
}

function tabs(): HTMLElement {
  return h(
    "nav",
    { class: "tabs", "aria-label": "Panels" },
    ...TABS.map(([name, label]) => button(label, () => showPanel(name), { "data-tab": name })),
  );
}

/** In a window of medium width, Claude's panel is always shown, beside another one. */
const medium = matchMedia("(min-width: 760px) and (max-width: 1040px)");
medium.addEventListener("change", () => showPanel(document.body.dataset["tab"] ?? "claude"));

function showPanel(name: string): void {
  const { body } = document;
  body.dataset["tab"] = name;
  if (name !== "claude") body.dataset["side"] = name;
  const shown = medium.matches ? body.dataset["side"] : name;
  for (const tab of document.querySelectorAll(".tabs [data-tab]"))
    setAttribute(tab, "aria-current", tab.getAttribute("data-tab") === shown ? "page" : null);
}

function focusPanel(name: string): void {
  showPanel(name);
  document.getElementById(name)?.focus();
}

function find(): void {
  showPanel("activity");
  document.querySelector<HTMLInputElement>("input[type=search]")?.focus();
}

start(connectSidecar());
