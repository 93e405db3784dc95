// The page: a header and four panels, side by side or, in a narrow window, one at a time.
import { connectSidecar, liveList } from "sidecar-electron/renderer";
import type { PageSidecar, PermissionRequest } from "sidecar-electron/renderer";
import { accountList } from "./account_list.ts";
import { accountsDialog } from "./accounts.ts";
import { activityPanel } from "./activity.ts";
import { agenda } from "./agenda.ts";
import { claudePanel } from "./claude.ts";
import { button, fill, h, setAttribute } from "./dom.ts";
import { jobsPanel } from "./jobs.ts";
import { sidecarStatus } from "./status.ts";
import { counted, isTwelveHourClock } from "./format.ts";

const TABS = [
  ["today", "Today"],
  ["jobs", "Jobs"],
  ["claude", "Claude"],
  ["activity", "Activity"],
] as const;

function start(sidecar: PageSidecar): void {
  const requests = openRequests(sidecar);
  const accounts = accountsDialog(sidecar, accountList(sidecar));
  const claude = claudePanel(sidecar, requests);
  const today = agenda(sidecar, accounts.open);
  const { badge, banner } = sidecarStatus(sidecar);
  const attention = h("div", { class: "attention-place", "aria-live": "polite" });
  requests.watch(() => {
    const [first] = requests.items();
    const label = `${counted(requests.items().length, "question")} from Claude`;
    fill(
      attention,
      first !== undefined &&
        button(label, () => (showPanel("claude"), claude.open(first.session_id)), { class: "attention" }),
    );
  });
  const head = h(
    "header",
    { class: "head" },
    today.date,
    attention,
    h("div", { class: "head-side" }, button("Accounts", accounts.open, { class: "plain" }), badge),
  );
  const panels = h("main", {}, today.element, jobsPanel(sidecar), claude.element, activityPanel(sidecar));
  document.body.toggleAttribute("data-twelve-hours", isTwelveHourClock);
  document.body.replaceChildren(
    head,
    h("div", { class: "banner-place" }, banner, accounts.banners),
    tabs(),
    panels,
    accounts.dialog,
  );
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

function showPanel(name: string): void {
  document.body.dataset["tab"] = name;
  for (const tab of document.querySelectorAll("[data-tab]"))
    if (tab !== document.body) setAttribute(tab, "aria-current", tab.getAttribute("data-tab") === name ? "page" : null);
}

/** Ctrl or Cmd with 1 to 4 focuses a panel, `/` the search. */
function onKey(event: KeyboardEvent): void {
  const isTyping = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
  const [name] = TABS[Number(event.key) - 1] ?? [];
  if (name !== undefined && (event.ctrlKey || event.metaKey)) {
    showPanel(name);
    document.getElementById(name)?.focus();
  } else if (event.key === "/" && !isTyping) {
    showPanel("activity");
    document.querySelector<HTMLInputElement>("input[type=search]")?.focus();
  } else return;
  event.preventDefault();
}

document.addEventListener("keydown", onKey);
start(connectSidecar());
