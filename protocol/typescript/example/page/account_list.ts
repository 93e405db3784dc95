// Accounts of every service as one list, and how each stands.
import { liveList } from "sidecar-electron/renderer";
import type { AtlassianAccount, CalendarAccount, LiveList, PageSidecar } from "sidecar-electron/renderer";

export type Service = "google_calendar" | "ics" | "jira" | "confluence";

export interface Account {
  service: Service;
  accountId: string;
  /** What people call it. */
  name: string;
  email: string;
  status: AtlassianAccount["status"] | CalendarAccount["status"];
  /** Why it needs somebody, and what to do. */
  problem: string | null;
  lastSyncAt: string | null;
}

export const SERVICE_NAMES: Readonly<Record<Service, string>> = {
  google_calendar: "Google Calendar",
  ics: "Calendar address",
  jira: "Jira",
  confluence: "Confluence",
};

/** A service's reasons in words; what is not here is said by its hint, or in general. */
const REASONS: Readonly<Record<string, string>> = {
  token_rejected: "Its token is not accepted any more.",
  token_expires_soon: "Its token ends soon.",
  token_revoked: "Its sign-in was taken back.",
  token_expired: "Its sign-in has ended.",
  scope_missing: "It may not read calendars: allow that when you sign in.",
  client_rejected: "Google does not accept this app.",
  secret_unreadable: "Its stored sign-in cannot be read on this machine.",
  site_address_invalid: "Its address is not that of a site.",
};

export function accountList(sidecar: PageSidecar): LiveList<Account> {
  const list = liveList<Account>(sidecar, {
    load: () => load(sidecar),
    key: ({ service, accountId }) => `${service} ${accountId}`,
    changes: {},
  });
  sidecar.on("accounts.updated", () => void list.reload());
  // When an account was last synced is told by the end of its sync.
  sidecar.on("jobs.updated", ({ job }) => {
    if (job.type.endsWith(".sync") && job.finished_at !== null) void list.reload();
  });
  return list;
}

async function load({ calendar, jira, confluence }: PageSidecar): Promise<Account[]> {
  const lists = await Promise.all([calendar.accounts.list(), jira.accounts.list(), confluence.accounts.list()]);
  const [calendars, ...sites] = lists;
  return [...calendars.accounts.map(ofCalendar), ...sites.flatMap(({ accounts }) => accounts.map(ofSite))];
}

function ofCalendar(account: CalendarAccount): Account {
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

function ofSite(account: AtlassianAccount): Account {
  const { service, account_id: accountId, org: name, email, status, reason, hint, last_sync_at: lastSyncAt } = account;
  return {
    service,
    accountId,
    name,
    email,
    status,
    problem: problemOf(status, reason, hint),
    lastSyncAt,
  };
}

function problemOf(status: string, reason: string | null, hint: string | null): string | null {
  if (status !== "needs_reauth" && reason === null) return null;
  return [REASONS[reason ?? ""], hint].filter(Boolean).join(" ") || "It has to be connected again.";
}

/** The methods that every service has for its accounts. */
export function accountsOf({ calendar, jira, confluence }: PageSidecar, service: Service) {
  if (service === "jira") return jira.accounts;
  return service === "confluence" ? confluence.accounts : calendar.accounts;
}
