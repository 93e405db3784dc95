// The accounts of all services as one list.
import { liveList } from "sidecar-electron/renderer";
import type { AtlassianAccount, CalendarAccount, LiveList, PageSidecar } from "sidecar-electron/renderer";

export type Service = "google_calendar" | "ics" | "jira" | "confluence";

export interface Account {
  service: Service;
  accountId: string;
  name: string;
  email: string;
  status: AtlassianAccount["status"] | CalendarAccount["status"];
  /** Why the account does not work, and what to do; null if it works. */
  problem: string | null;
  lastSyncAt: string | null;
}

export const SERVICE_NAMES: Readonly<Record<Service, string>> = {
  google_calendar: "Google Calendar",
  ics: "Calendar address",
  jira: "Jira",
  confluence: "Confluence",
};

/** Texts for the reasons of services; other reasons are described by their hint. */
const REASONS: Readonly<Record<string, string>> = {
  token_rejected: "Its token is no longer accepted.",
  token_expires_soon: "Its token expires soon.",
  token_revoked: "Its access was revoked.",
  token_expired: "Its sign-in has expired.",
  scope_missing: "It has no permission to read calendars. Grant it when you sign in.",
  client_rejected: "Google does not accept this app.",
  secret_unreadable: "Its stored credentials cannot be read on this machine.",
  site_address_invalid: "Its address is not an Atlassian site.",
};

export function accountList(sidecar: PageSidecar): LiveList<Account> {
  const list = liveList<Account>(sidecar, {
    load: () => load(sidecar),
    key: ({ service, accountId }) => `${service} ${accountId}`,
    changes: {},
  });
  sidecar.on("accounts.updated", () => void list.reload());
  // A finished sync changes the time of the last sync.
  sidecar.on("jobs.updated", ({ job }) => {
    if (job.type.endsWith(".sync") && job.finished_at !== null) void list.reload();
  });
  return list;
}

async function load({ calendar, jira, confluence }: PageSidecar): Promise<Account[]> {
  const lists = await Promise.all([calendar.accounts.list(), jira.accounts.list(), confluence.accounts.list()]);
  const [calendars, ...sites] = lists;
  return [
    ...calendars.accounts.map(fromCalendarAccount),
    ...sites.flatMap(({ accounts }) => accounts.map(fromAtlassianAccount)),
  ];
}

function fromCalendarAccount(account: CalendarAccount): Account {
  const {
    account_id: accountId,
    provider,
    email,
    display_name: name,
    status,
    reason,
    hint,
    last_sync_at: lastSyncAt,
  } = account;
  const service = provider === "ics" ? "ics" : "google_calendar";
  return {
    service,
    accountId,
    email,
    name: name ?? email,
    status,
    problem: problemOf(status, reason, hint),
    lastSyncAt,
  };
}

function fromAtlassianAccount(account: AtlassianAccount): Account {
  const { service, account_id: accountId, org: name, email, status, reason, hint, last_sync_at: lastSyncAt } = account;
  return { service, accountId, name, email, status, problem: problemOf(status, reason, hint), lastSyncAt };
}

function problemOf(status: string, reason: string | null, hint: string | null): string | null {
  if (status !== "needs_reauth" && reason === null) return null;
  return [REASONS[reason ?? ""], hint].filter(Boolean).join(" ") || "Connect it again.";
}

/** Returns the methods for the accounts of a service. */
export function accountsOf({ calendar, jira, confluence }: PageSidecar, service: Service) {
  if (service === "jira") return jira.accounts;
  return service === "confluence" ? confluence.accounts : calendar.accounts;
}
