// The accounts dialog: lists, connects, reconnects, syncs and removes accounts.
import type { CalendarProvider, LiveList, PageSidecar } from "sidecar-electron/renderer";
import { accountsOf, SERVICE_NAMES } from "./account_list.ts";
import type { Account } from "./account_list.ts";
import { calendarChoice } from "./calendars.ts";
import { addressForm, newAddressForm, siteForm, tokenForm } from "./connect.ts";
import { button, confirmButton, fill, h, setAttribute } from "./dom.ts";
import { googleSignIn } from "./google.ts";
import { hintWords, NoticeArea } from "./notice.ts";
import { empty, listView } from "./panel.ts";
import { ago } from "./format.ts";

export interface Accounts {
  dialog: HTMLDialogElement;
  /** A banner for each account that must be connected again. */
  banners: HTMLElement;
  open(): void;
}

export function accountsDialog(sidecar: PageSidecar, list: LiveList<Account>): Accounts {
  const notices = new NoticeArea();
  const rows = h("div", { class: "account-list" });
  const connect = connectSection(sidecar);
  const close = button("Close", () => dialog.close(), { class: "quiet-button" });
  const head = h("header", {}, h("h2", { id: "accounts-title" }, "Accounts"), close);
  const dialog = h(
    "dialog",
    { class: "accounts", "aria-labelledby": "accounts-title" },
    head,
    notices.element,
    rows,
    connect.element,
  );
  const createRow = (account: Account) => accountRow(sidecar, notices, account);
  const show = listView(rows, list, {
    label: "Accounts",
    key: ({ service, accountId, status }) => `${service} ${accountId} ${status}`,
    row: createRow,
    nothing: () => empty("No account is connected yet. Connect one to see its events in your day and in the feed."),
  });
  const open = (): void => {
    show(); // "5 min ago"
    dialog.showModal();
    void connect.reload();
  };
  return { dialog, open, banners: reconnectBanners(list, open) };
}

function reconnectBanners(list: LiveList<Account>, open: () => void): HTMLElement {
  const banners = h("div", { class: "banners", "aria-live": "polite" });
  list.watch(() => {
    const accounts = list.items().filter(({ status }) => status === "needs_reauth");
    fill(
      banners,
      ...accounts.map(({ service, name, problem }) =>
        h(
          "div",
          { class: "banner" },
          h("strong", {}, `${SERVICE_NAMES[service]}: ${name}`),
          h("span", {}, ...hintWords(problem ?? "")),
          button("Connect again", open, { class: "plain" }),
        ),
      ),
    );
  });
  return banners;
}

/** The forms for connecting accounts; a provider that is not set up shows the reason instead. */
function connectSection(sidecar: PageSidecar): { element: HTMLElement; reload: () => Promise<void> } {
  const formArea = h("div", { class: "connect-form" });
  const choices = h("div", { class: "connect-choices" });
  const notices = new NoticeArea();
  const createChoice = (label: string, createForm: (done: () => void) => HTMLElement): HTMLElement => {
    const done = (): void => {
      fill(formArea);
      setAttribute(choice, "aria-expanded", "false");
    };
    const open = (): void => {
      for (const other of choices.children) setAttribute(other, "aria-expanded", String(other === choice));
      fill(formArea, createForm(done));
      formArea.querySelector<HTMLElement>("input, button")?.focus();
    };
    const choice = button(label, open, { class: "plain", "aria-expanded": "false" });
    return choice;
  };
  const reload = async (): Promise<void> => {
    fill(formArea);
    const found = await notices.attempt(() => sidecar.calendar.providers.list());
    const providers = (found?.providers ?? []).map((one) =>
      createChoice(one.name, (done) => providerForm(sidecar, one, done)),
    );
    fill(
      choices,
      ...providers,
      createChoice("Jira and Confluence", (done) => siteForm(sidecar, done)),
    );
  };
  const heading = h("h3", { id: "connect-title" }, "Connect");
  const parts = [heading, notices.element, choices, formArea];
  return { element: h("section", { class: "connect", "aria-labelledby": "connect-title" }, ...parts), reload };
}

function providerForm(sidecar: PageSidecar, provider: CalendarProvider, done: () => void): HTMLElement {
  const { name, auth, available, reason } = provider;
  if (!available) return h("p", { class: "hint form" }, `${name} is not set up in this app. ${reason ?? ""}`);
  return auth === "oauth" ? googleSignIn(sidecar, {}, done) : addressForm(sidecar, provider.id, done);
}

function accountRow(
  sidecar: PageSidecar,
  notices: NoticeArea,
  account: Account,
): { element: HTMLElement; update: (account: Account) => void } {
  const { service, accountId, status } = account;
  const methods = accountsOf(sidecar, service);
  const facts = h("p", { class: "account-facts" });
  const actions = h(
    "div",
    { class: "account-actions" },
    status !== "deleting" &&
      button("Sync now", () => notices.attempt<unknown>(() => methods.sync({ account_id: accountId })), {
        class: "quiet-button",
      }),
    status !== "deleting" &&
      confirmButton("Remove", "Remove account and events?", () =>
        notices.attempt(() => methods.delete({ account_id: accountId })),
      ),
  );
  const name = h(
    "p",
    {},
    h("span", { class: "feed-mark", "aria-hidden": "true" }),
    h("strong", {}, account.name),
    h("span", { class: "hint" }, SERVICE_NAMES[service]),
  );
  const below = h(
    "div",
    { class: "account-below" },
    // A refused account heals by itself, but a user who knows the reason need not wait for that.
    status === "needs_reauth" || status === "retrying"
      ? reconnect(sidecar, account)
      : isCalendar(account) && calendarChoice(sidecar, accountId),
  );
  const element = h(
    "li",
    { class: "account", "data-source": service, "data-status": status },
    h("div", { class: "account-words" }, name, facts),
    actions,
    below,
  );
  const update = ({ email, name: title, lastSyncAt, problem }: Account): void => {
    const synced = lastSyncAt === null ? "not synced yet" : `synced ${ago(lastSyncAt)}`;
    const state = status === "deleting" ? "being removed" : (problem ?? synced);
    fill(facts, email !== title && `${email} · `, ...hintWords(state));
  };
  update(account);
  return { element, update };
}

const isCalendar = ({ service }: Account): boolean => service === "google_calendar" || service === "ics";

/** The form for connecting an account again. */
function reconnect(sidecar: PageSidecar, { service, accountId }: Account): HTMLElement {
  if (service === "google_calendar") return googleSignIn(sidecar, { account_id: accountId }, () => undefined);
  if (service === "ics") return newAddressForm(sidecar, accountId);
  return tokenForm(sidecar[service], accountId);
}
