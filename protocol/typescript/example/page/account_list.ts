// The accounts of all services as one list.
import { liveList } from "sidecar-electron/renderer";
import type { AtlassianAccount, CalendarAccount, LiveList, PageSidecar } from "sidecar-electron/renderer";
import { clock } from "./format.ts";

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
  const { account_id: accountId, provider, email, display_name: name, status, last_sync_at: lastSyncAt } = account;
  const service = provider === "ics" ? "ics" : "google_calendar";
  return { service, accountId, email, name: name ?? email, status, problem: problemOf(account), lastSyncAt };
}

function fromAtlassianAccount(account: AtlassianAccount): Account {
  const { service, account_id: accountId, org: name, email, status, last_sync_at: lastSyncAt } = account;
  return { service, accountId, name, email, status, problem: problemOf(account), lastSyncAt };
}

function problemOf({ status, reason, hint, next_try_at }: AtlassianAccount | CalendarAccount): string | null {
  if (reason === null) return null;
  const next = status === "retrying" && next_try_at !== null ? ` Next try at ${clock(Date.parse(next_try_at))}.` : "";
  return (hint ?? "Connect it again.") + next;
}

/** Returns the methods for the accounts of a service. */
export function accountsOf({ calendar, jira, confluence }: PageSidecar, service: Service) {
  if (service === "jira") return jira.accounts;
  return service === "confluence" ? confluence.accounts : calendar.accounts;
}
