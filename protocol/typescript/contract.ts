// Generated from protocol/sidecar_protocol.  Do not edit; run `uv run sidecar schema`.

export const PROTOCOL_VERSION = 1;

/** Pass it to initialize as `schema_hash`; the result's `schema_match` is true if both sides have this contract. */
export const SCHEMA_HASH = "e866f249c60f7c06";

/** Any JSON value: data whose form the contract does not know. */
export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;

/** A received JSON object. */
export interface JsonObject {
  [key: string]: JsonValue;
}

/** A JSON object to send, of any interface type. */
export type JsonInput = object;

/** Options of a request, allowed with any method. */
export interface Meta {
  /** Identifies the request in its $/progress notifications. */
  progress_token?: number | string | null;
  /** Time limit; when it has passed, the server cancels the request and responds with -32802. */
  timeout_ms?: number | null;
  /** W3C trace context, written to the log. */
  traceparent?: string | null;
}

/** A page of events, newest first. */
export interface ActivityPage {
  events: ActivityEvent[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** An event of the activity feed. */
export interface ActivityEvent {
  event_id: string;
  /** google_calendar, ics, jira, confluence or claude. */
  source: string;
  /** `local` for events on this computer. */
  account_id: string;
  /** The object and what happened to it, for example `issue_transitioned` or `event_scheduled`. */
  event_type: string;
  title: string | null;
  description: string | null;
  url: string | null;
  actor: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  event_time: string | null;
  /** The same time in seconds since 1970. */
  event_ts: number | null;
  /** When it ended or will end, if it has a duration, such as a meeting or logged work. */
  ended_at: string | null;
  /** The first day of an all-day event, for example `2026-11-25`, in every time zone; null for other events. */
  local_date: string | null;
  /** The day after an all-day event's last day; null if it has one day. */
  local_end_date: string | null;
  /** Whether the account's owner did it. */
  by_me: boolean;
  /** The id of the calendar, project or space. */
  container_id: string | null;
  /** The name of the calendar, project or space. */
  container: string | null;
  /** The id of the page or of the series of meetings that several events are about. */
  object_id: string | null;
  /** The issue that it is about, according to Jira. */
  issue_key: string | null;
  /**
   * The status after this event: the name of an issue's status; for a meeting confirmed, tentative, declined or
   * cancelled.
   */
  status: string | null;
  /** The issue's status before this event. */
  previous_status: string | null;
  /** The meaning of an issue's status: todo, doing, done or blocked. */
  status_kind: string | null;
  /** The keys of other issues that it is linked with, or whose keys occur in its texts. */
  links: string[];
  /** 1, incremented each time that the event is updated. */
  version: number;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  updated_at: string;
  /** Further data from the source. */
  raw: JsonValue;
}

/** A page of search results, newest first. */
export interface ActivityHits {
  hits: ActivityHit[];
  /** Null on the last page.  Otherwise continue, even if this page is empty. */
  next_cursor: string | null;
}

/** An event that a search found, with an excerpt to show. */
export interface ActivityHit {
  event_id: string;
  /** google_calendar, ics, jira, confluence or claude. */
  source: string;
  /** `local` for events on this computer. */
  account_id: string;
  /** The object and what happened to it, for example `issue_transitioned` or `event_scheduled`. */
  event_type: string;
  title: string | null;
  description: string | null;
  url: string | null;
  actor: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  event_time: string | null;
  /** The same time in seconds since 1970. */
  event_ts: number | null;
  /** When it ended or will end, if it has a duration, such as a meeting or logged work. */
  ended_at: string | null;
  /** The first day of an all-day event, for example `2026-11-25`, in every time zone; null for other events. */
  local_date: string | null;
  /** The day after an all-day event's last day; null if it has one day. */
  local_end_date: string | null;
  /** Whether the account's owner did it. */
  by_me: boolean;
  /** The id of the calendar, project or space. */
  container_id: string | null;
  /** The name of the calendar, project or space. */
  container: string | null;
  /** The id of the page or of the series of meetings that several events are about. */
  object_id: string | null;
  /** The issue that it is about, according to Jira. */
  issue_key: string | null;
  /**
   * The status after this event: the name of an issue's status; for a meeting confirmed, tentative, declined or
   * cancelled.
   */
  status: string | null;
  /** The issue's status before this event. */
  previous_status: string | null;
  /** The meaning of an issue's status: todo, doing, done or blocked. */
  status_kind: string | null;
  /** The keys of other issues that it is linked with, or whose keys occur in its texts. */
  links: string[];
  /** 1, incremented each time that the event is updated. */
  version: number;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  updated_at: string;
  /** Further data from the source. */
  raw: JsonValue;
  /** An excerpt of the description around the first match, or of the title if the description has no match. */
  snippet: string;
  highlights: Highlight[];
}

/** A match within a snippet.  In UTF-16 code units: `snippet.slice(start, end)` in JavaScript. */
export interface Highlight {
  start: number;
  end: number;
}

/**
 * The format of a summary.
 *
 * - `markdown`: Data, and the same as text in `markdown`.
 */
export const SummaryFormat = {
  DATA: "data",
  /** Data, and the same as text in `markdown`. */
  MARKDOWN: "markdown",
} as const;
/**
 * The format of a summary.
 *
 * - `markdown`: Data, and the same as text in `markdown`.
 */
export type SummaryFormat = "data" | "markdown";

/**
 * How a summary is divided into parts.
 *
 * - `project`: The project of the event's issue, or of the first issue that it mentions; otherwise its Confluence
 * space, the
 * working folder of Claude, or its calendar.
 */
export const SummaryGroup = {
  DAY: "day",
  /**
   * The project of the event's issue, or of the first issue that it mentions; otherwise its Confluence space, the
   * working folder of Claude, or its calendar.
   */
  PROJECT: "project",
} as const;
/**
 * How a summary is divided into parts.
 *
 * - `project`: The project of the event's issue, or of the first issue that it mentions; otherwise its Confluence
 * space, the
 * working folder of Claude, or its calendar.
 */
export type SummaryGroup = "day" | "project";

/** The work of the accounts' owner in a time range, in the order in which it happened. */
export interface ActivitySummary {
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  start: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  end: string;
  time_zone: string;
  /** The local date of `start`. */
  first_date: string;
  /** The local date of the last moment before `end`. */
  last_date: string;
  group: SummaryGroup;
  totals: SummaryTotals;
  /** The days or projects with events. */
  parts: SummaryPart[];
  /** Issues of this summary that are in progress now. */
  next_issues: SummaryIssue[];
  /** The meetings of the first day after `end` that has any, within a week. */
  next_meetings: SummaryMeeting[];
  /** Issues of this summary that are blocked now. */
  blocked_issues: SummaryIssue[];
  markdown: string | null;
}

/** The totals of a part, or of the whole summary. */
export interface SummaryTotals {
  meetings: number;
  /** Seconds in meetings; meetings at the same time count once. */
  meeting_s: number;
  issues: number;
  /** Issues that the owner moved to a done status and that have not been reopened. */
  issues_done: number;
  worked_s: number;
  pages: number;
  runs: number;
  runs_failed: number;
  cost_usd: number;
  /** The number of all other events. */
  other: number;
}

/** One day or one project. */
export interface SummaryPart {
  /** The date, for example `2026-11-25`, or the project's name; empty for events without a project. */
  name: string;
  totals: SummaryTotals;
  all_day: SummaryAllDay[];
  meetings: SummaryMeeting[];
  issues: SummaryIssue[];
  pages: SummaryPage[];
  runs: SummaryRun[];
}

/** An all-day event. */
export interface SummaryAllDay {
  /** The event of the feed. */
  event_id: string | null;
  title: string;
  first_date: string;
  /** Equal to `first_date` if it has one day. */
  last_date: string;
  calendar: string | null;
}

/** A meeting that was neither cancelled nor declined. */
export interface SummaryMeeting {
  /** The event of the feed. */
  event_id: string | null;
  title: string;
  date: string;
  /** Local time in the time zone, for example 09:30. */
  starts: string;
  ends: string | null;
  duration_s: number;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  event_time: string;
  is_tentative: boolean;
  calendar: string | null;
  url: string | null;
  /** Issues that it mentions. */
  links: string[];
}

/** The work on one issue. */
export interface SummaryIssue {
  issue_key: string;
  title: string;
  url: string | null;
  project: string;
  is_created: boolean;
  /** Its status before the owner's first transition; null if there was none. */
  from_status: string | null;
  /** Its status after the owner's last transition. */
  to_status: string | null;
  /**
   * Its state, according to everybody's changes: todo, doing, done or blocked.  In a part it is the state at the end
   * of the day or of the summary; in `next_issues` and `blocked_issues`, the current one.
   */
  status_kind: string | null;
  changes: number;
  comments: number;
  /** Seconds of logged work. */
  worked_s: number;
}

/** The work on one page. */
export interface SummaryPage {
  /** The newest of its events in the feed. */
  event_id: string | null;
  title: string;
  url: string | null;
  space: string | null;
  is_created: boolean;
  edits: number;
  comments: number;
}

/** Runs and turns of Claude with the same prompt. */
export interface SummaryRun {
  /** The newest of its events in the feed. */
  event_id: string | null;
  title: string;
  runs: number;
  failed: number;
  cost_usd: number;
  duration_s: number;
  /** Issues that the prompt mentions. */
  links: string[];
}

/** All local days of a time range, including days without events. */
export interface ActivityHeatmap {
  days: HeatmapDay[];
  total: number;
  /** The count of the busiest day. */
  highest: number;
}

/** The number of events of one local day. */
export interface HeatmapDay {
  date: string;
  count: number;
}

/** All calendar providers. */
export interface CalendarProviderList {
  providers: CalendarProvider[];
}

/** A source of calendars. */
export interface CalendarProvider {
  id: "google" | "ics";
  name: string;
  auth: CalendarAuth;
  available: boolean;
  /** Why it is not available, for the developer of the app; null if it is. */
  reason: string | null;
  /** The keys of `credentials` in `calendar.accounts.create`, each with its meaning: `key: meaning`. */
  credentials: string[];
}

/**
 * How an account of a provider is connected.
 *
 * - `oauth`: A sign-in in the browser.
 * - `address`: A secret address in `credentials`.
 */
export const CalendarAuth = {
  /** A sign-in in the browser. */
  OAUTH: "oauth",
  /** A secret address in `credentials`. */
  ADDRESS: "address",
} as const;
/**
 * How an account of a provider is connected.
 *
 * - `oauth`: A sign-in in the browser.
 * - `address`: A secret address in `credentials`.
 */
export type CalendarAuth = "oauth" | "address";

/** An account at a calendar provider.  Its credentials are never sent. */
export interface CalendarAccount {
  account_id: string;
  email: string;
  status: AccountStatus;
  /** Why the status is not `active`, or why it will not stay so. */
  reason: AccountReason | null;
  /** Suggested action for the user. */
  hint: string | null;
  /** When it is tried again, while its status is `retrying` or `needs_reauth`. */
  next_try_at: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  last_sync_at: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  updated_at: string;
  /** `google` or `ics`. */
  provider: "google" | "ics";
  display_name: string | null;
  /** Days before today that are synced, in the zone of the account's main calendar.  Older stored events remain. */
  past_days: number;
  /** Days after today that are synced. */
  future_days: number;
}

/**
 * The state of an account.
 *
 * - `active`: It is synced periodically.
 * - `retrying`: Its service has refused it, which may pass: it is tried again at `next_try_at`, at a slower pace than
 * usual.
 *
 * A sync that succeeds makes it active.  If the service refuses it again an hour later, its status becomes
 * `needs_reauth`, unless another sign-in could not help: Google, Jira or Confluence denies this network.
 * - `needs_reauth`: Its service keeps refusing it: the user should connect it again; see `hint`.
 *
 * It is still tried, a few times a day, and a sync that succeeds makes it active.
 * - `deleting`: Its data is being deleted, and then the account itself.
 * - `deleted`: It was deleted.  Only in the last `accounts.updated` of an account.
 */
export const AccountStatus = {
  /** It is synced periodically. */
  ACTIVE: "active",
  /**
   * Its service has refused it, which may pass: it is tried again at `next_try_at`, at a slower pace than usual.
   *
   * A sync that succeeds makes it active.  If the service refuses it again an hour later, its status becomes
   * `needs_reauth`, unless another sign-in could not help: Google, Jira or Confluence denies this network.
   */
  RETRYING: "retrying",
  /**
   * Its service keeps refusing it: the user should connect it again; see `hint`.
   *
   * It is still tried, a few times a day, and a sync that succeeds makes it active.
   */
  NEEDS_REAUTH: "needs_reauth",
  /** Its data is being deleted, and then the account itself. */
  DELETING: "deleting",
  /** It was deleted.  Only in the last `accounts.updated` of an account. */
  DELETED: "deleted",
} as const;
/**
 * The state of an account.
 *
 * - `active`: It is synced periodically.
 * - `retrying`: Its service has refused it, which may pass: it is tried again at `next_try_at`, at a slower pace than
 * usual.
 *
 * A sync that succeeds makes it active.  If the service refuses it again an hour later, its status becomes
 * `needs_reauth`, unless another sign-in could not help: Google, Jira or Confluence denies this network.
 * - `needs_reauth`: Its service keeps refusing it: the user should connect it again; see `hint`.
 *
 * It is still tried, a few times a day, and a sync that succeeds makes it active.
 * - `deleting`: Its data is being deleted, and then the account itself.
 * - `deleted`: It was deleted.  Only in the last `accounts.updated` of an account.
 */
export type AccountStatus = "active" | "retrying" | "needs_reauth" | "deleting" | "deleted";

/**
 * Why an account is not active, or is about to be no longer.
 *
 * - `access_denied`: The service answers 403: it does not allow this network (IP allow-list, VPN), or the user lost the
 * access.
 * - `address_rejected`: Nothing is found at its address (404, 410), or a calendar's secret address is refused.
 * - `site_moved`: The site redirects elsewhere; `jira.accounts.update` and `confluence.accounts.update` take its new
 * address.
 * - `site_address_invalid`: The stored address is not that of an Atlassian site.
 * - `file_missing`: The calendar's file cannot be read.
 * - `token_rejected`: The service does not accept the token (401).
 * - `token_refused`: Google did not renew the sign-in, for a reason that the hint names.
 * - `token_revoked`: Google has ended the sign-in: it was revoked, or not used for six months.
 * - `token_expired`: Google has ended the sign-in after seven days, as it does for projects in status Testing.
 * - `token_missing`: The account has no refresh token.
 * - `token_expires_soon`: The account is active, but its token expires within 14 days.
 * - `session_ended`: The Google account's organisation requires a new sign-in from time to time.
 * - `scope_missing`: The sign-in does not include permission to read calendars.
 * - `client_rejected`: Google does not accept the app's OAuth client.
 * - `secret_unreadable`: The stored credentials cannot be decrypted with this computer's key.
 */
export const AccountReason = {
  /** The service answers 403: it does not allow this network (IP allow-list, VPN), or the user lost the access. */
  ACCESS_DENIED: "access_denied",
  /** Nothing is found at its address (404, 410), or a calendar's secret address is refused. */
  ADDRESS_REJECTED: "address_rejected",
  /** The site redirects elsewhere; `jira.accounts.update` and `confluence.accounts.update` take its new address. */
  SITE_MOVED: "site_moved",
  /** The stored address is not that of an Atlassian site. */
  SITE_ADDRESS_INVALID: "site_address_invalid",
  /** The calendar's file cannot be read. */
  FILE_MISSING: "file_missing",
  /** The service does not accept the token (401). */
  TOKEN_REJECTED: "token_rejected",
  /** Google did not renew the sign-in, for a reason that the hint names. */
  TOKEN_REFUSED: "token_refused",
  /** Google has ended the sign-in: it was revoked, or not used for six months. */
  TOKEN_REVOKED: "token_revoked",
  /** Google has ended the sign-in after seven days, as it does for projects in status Testing. */
  TOKEN_EXPIRED: "token_expired",
  /** The account has no refresh token. */
  TOKEN_MISSING: "token_missing",
  /** The account is active, but its token expires within 14 days. */
  TOKEN_EXPIRES_SOON: "token_expires_soon",
  /** The Google account's organisation requires a new sign-in from time to time. */
  SESSION_ENDED: "session_ended",
  /** The sign-in does not include permission to read calendars. */
  SCOPE_MISSING: "scope_missing",
  /** Google does not accept the app's OAuth client. */
  CLIENT_REJECTED: "client_rejected",
  /** The stored credentials cannot be decrypted with this computer's key. */
  SECRET_UNREADABLE: "secret_unreadable",
} as const;
/**
 * Why an account is not active, or is about to be no longer.
 *
 * - `access_denied`: The service answers 403: it does not allow this network (IP allow-list, VPN), or the user lost the
 * access.
 * - `address_rejected`: Nothing is found at its address (404, 410), or a calendar's secret address is refused.
 * - `site_moved`: The site redirects elsewhere; `jira.accounts.update` and `confluence.accounts.update` take its new
 * address.
 * - `site_address_invalid`: The stored address is not that of an Atlassian site.
 * - `file_missing`: The calendar's file cannot be read.
 * - `token_rejected`: The service does not accept the token (401).
 * - `token_refused`: Google did not renew the sign-in, for a reason that the hint names.
 * - `token_revoked`: Google has ended the sign-in: it was revoked, or not used for six months.
 * - `token_expired`: Google has ended the sign-in after seven days, as it does for projects in status Testing.
 * - `token_missing`: The account has no refresh token.
 * - `token_expires_soon`: The account is active, but its token expires within 14 days.
 * - `session_ended`: The Google account's organisation requires a new sign-in from time to time.
 * - `scope_missing`: The sign-in does not include permission to read calendars.
 * - `client_rejected`: Google does not accept the app's OAuth client.
 * - `secret_unreadable`: The stored credentials cannot be decrypted with this computer's key.
 */
export type AccountReason = "access_denied" | "address_rejected" | "site_moved" | "site_address_invalid" | "file_missing" | "token_rejected" | "token_refused" | "token_revoked" | "token_expired" | "token_missing" | "token_expires_soon" | "session_ended" | "scope_missing" | "client_rejected" | "secret_unreadable";

/** The account that was deleted. */
export interface CalendarAccountDeleted {
  account_id: string;
  /** Whether the sign-in was revoked at the provider.  It is not if another account uses it. */
  revoked: boolean;
}

/** The fields that jobs of every type and status have. */
export interface JobFields {
  job_id: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  updated_at: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  started_at: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  finished_at: string | null;
  /** Earliest time to start it.  Null to start it as soon as possible. */
  run_at: string | null;
  /** Jobs of higher priority start first. */
  priority: number;
  /** The number of the current attempt; 0 before the first. */
  attempt: number;
  max_attempts: number;
  /** How many times it was queued again because the sidecar ended while it was running. */
  recoveries: number;
  /** Why it is waiting.  Null if it waits only for `run_at`, or does not wait. */
  waiting_for: WaitingFor | null;
  /** The schedule that created it. */
  schedule_id: string | null;
  /** 0.0 to 1.0. */
  progress: number | null;
  /** A short description of what it is doing, or of how it ended. */
  message: string | null;
  cancel_requested: boolean;
  /** Incremented with every change: of two snapshots, the one with the higher version is newer. */
  version: number;
}

/** A job in the durable queue. */
export type Job<Type extends JobType = JobType> = {
  [T in Type]: JobFields & { type: T; payload: JobTypes[T]["payload"] } & JobOutcome<T>;
}[Type];

/** A job whose type this version does not know: of a newer sidecar, or of the old backend.  `unknownJob` finds it. */
export interface UnknownJob extends JobFields {
  type: string;
  status: JobStatus;
  payload: JsonValue;
  result: JsonValue;
  error: JobError<string> | null;
}

/**
 * The state of a job.  `queued` and `running` are live, all others final.
 *
 * - `queued`: Waits for a free slot, or for `run_at`.
 * - `cancelled`: Stopped by `jobs.cancel`.
 * - `interrupted`: Stopped because the sidecar ended while the job was running.
 */
export const JobStatus = {
  /** Waits for a free slot, or for `run_at`. */
  QUEUED: "queued",
  RUNNING: "running",
  SUCCEEDED: "succeeded",
  FAILED: "failed",
  /** Stopped by `jobs.cancel`. */
  CANCELLED: "cancelled",
  /** Stopped because the sidecar ended while the job was running. */
  INTERRUPTED: "interrupted",
} as const;
/**
 * The state of a job.  `queued` and `running` are live, all others final.
 *
 * - `queued`: Waits for a free slot, or for `run_at`.
 * - `cancelled`: Stopped by `jobs.cancel`.
 * - `interrupted`: Stopped because the sidecar ended while the job was running.
 */
export type JobStatus = "queued" | "running" | "succeeded" | "failed" | "cancelled" | "interrupted";

/**
 * Why a queued job cannot be started, or why a running job makes no progress.
 *
 * - `lock`: Another job holds the lock that it needs, for example that of the same Claude session, or keeps it while it
 * waits
 * for a usage limit.
 * - `network`: The network is unavailable.
 * - `rate_limit`: A service refused further requests for now.
 * - `approval`: It is running and waits for the user's decision: `claude.permissions.list`.
 * - `capacity`: It is due and starts as soon as there is a place for it.  Only the answers of requests tell this.
 * - `pause`: The queue is paused: `jobs.queue.resume`.  Only the answers of requests tell this.
 * - `retry`: The last attempt failed; the next one starts at `run_at`.
 */
export const WaitingFor = {
  /**
   * Another job holds the lock that it needs, for example that of the same Claude session, or keeps it while it waits
   * for a usage limit.
   */
  LOCK: "lock",
  /** The network is unavailable. */
  NETWORK: "network",
  /** A service refused further requests for now. */
  RATE_LIMIT: "rate_limit",
  /** It is running and waits for the user's decision: `claude.permissions.list`. */
  APPROVAL: "approval",
  /** It is due and starts as soon as there is a place for it.  Only the answers of requests tell this. */
  CAPACITY: "capacity",
  /** The queue is paused: `jobs.queue.resume`.  Only the answers of requests tell this. */
  PAUSE: "pause",
  /** The last attempt failed; the next one starts at `run_at`. */
  RETRY: "retry",
} as const;
/**
 * Why a queued job cannot be started, or why a running job makes no progress.
 *
 * - `lock`: Another job holds the lock that it needs, for example that of the same Claude session, or keeps it while it
 * waits
 * for a usage limit.
 * - `network`: The network is unavailable.
 * - `rate_limit`: A service refused further requests for now.
 * - `approval`: It is running and waits for the user's decision: `claude.permissions.list`.
 * - `capacity`: It is due and starts as soon as there is a place for it.  Only the answers of requests tell this.
 * - `pause`: The queue is paused: `jobs.queue.resume`.  Only the answers of requests tell this.
 * - `retry`: The last attempt failed; the next one starts at `run_at`.
 */
export type WaitingFor = "lock" | "network" | "rate_limit" | "approval" | "capacity" | "pause" | "retry";

/** Why a job did not succeed. */
export interface JobError<Kind extends string = JobErrorKind> {
  /** A stable identifier; each job type has a closed list of them. */
  kind: Kind;
  message: string;
  /** Suggested action for the user. */
  hint: string | null;
  retryable: boolean;
  details: JsonObject | null;
}

/** A calendar of an account. */
export interface Calendar {
  account_id: string;
  calendar_id: string;
  name: string;
  description: string | null;
  /** Whether it is the account's main calendar. */
  is_primary: boolean;
  /** The account's access as the provider names it: `owner`, `writer`, `reader`, `freeBusyReader`. */
  access_role: string | null;
  background_color: string | null;
  foreground_color: string | null;
  /** IANA name. */
  time_zone: string | null;
  /** Whether the user wants to see it.  A deselected calendar is not synced, and its events are hidden. */
  selected: boolean;
  /** Why the last sync could not read this calendar; null if it could. */
  sync_error: CalendarSyncError | null;
  /** Events that the last complete read left out because they could not be read.  The sync's log names them. */
  skipped_events: number;
  /**
   * Events that are stored although a part of them could not be followed, such as an unknown time zone or an invalid
   * recurrence rule; they may differ from the original.  The sync's log names them.
   */
  adjusted_events: number;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  last_sync_at: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  updated_at: string;
}

/**
 * Why a single calendar of an account cannot be synced.
 *
 * - `not_found`: It was deleted, or is no longer shared with the account.
 * - `forbidden`: The account may not read it.
 */
export const CalendarSyncError = {
  /** It was deleted, or is no longer shared with the account. */
  NOT_FOUND: "not_found",
  /** The account may not read it. */
  FORBIDDEN: "forbidden",
} as const;
/**
 * Why a single calendar of an account cannot be synced.
 *
 * - `not_found`: It was deleted, or is no longer shared with the account.
 * - `forbidden`: The account may not read it.
 */
export type CalendarSyncError = "not_found" | "forbidden";

/** All calendar accounts, oldest first. */
export interface CalendarAccountList {
  accounts: CalendarAccount[];
}

/** Calendars by account; the primary one first, then by name. */
export interface CalendarList {
  calendars: Calendar[];
}

/** Events by start. */
export interface CalendarEventPage {
  events: CalendarEvent[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/**
 * A calendar event, or one occurrence of a recurring event.  `event_id` is unique only within its calendar.
 *
 * The end is exclusive.  An all-day event has the same dates in every time zone: use `start_time` and `end_time`.  Its
 * `start_ts` and `end_ts` are midnights in the time zone of the account's primary calendar.
 */
export interface CalendarEvent {
  account_id: string;
  calendar_id: string;
  event_id: string;
  title: string | null;
  /** May be HTML. */
  description: string | null;
  /** The provider's value, ISO 8601; a date without a time if the event lasts all day. */
  start_time: string | null;
  end_time: string | null;
  /** The start in seconds since 1970. */
  start_ts: number;
  end_ts: number;
  all_day: boolean;
  location: string | null;
  conference_url: string | null;
  visibility: string | null;
  /** `confirmed`, `tentative` or `cancelled`. */
  status: "confirmed" | "tentative" | "cancelled" | null;
  /** Who organises it, in Google's form, which other providers' events have too. */
  organizer: { email?: string; displayName?: string; self?: boolean; responseStatus?: "accepted" | "declined" | "tentative" | "needsAction"; organizer?: boolean; optional?: boolean; resource?: boolean } | null;
  /** At most 300 people who are invited, in the same form.  Null if it has no attendees. */
  attendees: Array<{ email?: string; displayName?: string; self?: boolean; responseStatus?: "accepted" | "declined" | "tentative" | "needsAction"; organizer?: boolean; optional?: boolean; resource?: boolean }> | null;
  html_link: string | null;
  /** IANA name; null for the calendar's time zone. */
  time_zone: string | null;
  /** Google's `eventType`: `default`, `focusTime`, `outOfOffice`, `workingLocation`, `birthday`, `fromGmail`. */
  event_type: string | null;
  /** `transparent` if the event does not block time. */
  transparency: "opaque" | "transparent" | null;
  /** The owner's response: `accepted`, `declined`, `tentative` or `needsAction`; null if the owner is not invited. */
  response_status: "accepted" | "declined" | "tentative" | "needsAction" | null;
  /** Shared by the copies of an event in several calendars, and by all occurrences of a recurring event. */
  ical_uid: string | null;
  /** The recurring event that it is an occurrence of. */
  recurring_event_id: string | null;
  /** The start that the recurrence rule gives this occurrence, even if it was moved. */
  original_start_time: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  updated_at: string;
}

/** A sign-in that was started. */
export interface SignInStarted {
  /** The page to open in the user's default browser. */
  authorization_url: string;
  /** Identifies a sign-in; returned by `start`. */
  state: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  expires_at: string;
}

/** The state of a sign-in after its redirect. */
export interface SignInReturned {
  /** Identifies a sign-in; returned by `start`. */
  state: string;
  status: SignInStatus;
}

/**
 * The state of a sign-in after the redirect.
 *
 * - `authorized`: Access was granted; call `complete` to connect the account.
 * - `refused`: Access was denied; `complete` returns the reason as an error.
 */
export const SignInStatus = {
  /** Access was granted; call `complete` to connect the account. */
  AUTHORIZED: "authorized",
  /** Access was denied; `complete` returns the reason as an error. */
  REFUSED: "refused",
} as const;
/**
 * The state of a sign-in after the redirect.
 *
 * - `authorized`: Access was granted; call `complete` to connect the account.
 * - `refused`: Access was denied; `complete` returns the reason as an error.
 */
export type SignInStatus = "authorized" | "refused";

/**
 * A budget, and how much of it is spent.
 *
 * Costs are Claude Code's estimates at list prices, also for a subscription, which is not billed by them.
 * Where one is not known yet, the tokens are counted, at the price that earlier answers of the model had.
 */
export interface ClaudeBudget {
  /** Null for the budget of a day. */
  session_id: string | null;
  /** Null if there is no limit. */
  max_usd: number | null;
  /** Cost in the session, or of all runs and turns since the beginning of the day; running ones count too. */
  spent_usd: number;
  /** When the next day begins on this computer; null for a session. */
  resets_at: string | null;
}

/** The citations of an answer, in order, at most 500. */
export interface CitationList {
  citations: Citation[];
}

/** A number that an answer cites, at one place. */
export interface Citation {
  number: number;
  /** Position of the number, without its bracket, in the answer, in UTF-16 code units: `text.slice(start, end)`. */
  start: number;
  end: number;
  /** Null if the hub has returned no row with this number: the answer names a source that does not exist. */
  row: CitedRow | null;
  /**
   * The sentence that names a source that does not exist, at most 300 characters; null if `row` is not.
   *
   * A sentence is the part of a line up to a full stop, an exclamation mark, a question mark or an ellipsis.  A
   * citation
   * after its end still belongs to it.
   */
  sentence: string | null;
}

/** A row of the hub, as it was when Claude got it last. */
export interface CitedRow {
  /** `activity_event` is an event of the feed, `message` one of a session with Claude. */
  kind: "activity_event" | "calendar_event" | "issue" | "job" | "message";
  title: string | null;
  /** When it happened or begins, ISO 8601; a date for what lasts all day. */
  at: string | null;
  url: string | null;
  account_id: string | null;
  calendar_id: string | null;
  /** An event of the feed, or with `account_id` and `calendar_id` one of a calendar. */
  event_id: string | null;
  issue_key: string | null;
  job_id: string | null;
  session_id: string | null;
  message_id: string | null;
}

/** Conversations, most recently updated first. */
export interface ClaudeConversationPage {
  conversations: ClaudeConversation[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** A conversation that Claude Code has recorded. */
export interface ClaudeConversation {
  claude_session_id: string;
  /** Its title in Claude Code, or the first line of its first prompt. */
  title: string | null;
  /** The folder in which it began. */
  cwd: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  updated_at: string;
  /** Size of the record. */
  bytes: number;
  /** The session that is in this conversation, if there is one. */
  session_id: string | null;
}

/** A conversation with Claude that the sidecar stores.  Its turns are jobs of type `claude.turn`. */
export interface Session {
  session_id: string;
  /** The conversation's id in the CLI; null before the first turn and after `/clear`.  `claude.spawn` refuses it. */
  claude_session_id: string | null;
  /** The session that it was forked from. */
  forked_from: string | null;
  /** The first line of the first prompt, unless another title was set. */
  title: string | null;
  /** Claude's working directory; null for the home folder. */
  cwd: string | null;
  /** The name of the git worktree that Claude works in, or null; `cwd` is its folder after the first turn. */
  worktree: string | null;
  /** Null for the model in the user's Claude settings.  `/model` in a prompt changes it. */
  model: string | null;
  /** Null for the effort in the user's Claude settings. */
  effort: string | null;
  /** Null for the mode in the user's Claude settings. */
  permission_mode: PermissionMode | null;
  allowed_tools: string[];
  system_prompt: string | null;
  settings: ClaudeSettings;
  /** Whether a turn that reaches Claude's usage limit goes on by itself when the limit resets; otherwise it fails. */
  wait_for_limit: boolean;
  hub: HubAccess;
  /** When texts that others wrote first came in from the hub; from then on, tools ask (`claude.exposures.list`). */
  exposed_at: string | null;
  status: SessionStatus;
  /** When the turn of a `limited` session goes on. */
  resumes_at: string | null;
  /** The live tasks of its turn, oldest first.  While there are background tasks, the turn goes on. */
  tasks: ClaudeTask[];
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  updated_at: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  last_message_at: string | null;
  /** Sum over all turns.  A fork starts at zero. */
  usage: ClaudeUsage;
  /** Sum over all turns: the CLI's estimate, at list prices. */
  total_cost_usd: number;
  /** Incremented by every change: of two snapshots, the higher is newer. */
  version: number;
}

/**
 * The actions that Claude may take without permission.
 *
 * A turn requests permission for all others (`claude.permission_requested`); a run denies them.
 *
 * - `default`: May read; everything else needs a rule in `allowed_tools` or in the user's settings, or a permission.
 * - `acceptEdits`: May also edit files in its folder.
 * - `plan`: May only read, to make a plan.
 * - `dontAsk`: May read; everything else that no rule allows is denied without a request.
 * - `auto`: A classifier decides about each call.
 * - `bypassPermissions`: May do everything.  The CLI refuses this mode to root.
 */
export const PermissionMode = {
  /** May read; everything else needs a rule in `allowed_tools` or in the user's settings, or a permission. */
  DEFAULT: "default",
  /** May also edit files in its folder. */
  ACCEPT_EDITS: "acceptEdits",
  /** May only read, to make a plan. */
  PLAN: "plan",
  /** May read; everything else that no rule allows is denied without a request. */
  DONT_ASK: "dontAsk",
  /** A classifier decides about each call. */
  AUTO: "auto",
  /** May do everything.  The CLI refuses this mode to root. */
  BYPASS_PERMISSIONS: "bypassPermissions",
} as const;
/**
 * The actions that Claude may take without permission.
 *
 * A turn requests permission for all others (`claude.permission_requested`); a run denies them.
 *
 * - `default`: May read; everything else needs a rule in `allowed_tools` or in the user's settings, or a permission.
 * - `acceptEdits`: May also edit files in its folder.
 * - `plan`: May only read, to make a plan.
 * - `dontAsk`: May read; everything else that no rule allows is denied without a request.
 * - `auto`: A classifier decides about each call.
 * - `bypassPermissions`: May do everything.  The CLI refuses this mode to root.
 */
export type PermissionMode = "default" | "acceptEdits" | "plan" | "dontAsk" | "auto" | "bypassPermissions";

/**
 * The settings that Claude Code reads for its work in a folder.
 *
 * - `all`: The user's and the folder's own: its hooks, MCP servers, skills and CLAUDE.md.  If the folder brings any of
 * those
 * that run something, it must be trusted (`claude.trust`).
 * - `user`: Only the user's: nothing that the folder brings runs or is read, its CLAUDE.md included.
 */
export const ClaudeSettings = {
  /**
   * The user's and the folder's own: its hooks, MCP servers, skills and CLAUDE.md.  If the folder brings any of those
   * that run something, it must be trusted (`claude.trust`).
   */
  ALL: "all",
  /** Only the user's: nothing that the folder brings runs or is read, its CLAUDE.md included. */
  USER: "user",
} as const;
/**
 * The settings that Claude Code reads for its work in a folder.
 *
 * - `all`: The user's and the folder's own: its hooks, MCP servers, skills and CLAUDE.md.  If the folder brings any of
 * those
 * that run something, it must be trusted (`claude.trust`).
 * - `user`: Only the user's: nothing that the folder brings runs or is read, its CLAUDE.md included.
 */
export type ClaudeSettings = "all" | "user";

/**
 * Claude's access to the hub: the person's calendars, issues, pages, feed, jobs and past conversations.
 *
 * `CLAUDE_HUB=off` in the sidecar's environment is `off` for all.
 *
 * - `read`: It has the tools that only read, as `mcp__hub__activity_search`, and needs no permission for them.
 * - `act`: It also has those that change something, such as starting a sync; the user is asked before each call.
 */
export const HubAccess = {
  OFF: "off",
  /** It has the tools that only read, as `mcp__hub__activity_search`, and needs no permission for them. */
  READ: "read",
  /** It also has those that change something, such as starting a sync; the user is asked before each call. */
  ACT: "act",
} as const;
/**
 * Claude's access to the hub: the person's calendars, issues, pages, feed, jobs and past conversations.
 *
 * `CLAUDE_HUB=off` in the sidecar's environment is `off` for all.
 *
 * - `read`: It has the tools that only read, as `mcp__hub__activity_search`, and needs no permission for them.
 * - `act`: It also has those that change something, such as starting a sync; the user is asked before each call.
 */
export type HubAccess = "off" | "read" | "act";

/**
 * The status of a session.
 *
 * - `idle`: No turn is running.
 * - `running`: A turn is running, or only its background tasks are (`tasks`).
 * - `waiting`: Permission requests are open: `claude.permissions.list` with status `open` returns them.
 * - `limited`: Claude's usage limit was reached.  The turn goes on by itself at `resumes_at`, and later prompts wait
 * for it;
 * `claude.sessions.interrupt` cancels it, `jobs.retry` continues it now.
 * - `interrupted`: The last turn was cancelled, or the sidecar ended during it.  The next prompt continues the session.
 */
export const SessionStatus = {
  /** No turn is running. */
  IDLE: "idle",
  /** A turn is running, or only its background tasks are (`tasks`). */
  RUNNING: "running",
  /** Permission requests are open: `claude.permissions.list` with status `open` returns them. */
  WAITING: "waiting",
  /**
   * Claude's usage limit was reached.  The turn goes on by itself at `resumes_at`, and later prompts wait for it;
   * `claude.sessions.interrupt` cancels it, `jobs.retry` continues it now.
   */
  LIMITED: "limited",
  /** The last turn was cancelled, or the sidecar ended during it.  The next prompt continues the session. */
  INTERRUPTED: "interrupted",
} as const;
/**
 * The status of a session.
 *
 * - `idle`: No turn is running.
 * - `running`: A turn is running, or only its background tasks are (`tasks`).
 * - `waiting`: Permission requests are open: `claude.permissions.list` with status `open` returns them.
 * - `limited`: Claude's usage limit was reached.  The turn goes on by itself at `resumes_at`, and later prompts wait
 * for it;
 * `claude.sessions.interrupt` cancels it, `jobs.retry` continues it now.
 * - `interrupted`: The last turn was cancelled, or the sidecar ended during it.  The next prompt continues the session.
 */
export type SessionStatus = "idle" | "running" | "waiting" | "limited" | "interrupted";

/** A task that Claude has started and that has not ended. */
export interface ClaudeTask {
  task_id: string;
  /** The run or turn that goes on until the task ends. */
  job_id: string;
  kind: TaskKind;
  /** Claude's description, at most 200 characters. */
  description: string;
  /** The type of a subagent, for example `general-purpose`. */
  agent: string | null;
  /** False while Claude waits for the task before it continues its turn. */
  is_background: boolean;
}

/**
 * The kind of a task.
 *
 * - `agent`: A subagent, which works on a prompt of its own.
 * - `command`: A shell command.
 * - `schedule`: A turn that Claude will begin by itself, once or again and again, while its process lives: an hour at
 * most since
 * the last turn.  The turn that has scheduled it is over; `claude.sessions.interrupt` of an idle session stops it.
 * - `other`: Another kind, for example of a newer release of the CLI.
 */
export const TaskKind = {
  /** A subagent, which works on a prompt of its own. */
  AGENT: "agent",
  /** A shell command. */
  COMMAND: "command",
  /**
   * A turn that Claude will begin by itself, once or again and again, while its process lives: an hour at most since
   * the last turn.  The turn that has scheduled it is over; `claude.sessions.interrupt` of an idle session stops it.
   */
  SCHEDULE: "schedule",
  /** Another kind, for example of a newer release of the CLI. */
  OTHER: "other",
} as const;
/**
 * The kind of a task.
 *
 * - `agent`: A subagent, which works on a prompt of its own.
 * - `command`: A shell command.
 * - `schedule`: A turn that Claude will begin by itself, once or again and again, while its process lives: an hour at
 * most since
 * the last turn.  The turn that has scheduled it is over; `claude.sessions.interrupt` of an idle session stops it.
 * - `other`: Another kind, for example of a newer release of the CLI.
 */
export type TaskKind = "agent" | "command" | "schedule" | "other";

/** Token counts.  The four do not overlap: `input_tokens` excludes both cache counts. */
export interface ClaudeUsage {
  input_tokens: number;
  output_tokens: number;
  cache_creation_input_tokens: number;
  cache_read_input_tokens: number;
}

/** The state of the user's Claude Code. */
export interface ClaudeReport {
  /** True if no finding has the state `problem`. */
  ok: boolean;
  /** The executable that runs use; null if none can be used. */
  path: string | null;
  source: ExecutableSource | null;
  version: string | null;
  /** All executables found, in order of preference. */
  candidates: ClaudeCandidate[];
  login: ClaudeLogin;
  findings: Finding[];
}

/**
 * How the path of `claude` was found.
 *
 * - `setting`: The environment variable CLAUDE_PATH.
 * - `path`: A directory on the sidecar's PATH.
 * - `login_shell`: The user's login shell; an app started from a desktop has a shorter PATH than a terminal.
 * - `known_place`: A directory that an installer of Claude Code uses.
 */
export const ExecutableSource = {
  /** The environment variable CLAUDE_PATH. */
  SETTING: "setting",
  /** A directory on the sidecar's PATH. */
  PATH: "path",
  /** The user's login shell; an app started from a desktop has a shorter PATH than a terminal. */
  LOGIN_SHELL: "login_shell",
  /** A directory that an installer of Claude Code uses. */
  KNOWN_PLACE: "known_place",
} as const;
/**
 * How the path of `claude` was found.
 *
 * - `setting`: The environment variable CLAUDE_PATH.
 * - `path`: A directory on the sidecar's PATH.
 * - `login_shell`: The user's login shell; an app started from a desktop has a shorter PATH than a terminal.
 * - `known_place`: A directory that an installer of Claude Code uses.
 */
export type ExecutableSource = "setting" | "path" | "login_shell" | "known_place";

/** One `claude` executable on this computer. */
export interface ClaudeCandidate {
  path: string;
  source: ExecutableSource;
  /** The output of `--version`, for example `2.1.330 (Claude Code)`; null if it does not run. */
  version: string | null;
}

/** Claude's login, without secrets; reading it costs nothing. */
export interface ClaudeLogin {
  state: LoginState;
  /** Claude's own word: `api_key`, `oauth_token`, `third_party`; null if unknown. */
  method: string | null;
  /** `firstParty`, `bedrock` or `vertex`; null if unknown. */
  provider: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  expires_at: string | null;
}

/** Whether Claude has credentials.  Only a request to its API would show whether they are still valid. */
export const LoginState = {
  LOGGED_IN: "logged_in",
  LOGGED_OUT: "logged_out",
  UNKNOWN: "unknown",
} as const;
/** Whether Claude has credentials.  Only a request to its API would show whether they are still valid. */
export type LoginState = "logged_in" | "logged_out" | "unknown";

/** The result of one check of a doctor. */
export interface Finding {
  /**
   * The name of the check.  `claude.doctor` checks `executable`, `version`, `node` (only if `claude` is a script for
   * Node), `login`, `path`, `root` (only if the user is root), `files` (the folder of Claude's settings and
   * sessions), `mcp` and `mcp:NAME` (MCP servers) and `load:NAME` (plugins that could not be loaded).
   */
  name: string;
  state: FindingState;
  detail: string;
  /** A way to solve the problem, for the user; null if nothing is wrong. */
  advice: string | null;
}

/**
 * The result of a check.
 *
 * - `warning`: It works, but not in every case or not as expected.
 * - `problem`: It does not work.
 */
export const FindingState = {
  OK: "ok",
  /** It works, but not in every case or not as expected. */
  WARNING: "warning",
  /** It does not work. */
  PROBLEM: "problem",
} as const;
/**
 * The result of a check.
 *
 * - `warning`: It works, but not in every case or not as expected.
 * - `problem`: It does not work.
 */
export type FindingState = "ok" | "warning" | "problem";

/** A session as Markdown. */
export interface SessionText {
  session_id: string;
  text: string;
  messages: number;
}

/** The sources of a session or run, oldest first, also those that are trusted. */
export interface ExposureList {
  exposures: Exposure[];
}

/** A source whose texts came into a session or a run. */
export interface Exposure {
  session_id: string | null;
  /** The run; null for a session. */
  job_id: string | null;
  /**
   * Who can have written the texts: an account, and in calendars the organiser's domain, as `<account>:<domain>`.
   *
   * Instead of the domain, it has the organiser's address where anyone can get one, such as gmail.com, `unknown` if
   * an event does not name any, and `mail` for what Google has found in mails.
   */
  source: string;
  /** The tool whose answer had the first of them. */
  tool: string;
  /** The beginning of the first of them. */
  text: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
}

/** Decisions, newest first. */
export interface DecisionPage {
  decisions: Decision[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** A decision about a call of a tool. */
export interface Decision {
  decision_id: number;
  session_id: string | null;
  /** The run; null for a session. */
  job_id: string | null;
  tool_use_id: string | null;
  tool_name: string;
  /** SHA-256 of the call's input, as JSON with sorted names and without spaces; null if it is unknown. */
  input_digest: string | null;
  verdict: Verdict;
  decided_by: DecidedBy;
  reason: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
}

/**
 * A decision about a call of a tool.
 *
 * - `ask`: The user was asked; the answer is a decision of its own.
 */
export const Verdict = {
  ALLOW: "allow",
  /** The user was asked; the answer is a decision of its own. */
  ASK: "ask",
  DENY: "deny",
} as const;
/**
 * A decision about a call of a tool.
 *
 * - `ask`: The user was asked; the answer is a decision of its own.
 */
export type Verdict = "allow" | "ask" | "deny";

/**
 * The maker of a decision.
 *
 * - `gate`: The sidecar: texts of others are in the conversation, or the tool changes something in the hub.
 * - `person`: The user, by `claude.permissions.respond`.
 * - `claude_code`: Claude Code, for the `reason` that it names: a rule, its mode, a hook of the user.  2.1.197 does not
 * say so.
 */
export const DecidedBy = {
  /** The sidecar: texts of others are in the conversation, or the tool changes something in the hub. */
  GATE: "gate",
  /** The user, by `claude.permissions.respond`. */
  PERSON: "person",
  /** Claude Code, for the `reason` that it names: a rule, its mode, a hook of the user.  2.1.197 does not say so. */
  CLAUDE_CODE: "claude_code",
} as const;
/**
 * The maker of a decision.
 *
 * - `gate`: The sidecar: texts of others are in the conversation, or the tool changes something in the hub.
 * - `person`: The user, by `claude.permissions.respond`.
 * - `claude_code`: Claude Code, for the `reason` that it names: a rule, its mode, a hook of the user.  2.1.197 does not
 * say so.
 */
export type DecidedBy = "gate" | "person" | "claude_code";

/** The trusted sources, newest first. */
export interface TrustedSourceList {
  sources: TrustedSource[];
}

/** A source whose texts do not make a session ask. */
export interface TrustedSource {
  source: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  trusted_at: string;
}

/**
 * The status of a permission request.
 *
 * - `open`: Waits for a response.
 * - `cancelled`: The turn ended, Claude withdrew the request, or the session continued without a response.
 */
export const PermissionStatus = {
  /** Waits for a response. */
  OPEN: "open",
  ALLOWED: "allowed",
  DENIED: "denied",
  /** The turn ended, Claude withdrew the request, or the session continued without a response. */
  CANCELLED: "cancelled",
} as const;
/**
 * The status of a permission request.
 *
 * - `open`: Waits for a response.
 * - `cancelled`: The turn ended, Claude withdrew the request, or the session continued without a response.
 */
export type PermissionStatus = "open" | "allowed" | "denied" | "cancelled";

/** Permission requests, newest first. */
export interface PermissionPage {
  requests: PermissionRequest[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** A permission request that Claude waits for. */
export interface PermissionRequest {
  request_id: string;
  session_id: string;
  /** The turn that sent it. */
  job_id: string;
  kind: PermissionKind;
  /** Bash, Edit, AskUserQuestion, mcp__server__tool. */
  tool_name: string;
  /** The id of the call: `raw.message.content[].id` of the message of kind `tool_use`. */
  tool_use_id: string | null;
  /** Claude's description of the call. */
  description: string | null;
  /** The whole input of the tool, an object of at most 1 MiB.  A response applies to exactly this input. */
  input: JsonObject;
  /** The file or folder to which Claude has no access without permission. */
  blocked_path: string | null;
  /** The rules that `remember` adds to the session's `allowed_tools`; empty if `remember` is not possible. */
  rules: string[];
  /** Claude Code's reason why it needs permission: a path outside of the folder, a hook's words. */
  decision_reason: string | null;
  /** Claude Code's word for the reason: workingDir, hook, rule, subcommandResults. */
  decision_reason_type: string | null;
  /** The id of the call that started the subagent which requests it, as in `ClaudeMessage`; null for Claude itself. */
  parent: string | null;
  /** The type of that subagent. */
  agent: string | null;
  /** All that Claude Code suggests to allow, at most 20; but never the mode bypassPermissions. */
  suggestions: PermissionSuggestion[];
  /** A mode that would allow the call: `claude.sessions.update` sets it, even during the turn. */
  suggested_mode: PermissionMode | null;
  status: PermissionStatus;
  /** True if the turn has ended and the request is still open: a response starts a new turn, `resumed_by`. */
  turn_ended: boolean;
  /** The message of the denial, or the reason of the cancellation. */
  message: string | null;
  /** The input that was allowed instead of `input`; null if that was not changed. */
  updated_input: JsonObject | null;
  /** The rules that the response added to the session. */
  remembered: string[];
  /** The positions of the suggestions that the response applied. */
  applied: number[];
  /** The job id of the turn that continues with the response. */
  resumed_by: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  resolved_at: string | null;
  /** Incremented by every change: of two snapshots, the higher is newer. */
  version: number;
}

/**
 * The kind of a permission request.
 *
 * - `tool`: Permission to use a tool with this input.
 * - `question`: Questions to the user.  `input` is that of Claude's tool AskUserQuestion: {questions: [{question,
 * header,
 * options: [{label, description}], multiSelect}]}.
 * - `plan`: Approval of a plan: `input.plan`, in Markdown.  Allowing it ends the permission mode `plan`.
 */
export const PermissionKind = {
  /** Permission to use a tool with this input. */
  TOOL: "tool",
  /**
   * Questions to the user.  `input` is that of Claude's tool AskUserQuestion: {questions: [{question, header,
   * options: [{label, description}], multiSelect}]}.
   */
  QUESTION: "question",
  /** Approval of a plan: `input.plan`, in Markdown.  Allowing it ends the permission mode `plan`. */
  PLAN: "plan",
} as const;
/**
 * The kind of a permission request.
 *
 * - `tool`: Permission to use a tool with this input.
 * - `question`: Questions to the user.  `input` is that of Claude's tool AskUserQuestion: {questions: [{question,
 * header,
 * options: [{label, description}], multiSelect}]}.
 * - `plan`: Approval of a plan: `input.plan`, in Markdown.  Allowing it ends the permission mode `plan`.
 */
export type PermissionKind = "tool" | "question" | "plan";

/** A change that Claude Code suggests with a request, so that it need not request the same again. */
export interface PermissionSuggestion {
  /** Claude Code's word: addRules, addDirectories, setMode; others in later releases. */
  type: string;
  /** The effect of the rules: allow, deny or ask. */
  behavior: string | null;
  rules: string[];
  /** Folders to which Claude gets access. */
  directories: string[];
  mode: PermissionMode | null;
}

/** The decision about a permission request. */
export const PermissionDecision = {
  ALLOW: "allow",
  DENY: "deny",
} as const;
/** The decision about a permission request. */
export type PermissionDecision = "allow" | "deny";

/** The session of a run. */
export interface ClaudeRun {
  job_id: string;
  /** The session's id in the CLI, as soon as the CLI has a record of it: pass it to a next run to continue. */
  session_id: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  started_at: string;
}

/** A part of a prompt.  An image or a file has either `path` or `data`. */
export interface PromptPart {
  type: PartType;
  text?: string | null;
  /** The absolute path of a file that the sidecar reads.  By default a page may not name one, but send `data`. */
  path?: string | null;
  /** The content in base64. */
  data?: string | null;
  /** Null for the name in `path`, or a name by the type of the content. */
  name?: string | null;
}

/**
 * The type of a part of a prompt.
 *
 * - `text`: `text`.
 * - `image`: An image in `path` or `data`; anything else there is refused.
 * - `file`: An image, a PDF document or a text file in `path` or `data`.
 */
export const PartType = {
  /** `text`. */
  TEXT: "text",
  /** An image in `path` or `data`; anything else there is refused. */
  IMAGE: "image",
  /** An image, a PDF document or a text file in `path` or `data`. */
  FILE: "file",
} as const;
/**
 * The type of a part of a prompt.
 *
 * - `text`: `text`.
 * - `image`: An image in `path` or `data`; anything else there is refused.
 * - `file`: An image, a PDF document or a text file in `path` or `data`.
 */
export type PartType = "text" | "image" | "file";

/**
 * The kind of a message.
 *
 * - `user`: A prompt.
 * - `tool_use`: Claude calls a tool; `text` is the tool's name, and `raw` contains its input.
 * - `error`: The reason why a turn failed.
 * - `cleared`: The conversation was cleared, as by `/clear`: Claude no longer knows the messages before.
 * - `notice`: Something that happened to the session: a background task ended, a hook failed, the conversation was
 * compacted,
 * or it goes on in a new one.
 * - `raw`: Other output of the CLI, such as types of a newer release.  Lines that only report its state are left out.
 */
export const MessageKind = {
  /** A prompt. */
  USER: "user",
  ASSISTANT_TEXT: "assistant_text",
  THINKING: "thinking",
  /** Claude calls a tool; `text` is the tool's name, and `raw` contains its input. */
  TOOL_USE: "tool_use",
  TOOL_RESULT: "tool_result",
  /** The reason why a turn failed. */
  ERROR: "error",
  /** The conversation was cleared, as by `/clear`: Claude no longer knows the messages before. */
  CLEARED: "cleared",
  /**
   * Something that happened to the session: a background task ended, a hook failed, the conversation was compacted,
   * or it goes on in a new one.
   */
  NOTICE: "notice",
  /** Other output of the CLI, such as types of a newer release.  Lines that only report its state are left out. */
  RAW: "raw",
} as const;
/**
 * The kind of a message.
 *
 * - `user`: A prompt.
 * - `tool_use`: Claude calls a tool; `text` is the tool's name, and `raw` contains its input.
 * - `error`: The reason why a turn failed.
 * - `cleared`: The conversation was cleared, as by `/clear`: Claude no longer knows the messages before.
 * - `notice`: Something that happened to the session: a background task ended, a hook failed, the conversation was
 * compacted,
 * or it goes on in a new one.
 * - `raw`: Other output of the CLI, such as types of a newer release.  Lines that only report its state are left out.
 */
export type MessageKind = "user" | "assistant_text" | "thinking" | "tool_use" | "tool_result" | "error" | "cleared" | "notice" | "raw";

/** Matching messages, newest first. */
export interface MessageHits {
  hits: MessageHit[];
  /** Null once all messages were searched.  A page can be short or empty although others follow. */
  next_cursor: string | null;
}

/** A message that matches a search. */
export interface MessageHit {
  message_id: string;
  session_id: string;
  session_title: string | null;
  job_id: string | null;
  /** Position in the session, from 1. */
  seq: number;
  kind: MessageKind;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
  /** The text around the first match, as one line of plain text; an ellipsis marks omitted text. */
  snippet: string;
  /** The search terms found in `snippet`. */
  highlights: Highlight[];
}

/** Sessions, most recently updated first. */
export interface SessionPage {
  sessions: Session[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** The deleted session. */
export interface SessionDeleted {
  session_id: string;
}

/**
 * When Claude is to read a prompt.
 *
 * - `next`: Claude reads it in a turn of its own, after the turns of the session that are running or queued.
 * - `now`: Claude reads it in the running turn, after its next use of a tool.
 *
 * If no turn is running, if other prompts are queued, or for a command such as `/clear`, as `next`: `steer` in the
 * returned job's payload is then null.  Otherwise `claude.message_added` says when Claude has read it, and the job
 * succeeds with the turn's answer.  If the turn ends before Claude has read the prompt, it is the next turn.
 */
export const SendWhen = {
  /** Claude reads it in a turn of its own, after the turns of the session that are running or queued. */
  NEXT: "next",
  /**
   * Claude reads it in the running turn, after its next use of a tool.
   *
   * If no turn is running, if other prompts are queued, or for a command such as `/clear`, as `next`: `steer` in the
   * returned job's payload is then null.  Otherwise `claude.message_added` says when Claude has read it, and the job
   * succeeds with the turn's answer.  If the turn ends before Claude has read the prompt, it is the next turn.
   */
  NOW: "now",
} as const;
/**
 * When Claude is to read a prompt.
 *
 * - `next`: Claude reads it in a turn of its own, after the turns of the session that are running or queued.
 * - `now`: Claude reads it in the running turn, after its next use of a tool.
 *
 * If no turn is running, if other prompts are queued, or for a command such as `/clear`, as `next`: `steer` in the
 * returned job's payload is then null.  Otherwise `claude.message_added` says when Claude has read it, and the job
 * succeeds with the turn's answer.  If the turn ends before Claude has read the prompt, it is the next turn.
 */
export type SendWhen = "next" | "now";

/** Messages, oldest first. */
export interface ClaudeMessagePage {
  messages: ClaudeMessage[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** A complete message of a session. */
export interface ClaudeMessage {
  message_id: string;
  session_id: string;
  /** The turn that it belongs to. */
  job_id: string | null;
  /** The `message_id` of its `claude.delta` notifications.  Several messages can be parts of one API message. */
  api_message_id: string | null;
  /** Position in the session, from 1, without gaps. */
  seq: number;
  kind: MessageKind;
  /** At most 2 MiB of UTF-8; empty for thinking that the API has redacted. */
  text: string;
  /**
   * The id of the call that started the subagent which the message is from: the block's `id` in a message of kind
   * `tool_use`.  Null for the user and Claude itself.
   */
  parent: string | null;
  /** The type of that subagent, for example `general-purpose`; null if the CLI has not named it. */
  agent: string | null;
  /** The CLI's line; null if the message is not from the CLI; {truncated, bytes} if the line has over 64 KiB. */
  raw: JsonValue;
  /** The images and files of a prompt. */
  attachments: Attachment[];
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
}

/** An image or a file of a prompt, as it was sent. */
export interface Attachment {
  attachment_id: string;
  name: string;
  /** Type of the content: `image/png`, `image/jpeg`, `image/gif`, `image/webp`, `application/pdf` or `text/plain`. */
  media_type: string;
  /** Bytes. */
  size: number;
}

/** The reports of the user's Claude Code.  Null if there is none yet. */
export interface ClaudeStatus {
  installation: InstalledClaude | null;
  workspace: ClaudeWorkspace | null;
  limits: ClaudeLimits | null;
  /** The context of the requested session, or the 50 that changed last, newest first. */
  contexts: ClaudeContext[];
  /** Why a `refresh` could not ask Claude Code, and what to do. */
  problem: string | null;
}

/** The `claude` that ran last, and what it offers. */
export interface InstalledClaude {
  path: string;
  version: string | null;
  account: ClaudeAccount;
  models: ClaudeModel[];
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  learnt_at: string;
}

/** The kind of the account, without its name or secrets.  Claude Code's own words, null if it has said none. */
export interface ClaudeAccount {
  /** Such as `pro` or `max`; null for an API key, too. */
  subscription: string | null;
  /** Such as `ANTHROPIC_API_KEY`. */
  api_key_source: string | null;
  token_source: string | null;
  /** `firstParty`, `bedrock` or `vertex`. */
  provider: string | null;
}

/** A model that Claude Code offers to its account. */
export interface ClaudeModel {
  /** The value of `model` for sessions and runs, for example `opus`. */
  model: string;
  /** The model that it is at present, for example `claude-opus-5-5`. */
  resolved_model: string | null;
  name: string;
  description: string | null;
  /** The values of `effort`; empty if the model has no levels of effort. */
  efforts: string[];
}

/** The offer of Claude Code in a folder.  A part that was not reported yet is null. */
export interface ClaudeWorkspace {
  cwd: string;
  commands: ClaudeCommand[] | null;
  agents: ClaudeAgent[] | null;
  output_style: string | null;
  output_styles: string[] | null;
  mcp_servers: McpServer[] | null;
  problems: LoadProblem[] | null;
  /** False if only the user's own settings were read, and not what the folder brings. */
  has_project: boolean;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  learnt_at: string;
}

/** A slash command or a skill. */
export interface ClaudeCommand {
  /** Without the slash. */
  name: string;
  description: string | null;
  argument_hint: string | null;
  /** Null until a first turn. */
  is_skill: boolean | null;
}

/** A kind of subagent. */
export interface ClaudeAgent {
  name: string;
  description: string | null;
  model: string | null;
}

/** An MCP server of a folder or of the user, without its configuration, which may contain secrets. */
export interface McpServer {
  name: string;
  state: McpState;
  /** Why it failed, at most 300 characters. */
  error: string | null;
  /** Where it is configured: `user`, `project`, `local`, `plugin`, `claudeai`. */
  source: string | null;
  /** Advice for the user; null if nothing is wrong. */
  advice: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  learnt_at: string;
}

/**
 * The state of an MCP server.
 *
 * - `needs_auth`: The user has to sign in to it.
 * - `pending`: It was still starting when it was looked at.
 * - `other`: A state of a newer release of Claude Code.
 */
export const McpState = {
  CONNECTED: "connected",
  FAILED: "failed",
  /** The user has to sign in to it. */
  NEEDS_AUTH: "needs_auth",
  /** It was still starting when it was looked at. */
  PENDING: "pending",
  DISABLED: "disabled",
  /** A state of a newer release of Claude Code. */
  OTHER: "other",
} as const;
/**
 * The state of an MCP server.
 *
 * - `needs_auth`: The user has to sign in to it.
 * - `pending`: It was still starting when it was looked at.
 * - `other`: A state of a newer release of Claude Code.
 */
export type McpState = "connected" | "failed" | "needs_auth" | "pending" | "disabled" | "other";

/** A thing that Claude Code could not load: a plugin, a part of one such as its hooks, or an MCP server. */
export interface LoadProblem {
  name: string;
  /** Claude Code's own word, for example `hook-load-failed`. */
  type: string;
  message: string;
}

/** The usage limits of the user's plan.  Claude Code reports none for an API key. */
export interface ClaudeLimits {
  /** Whether requests are accepted, by all limits together; null if unknown, or after the reset that ends it. */
  status: LimitStatus | null;
  /** The kind of the limit that decides. */
  limiting: string | null;
  /** Whether requests are paid on top of the plan. */
  is_using_overage: boolean | null;
  limits: ClaudeLimit[];
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  learnt_at: string;
}

/**
 * The status of a usage limit.
 *
 * - `warning`: Most of it is used.
 * - `rejected`: It is reached.
 */
export const LimitStatus = {
  ALLOWED: "allowed",
  /** Most of it is used. */
  WARNING: "warning",
  /** It is reached. */
  REJECTED: "rejected",
} as const;
/**
 * The status of a usage limit.
 *
 * - `warning`: Most of it is used.
 * - `rejected`: It is reached.
 */
export type LimitStatus = "allowed" | "warning" | "rejected";

/** A usage limit of the user's plan.  It is left out once it has reset, until it is reported again. */
export interface ClaudeLimit {
  /** `five_hour`, `seven_day`, `seven_day_opus`, `seven_day_sonnet`, `overage`, or another one of a newer release. */
  kind: string;
  status: LimitStatus | null;
  /** The fraction that is used: 0.25 is a quarter, and values above 1 occur. */
  utilization: number | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  resets_at: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  learnt_at: string;
}

/** How full the context of a session is. */
export interface ClaudeContext {
  session_id: string;
  model: string | null;
  /** The tokens of the last request and its answer, without subagents; null after `/clear`. */
  used_tokens: number | null;
  /** The size of the model's context window; null if Claude Code has not said it. */
  window_tokens: number | null;
  /** Null if one of the two is unknown.  Claude Code compacts a conversation before 100. */
  used_percentage: number | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  learnt_at: string;
}

/** Live tasks, oldest first: of each job at most 100. */
export interface ClaudeTaskList {
  tasks: ClaudeTask[];
}

/** The trust in a folder. */
export interface FolderTrust {
  /** The folder, without symbolic links. */
  cwd: string;
  /** The folder that trust is about: `cwd`, or the root of its git repository (for a worktree, of the main one). */
  folder: string;
  state: TrustState;
  contents: FolderContents;
}

/**
 * Whether Claude may work in a folder with the folder's own settings.
 *
 * - `claude`: Trusted in Claude Code: the user has said so in a terminal.
 * - `sidecar`: Trusted by `trust`.
 * - `nothing`: Not trusted, but the folder brings nothing to be asked about.
 * - `untrusted`: Refused, unless `settings` is `user`.
 */
export const TrustState = {
  /** Trusted in Claude Code: the user has said so in a terminal. */
  CLAUDE: "claude",
  /** Trusted by `trust`. */
  SIDECAR: "sidecar",
  /** Not trusted, but the folder brings nothing to be asked about. */
  NOTHING: "nothing",
  /** Refused, unless `settings` is `user`. */
  UNTRUSTED: "untrusted",
} as const;
/**
 * Whether Claude may work in a folder with the folder's own settings.
 *
 * - `claude`: Trusted in Claude Code: the user has said so in a terminal.
 * - `sidecar`: Trusted by `trust`.
 * - `nothing`: Not trusted, but the folder brings nothing to be asked about.
 * - `untrusted`: Refused, unless `settings` is `user`.
 */
export type TrustState = "claude" | "sidecar" | "nothing" | "untrusted";

/**
 * The parts of a folder that Claude Code would run or obey: names only, at most 50 of a kind.
 *
 * Looked for in the folder itself; MCP servers and extensions also in the folders above it, as Claude Code does.
 * CLAUDE.md and other mere texts are not listed: Claude reads them in every folder.
 */
export interface FolderContents {
  /** Events with commands that run at them: SessionStart, PreToolUse. */
  hooks: string[];
  /** Servers of .mcp.json, which are started. */
  mcp_servers: string[];
  /** Settings with a command that Claude Code runs: apiKeyHelper, statusLine. */
  commands: string[];
  /** Environment variables that the settings set. */
  environment: string[];
  /** Other settings, such as `permissions.allow`; the name of a file if that cannot be read. */
  settings: string[];
  /** Skills, subagents, slash commands and other parts of .claude: skills/deploy. */
  extensions: string[];
  /** Settings and hooks of the git repository that run programs: core.fsmonitor. */
  git: string[];
}

/** All folders that are trusted in the sidecar, at most 1,000, newest first. */
export interface TrustedFolders {
  folders: TrustedFolder[];
}

/** A folder that is trusted in the sidecar, with all below it that is not a git repository of its own. */
export interface TrustedFolder {
  folder: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  trusted_at: string;
}

/** A folder that is no longer trusted in the sidecar. */
export interface TrustRemoved {
  folder: string;
  /** False if it was not. */
  removed: boolean;
}

/**
 * The grouping of usage.
 *
 * - `day`: Local days; a day without usage has no entry.
 * - `session`: Sessions; one entry without a session id is the sum of all runs.
 * - `job`: Runs and turns.
 */
export const UsageGroup = {
  /** Local days; a day without usage has no entry. */
  DAY: "day",
  /** Sessions; one entry without a session id is the sum of all runs. */
  SESSION: "session",
  MODEL: "model",
  /** Runs and turns. */
  JOB: "job",
} as const;
/**
 * The grouping of usage.
 *
 * - `day`: Local days; a day without usage has no entry.
 * - `session`: Sessions; one entry without a session id is the sum of all runs.
 * - `job`: Runs and turns.
 */
export type UsageGroup = "day" | "session" | "model" | "job";

/** Usage entries and their sums. */
export interface UsageList {
  /** Days in order; other groupings by cost, highest first. */
  entries: UsageEntry[];
  usage: ClaudeUsage;
  total_cost_usd: number;
}

/** The usage of a day, session, model or job; the fields of the other groupings are null. */
export interface UsageEntry {
  /** YYYY-MM-DD in the requested time zone. */
  day: string | null;
  /** Remains after the session is deleted.  For a job, the session of the turn. */
  session_id: string | null;
  /** `unknown` if the CLI did not report it. */
  model: string | null;
  job_id: string | null;
  /**
   * The CLI's totals by model, which belong to the cost and include subagents.  Of a prompt that ended without them,
   * because its process was killed, the sum over its API messages.
   */
  usage: ClaudeUsage;
  /** The CLI's estimate, at list prices. */
  total_cost_usd: number;
  /** The number of runs and turns. */
  jobs: number;
  /** The time of the last recorded usage.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  last_at: string;
}

/** All accounts of one product, oldest first. */
export interface AtlassianAccountList {
  accounts: AtlassianAccount[];
}

/** An account at an Atlassian Cloud site.  Its API token is never sent. */
export interface AtlassianAccount {
  account_id: string;
  email: string;
  status: AccountStatus;
  /** Why the status is not `active`, or why it will not stay so. */
  reason: AccountReason | null;
  /** Suggested action for the user. */
  hint: string | null;
  /** When it is tried again, while its status is `retrying` or `needs_reauth`. */
  next_try_at: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  last_sync_at: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  updated_at: string;
  service: AtlassianService;
  org: string;
  /** The site: https://example.atlassian.net. */
  base_url: string;
  /** The owner's name at the site. */
  display_name: string | null;
  scope: AtlassianScope;
  /** Entered by the user; Atlassian's API does not provide it. */
  token_expires_at: string | null;
}

/** The Atlassian product of an account. */
export const AtlassianService = {
  JIRA: "jira",
  CONFLUENCE: "confluence",
} as const;
/** The Atlassian product of an account. */
export type AtlassianService = "jira" | "confluence";

/**
 * Which events of a site are added to the feed.
 *
 * - `mine`: The account owner's own actions.
 * - `watched`: Also the actions of others on items that the owner is assigned to, or has reported, created or watched.
 */
export const AtlassianScope = {
  /** The account owner's own actions. */
  MINE: "mine",
  /** Also the actions of others on items that the owner is assigned to, or has reported, created or watched. */
  WATCHED: "watched",
} as const;
/**
 * Which events of a site are added to the feed.
 *
 * - `mine`: The account owner's own actions.
 * - `watched`: Also the actions of others on items that the owner is assigned to, or has reported, created or watched.
 */
export type AtlassianScope = "mine" | "watched";

/** The account that was deleted. */
export interface AtlassianAccountDeleted {
  account_id: string;
}

/** A part of the event log, in order. */
export interface EventPage {
  events: LoggedEvent[];
  latest_seq: number;
  epoch: string;
  /**
   * Whether events after `after_seq` are missing: load the lists again.
   *
   * They were pruned, or the log never had that event, as after the database was replaced.
   */
  truncated: boolean;
}

/** A durable notification as it was sent; `params` includes its `seq` and `at`. */
export type LoggedEvent = {
  [Name in (typeof DURABLE_NOTIFICATIONS)[number]]: { method: Name; params: Notifications[Name] };
}[(typeof DURABLE_NOTIFICATIONS)[number]];

/** The result of `jobs.create`. */
export interface JobCreated<Type extends JobType = JobType> {
  job: Job<Type>;
  /** True if the idempotency key was used before; `job` is then the job that was created with it. */
  deduplicated: boolean;
}

/** A page of jobs, newest first. */
export interface JobPage<Type extends JobType = JobType> {
  jobs: Job<Type>[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** A page of a job's log, oldest line first. */
export interface JobLogPage {
  lines: JobLogLine[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** One line of a job's log. */
export interface JobLogLine {
  line_id: string;
  job_id: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  created_at: string;
  level: JobLogLevel;
  /** At most 2,000 characters; longer messages are cut. */
  message: string;
  /** Structured details, at most 64 KiB of JSON. */
  meta: JsonValue;
}

/** The severity of a line in a job's log. */
export const JobLogLevel = {
  DEBUG: "debug",
  INFO: "info",
  WARNING: "warning",
  ERROR: "error",
} as const;
/** The severity of a line in a job's log. */
export type JobLogLevel = "debug" | "info" | "warning" | "error";

/** The state of the queue. */
export interface JobQueue {
  /** While the queue is paused, no job is started; running jobs continue. */
  paused: boolean;
  /** When the queue was paused.  Null if it is not. */
  paused_at: string | null;
  /** The number of stored jobs by status.  A status without jobs is absent. */
  counts: { [Key in JobStatus]?: number };
}

/** All schedules, sorted by id. */
export interface ScheduleList {
  schedules: Schedule[];
}

/** Creates jobs of one type at certain times: every `period_s` seconds, or by the rule `rrule`. */
export interface Schedule {
  schedule_id: string;
  /** Null for a schedule of the sidecar's own. */
  title: string | null;
  /** The type of its jobs. */
  type: JobType;
  /** The payload of its jobs. */
  payload: JobTypes[JobType]["payload"] | null;
  /** Seconds between two runs.  Runs lie on a grid of the wall clock, which restarts do not move. */
  period_s: number | null;
  rrule: string | null;
  /** When the rule begins, or the first run by the period. */
  start: string | null;
  /** The zone whose clocks the rule follows.  A time that a change of the clocks skips or repeats happens once. */
  time_zone: string | null;
  misfire_policy: MisfirePolicy;
  /** Whether it is the sidecar's own, which cannot be deleted. */
  fixed: boolean;
  enabled: boolean;
  /**
   * When the next job is created, unless the previous one is unfinished.  Null if there is no further time; without
   * meaning while disabled.
   */
  next_run_at: string | null;
  /** When the last job was created, by the schedule or by `jobs.schedules.run`. */
  last_run_at: string | null;
  /** The job that was created last.  It may have been pruned since. */
  last_job_id: string | null;
}

/**
 * How to make up for times that passed while the app was closed or the computer slept.
 *
 * - `run_once`: One late job replaces all times that were missed.
 * - `skip`: Nothing is made up for: a time that passed more than five minutes ago is missed.
 */
export const MisfirePolicy = {
  /** One late job replaces all times that were missed. */
  RUN_ONCE: "run_once",
  /** Nothing is made up for: a time that passed more than five minutes ago is missed. */
  SKIP: "skip",
} as const;
/**
 * How to make up for times that passed while the app was closed or the computer slept.
 *
 * - `run_once`: One late job replaces all times that were missed.
 * - `skip`: Nothing is made up for: a time that passed more than five minutes ago is missed.
 */
export type MisfirePolicy = "run_once" | "skip";

/** The result of `jobs.schedules.delete`. */
export interface ScheduleDeletion {
  schedule_id: string;
}

/**
 * The state of one time of a schedule.  `queued` and `running` can still change.
 *
 * - `queued`: Its job waits, also between two attempts.
 * - `empty`: Its job ended without the answer that it was for (`no_answer`).
 * - `interrupted`: The sidecar ended while its job was running.
 * - `missed`: It has no job: nothing could be started when it was due.
 * - `skipped`: It has no job, although one could have been started.
 */
export const ScheduleRunStatus = {
  /** Its job waits, also between two attempts. */
  QUEUED: "queued",
  RUNNING: "running",
  SUCCEEDED: "succeeded",
  /** Its job ended without the answer that it was for (`no_answer`). */
  EMPTY: "empty",
  FAILED: "failed",
  CANCELLED: "cancelled",
  /** The sidecar ended while its job was running. */
  INTERRUPTED: "interrupted",
  /** It has no job: nothing could be started when it was due. */
  MISSED: "missed",
  /** It has no job, although one could have been started. */
  SKIPPED: "skipped",
} as const;
/**
 * The state of one time of a schedule.  `queued` and `running` can still change.
 *
 * - `queued`: Its job waits, also between two attempts.
 * - `empty`: Its job ended without the answer that it was for (`no_answer`).
 * - `interrupted`: The sidecar ended while its job was running.
 * - `missed`: It has no job: nothing could be started when it was due.
 * - `skipped`: It has no job, although one could have been started.
 */
export type ScheduleRunStatus = "queued" | "running" | "succeeded" | "empty" | "failed" | "cancelled" | "interrupted" | "missed" | "skipped";

/** A page of runs, the one recorded last first. */
export interface ScheduleRunPage {
  runs: ScheduleRun[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** One time of a schedule, and what became of it. */
export interface ScheduleRun {
  run_id: string;
  schedule_id: string;
  /** The schedule's title when the run was recorded. */
  title: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  scheduled_for: string;
  /** Number of times that it covers: more than one only for the oldest of very many that were missed together. */
  times: number;
  /** Whether `jobs.schedules.run` asked for it. */
  manual: boolean;
  status: ScheduleRunStatus;
  reason: ScheduleRunReason | null;
  /** The last sign that the sidecar was running, up to five minutes early. */
  away_from: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  away_to: string | null;
  /** Its job, which may have been pruned since. */
  job_id: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  started_at: string | null;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  ended_at: string | null;
  /** How long after `scheduled_for` its job started. */
  late_ms: number | null;
  /** The beginning of its job's answer, at most 2,000 characters. */
  text: string | null;
  /** Why its job failed, without details. */
  error: JobError | null;
}

/**
 * Why a time of a schedule was missed or skipped, or why its job failed.
 *
 * - `closed`: The app was closed; `away_from` and `away_to` say when.
 * - `asleep`: The computer slept, or its clock was set forward; `away_from` and `away_to` say when.
 * - `paused`: The queue is paused, and the previous job has not started.
 * - `overlap`: The previous job had not ended.
 * - `offline`: There is no connection to the network.
 * - `limit`: A service, or Claude's usage limit, allows no more for now.
 * - `needs_user`: The previous job waits for the user's decision, or for the key of the stored credentials.
 * - `account`: The account was refused: the user has to sign in again.
 * - `budget`: The budget is spent.
 * - `unsupported`: This version cannot run jobs of the schedule's type.
 */
export const ScheduleRunReason = {
  /** The app was closed; `away_from` and `away_to` say when. */
  CLOSED: "closed",
  /** The computer slept, or its clock was set forward; `away_from` and `away_to` say when. */
  ASLEEP: "asleep",
  /** The queue is paused, and the previous job has not started. */
  PAUSED: "paused",
  /** The previous job had not ended. */
  OVERLAP: "overlap",
  /** There is no connection to the network. */
  OFFLINE: "offline",
  /** A service, or Claude's usage limit, allows no more for now. */
  LIMIT: "limit",
  /** The previous job waits for the user's decision, or for the key of the stored credentials. */
  NEEDS_USER: "needs_user",
  /** The account was refused: the user has to sign in again. */
  ACCOUNT: "account",
  /** The budget is spent. */
  BUDGET: "budget",
  /** This version cannot run jobs of the schedule's type. */
  UNSUPPORTED: "unsupported",
} as const;
/**
 * Why a time of a schedule was missed or skipped, or why its job failed.
 *
 * - `closed`: The app was closed; `away_from` and `away_to` say when.
 * - `asleep`: The computer slept, or its clock was set forward; `away_from` and `away_to` say when.
 * - `paused`: The queue is paused, and the previous job has not started.
 * - `overlap`: The previous job had not ended.
 * - `offline`: There is no connection to the network.
 * - `limit`: A service, or Claude's usage limit, allows no more for now.
 * - `needs_user`: The previous job waits for the user's decision, or for the key of the stored credentials.
 * - `account`: The account was refused: the user has to sign in again.
 * - `budget`: The budget is spent.
 * - `unsupported`: This version cannot run jobs of the schedule's type.
 */
export type ScheduleRunReason = "closed" | "asleep" | "paused" | "overlap" | "offline" | "limit" | "needs_user" | "account" | "budget" | "unsupported";

/** The copies in the folder `backups`, newest first. */
export interface BackupList {
  backups: Backup[];
}

/** A copy of the database. */
export interface Backup {
  name: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  made_at: string;
  size_bytes: number;
  /** The migration that it was made before; null for a daily copy. */
  before_migration: string | null;
  /** Number of rows by kind, such as `jobs`. */
  contents: Record<string, number>;
  /** Why it cannot be restored; null if it can. */
  problem: string | null;
}

/** A restore that the next start completes. */
export interface RestoreBegun {
  name: string;
  /** The file beside the database under which the present one will be kept. */
  kept_as: string;
}

/** The name and version of the client, written to the log. */
export interface ClientInfo {
  name: string;
  version: string;
}

/** Optional behaviour that the client requests. */
export interface Capabilities {
  /**
   * Names of notifications not to send.
   *
   * @default []
   */
  opt_out?: string[];
}

/** The last event that the client has processed. */
export interface Resume {
  epoch: string;
  after_seq: number;
}

/** Secrets, which must not be passed in arguments or environment variables. */
export interface Secrets {
  /** 32 bytes in base64, stored with Electron's safeStorage. */
  key?: string | null;
}

/** The result of the handshake. */
export interface Initialized {
  protocol_version: number;
  server_info: ServerInfo;
  limits: Limits;
  events: EventWindow;
  schema_hash: string;
  /** Whether the client was built from the same contract; null if it did not pass its `schema_hash`. */
  schema_match: boolean | null;
  secrets: SecretsState;
}

/** The name and version of the sidecar, and its process id. */
export interface ServerInfo {
  name: string;
  version: string;
  pid: number;
}

/** Limits for the client. */
export interface Limits {
  max_message_bytes: number;
  max_in_flight: number;
  max_batch: number;
}

/** The range of the event log. */
export interface EventWindow {
  /** Identifies the database.  Discard every known seq if it changes. */
  epoch: string;
  oldest_seq: number;
  latest_seq: number;
  resume: ResumeOutcome;
}

/**
 * Whether the client can resume from its last event.
 *
 * - `ok`: Missed events follow this response, in order.
 * - `resync`: Missed events were pruned, or this is another database: load the lists again.
 */
export const ResumeOutcome = {
  /** Missed events follow this response, in order. */
  OK: "ok",
  /** Missed events were pruned, or this is another database: load the lists again. */
  RESYNC: "resync",
} as const;
/**
 * Whether the client can resume from its last event.
 *
 * - `ok`: Missed events follow this response, in order.
 * - `resync`: Missed events were pruned, or this is another database: load the lists again.
 */
export type ResumeOutcome = "ok" | "resync";

/**
 * How credentials are stored in the database.
 *
 * - `protected`: Encrypted with the client's key.
 * - `unprotected`: Encrypted with a key from a file next to the database, because the client passed none.
 * - `locked`: Encrypted with the client's key, which was not passed this time.  Accounts are not synced without it.
 * - `key_mismatch`: Encrypted with another key.  Accounts must be connected again; the old credentials are not deleted.
 */
export const SecretsState = {
  /** Encrypted with the client's key. */
  PROTECTED: "protected",
  /** Encrypted with a key from a file next to the database, because the client passed none. */
  UNPROTECTED: "unprotected",
  /** Encrypted with the client's key, which was not passed this time.  Accounts are not synced without it. */
  LOCKED: "locked",
  /** Encrypted with another key.  Accounts must be connected again; the old credentials are not deleted. */
  KEY_MISMATCH: "key_mismatch",
} as const;
/**
 * How credentials are stored in the database.
 *
 * - `protected`: Encrypted with the client's key.
 * - `unprotected`: Encrypted with a key from a file next to the database, because the client passed none.
 * - `locked`: Encrypted with the client's key, which was not passed this time.  Accounts are not synced without it.
 * - `key_mismatch`: Encrypted with another key.  Accounts must be connected again; the old credentials are not deleted.
 */
export type SecretsState = "protected" | "unprotected" | "locked" | "key_mismatch";

/** The result of the shutdown. */
export interface Drained {
  /** Whether all requests were answered and all child processes ended within the deadline. */
  drained: boolean;
  cancelled_requests: number;
  interrupted_jobs: number;
}

/** The OpenRPC 1.4 document of this sidecar. */
export interface OpenRpc {
  openrpc: string;
  [key: string]: JsonValue;
}

/** The health of the sidecar. */
export interface Health {
  status: HealthStatus;
  version: string;
  checks: HealthCheck[];
}

/** The result of a health check. */
export const HealthStatus = {
  OK: "ok",
  DEGRADED: "degraded",
} as const;
/** The result of a health check. */
export type HealthStatus = "ok" | "degraded";

/** One health check. */
export interface HealthCheck {
  name: string;
  status: HealthStatus;
  detail: string | null;
}

/** The status of the sidecar. */
export interface Status {
  version: string;
  pid: number;
  uptime_s: number;
  /** Number of jobs by status. */
  queue: { [Key in JobStatus]?: number };
  /** Number of accounts by service. */
  accounts: Record<string, number>;
  syncs: SyncStatus[];
  database: DatabaseStatus;
  outbox: OutboxStatus;
  rss_bytes: number;
  /** Number of requests since the start. */
  requests: number;
}

/** The time of a connector's last sync. */
export interface SyncStatus {
  connector: string;
  /** UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  last_sync_at: string | null;
}

/** The database file. */
export interface DatabaseStatus {
  path: string;
  size_bytes: number;
  wal_bytes: number;
  migrations: string[];
  /**
   * About which share of an old database's texts has been indexed; until it is 1, searches are slower, but complete.
   *
   * Null if texts cannot be indexed.
   */
  indexed: number | null;
  sqlite_version: string;
  /** Whether SQLite has the fix of its WAL-reset bug (3.51.3).  The bug needs two writers; the sidecar has one. */
  wal_reset_safe: boolean;
}

/** The state of outgoing notifications. */
export interface OutboxStatus {
  pending_bytes: number;
  latest_seq: number;
  /** Whether durable events are held back because the client reads too slowly. */
  lagged: boolean;
}

/** Information for a bug report, without secrets.  A part that could not be collected is null. */
export interface Diagnostics {
  version: string;
  python: string;
  platform: string;
  /** Why parts are missing, one sentence each. */
  problems: string[];
  status: Status | null;
  health: Health;
  /** `ok`, or the problems that SQLite's quick check found. */
  integrity: string;
  claude: ClaudeInstallation | null;
  settings: JsonObject;
  /** The last lines of the log, oldest first. */
  log_tail: string[];
}

/** The installation of the Claude CLI that was found. */
export interface ClaudeInstallation {
  path: string | null;
  version: string | null;
  problem: string | null;
}

/** An account was connected or deleted, was refused by its service, or works again. */
export interface AccountUpdated {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  service: AccountService;
  account_id: string;
  status: AccountStatus;
  /** Why it has this status. */
  reason: AccountReason | null;
  /** Suggested action for the user. */
  hint: string | null;
  /** When it is tried again, while its status is `retrying` or `needs_reauth`. */
  next_try_at: string | null;
}

/** The service of an account.  Activity events from it have the same value as their `source`. */
export const AccountService = {
  GOOGLE_CALENDAR: "google_calendar",
  ICS: "ics",
  JIRA: "jira",
  CONFLUENCE: "confluence",
} as const;
/** The service of an account.  Activity events from it have the same value as their `source`. */
export type AccountService = "google_calendar" | "ics" | "jira" | "confluence";

/** The feed changed: the number of events of one account, and the newest added or updated ones (at most 50). */
export interface ActivityChanged {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  source: string;
  account_id: string;
  added: number;
  updated: number;
  removed: number;
  events: ActivityEvent[];
  /** The ids of removed events, at most 500; if more were removed, load the list again. */
  removed_ids: string[];
}

/** Events of a calendar were added, updated or removed, or the calendar itself was (then all counts are 0). */
export interface CalendarChanged {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  account_id: string;
  calendar_id: string;
  added: number;
  updated: number;
  removed: number;
}

/**
 * Claude has not sent anything for a while: a tool takes long, or the connection has stalled.
 *
 * Sent after a minute, and then at growing intervals.  Any later notification of the job ends the stall.  The job is
 * not stopped, since tools may take long, and the CLI gives up a dead connection after five minutes.
 */
export interface ClaudeStall {
  /** The session, as in `claude.delta`. */
  session_id: string;
  job_id: string;
  /** Seconds since Claude's last output. */
  silent_s: number;
  /** The tools that are running; empty if Claude's answer is awaited. */
  tools: string[];
}

/** Claude's API refused a request or could not be reached; the CLI will repeat the request. */
export interface ClaudeApiRetry {
  /** The session, as in `claude.delta`. */
  session_id: string;
  job_id: string;
  /** The number of the retry, from 1 to `max_retries`. */
  attempt: number;
  max_retries: number;
  /** Milliseconds until the retry. */
  delay_ms: number;
  /** The HTTP status; null if there was no response. */
  status: number | null;
  /** The CLI's name of the error, for example `overloaded` or `rate_limit`. */
  error: string;
}

/** Claude requests permission and waits.  Sent again when the turn ends and the request stays open. */
export interface ClaudePermissionRequested {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  request: PermissionRequest;
}

/** A permission request was answered or cancelled: close its dialog. */
export interface ClaudePermissionResolved {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  request: PermissionRequest;
}

/** Claude has written more of a message.  Append only; a gap before `offset` means that text was lost. */
export interface ClaudeDelta {
  /** The session of the turn; for a run, the session's id in the CLI. */
  session_id: string;
  job_id: string;
  message_id: string;
  /** Position of `text` in the message, in UTF-16 code units: JavaScript's `length` of the text before it. */
  offset: number;
  text: string;
}

/**
 * Claude has thought more, as `claude.delta` for the text of a message; whole as a message of kind `thinking`.
 *
 * Only what the API sends: often a summary, and nothing for thinking that it redacts.
 */
export interface ClaudeThinkingDelta {
  /** The session of the turn; for a run, the session's id in the CLI. */
  session_id: string;
  job_id: string;
  message_id: string;
  /** Position of `text` in the thinking of the message, in UTF-16 code units. */
  offset: number;
  text: string;
}

/** A message was added to a session. */
export interface ClaudeMessageAdded {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  session_id: string;
  job_id: string | null;
  message: ClaudeMessage;
}

/** A session was created or updated. */
export interface ClaudeSessionUpdated {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  session: Session;
}

/** A session was deleted with its messages. */
export interface ClaudeSessionDeleted {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  session_id: string;
}

/** The context of a session was filled by an answer, compacted or cleared. */
export interface ClaudeContextUpdated {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  context: ClaudeContext;
}

/** A usage limit changed: its status, its reset, or the percentage that is used. */
export interface ClaudeLimitsUpdated {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  limits: ClaudeLimits;
}

/** Events were not sent because the client reads too slowly; get them with `events.replay`. */
export interface EventsLag {
  from_seq: number;
  to_seq: number;
  dropped: number;
}

/** The events since the client's last one are no longer available: load the lists again. */
export interface EventsResync {
  reason: string;
}

/** The queue was paused or resumed. */
export interface JobQueueUpdated {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  queue: JobQueue;
}

/**
 * A job was created or has changed: its status, what it waits for, or a requested cancellation.
 *
 * A pruned job sends no notification.
 */
export interface JobUpdated {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  job: Job;
}

/** A line was added to a job's log. */
export interface JobLogAdded {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  line: JobLogLine;
}

/** A running job reported progress.  `jobs.get` has the last value, at most a second old. */
export interface JobProgress {
  job_id: string;
  /** Null if the remaining work is unknown. */
  progress: number | null;
  /** A short description of the current step. */
  message: string | null;
}

/** A schedule was created or changed, or has created a job. */
export interface ScheduleUpdated {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  schedule: Schedule;
}

/** A schedule was deleted, with the record of its runs. */
export interface ScheduleDeleted {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  schedule_id: string;
}

/**
 * A time of a schedule that the user has created is over: with an answer, or without one and why.
 *
 * It is sent once for each run, and for times that were missed together once.  `title` and `text` are written for the
 * user, for a notification of the system.  A run that the user has cancelled sends none.
 */
export interface ScheduleRunEnded {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  run: ScheduleRun;
  title: string;
  text: string;
}

/**
 * The database was missing or empty at a start, and a new one has taken its place although backups exist.
 *
 * Sent once.  `system.health` is `degraded` until the backup is restored or moved away.
 */
export interface DatabaseLost {
  /** Position in the event log.  Strictly increasing, unique, and continued across restarts. */
  seq: number;
  /** When it was logged.  UTC, ISO 8601: 2026-11-23T08:00:00.000Z. */
  at: string;
  /** The name of the newest backup. */
  backup: string;
  /** Advice for the user. */
  hint: string;
}

/** The state of the process changed. */
export interface SystemState {
  state: ProcessState;
}

/** The state of the process. */
export const ProcessState = {
  READY: "ready",
  DRAINING: "draining",
} as const;
/** The state of the process. */
export type ProcessState = "ready" | "draining";

/** Progress of a request with a `_meta.progress_token`.  Never sent after its response, which is its end. */
export interface RequestProgress {
  /** Identifies the request in its $/progress notifications. */
  token: number | string;
  value: ProgressValue;
}

/** The progress of a request. */
export interface ProgressValue {
  /** The current step. */
  message: string | null;
  /** 0.0 to 1.0.  Null if the remaining work is unknown. */
  fraction: number | null;
}

/** Writes events to a file, newest first.  The file appears under its name when it is complete. */
export interface ExportActivity {
  /** @default "csv" */
  format?: ActivityFileFormat;
  /**
   * The separator of a CSV file.
   *
   * @default ","
   */
  separator?: CsvSeparator;
  /**
   * Whether a CSV file begins with a byte order mark, without which Excel does not read it as UTF-8.
   *
   * @default true
   */
  byte_order_mark?: boolean;
  /** Absolute path in an existing folder outside the data folder; null for a new file in its subfolder `exports`. */
  path?: string | null;
  /**
   * Whether to replace an existing file at `path`; otherwise the job fails with `file_exists`.
   *
   * @default false
   */
  overwrite?: boolean;
  /** ISO 8601 with an offset. */
  start?: string | null;
  /** ISO 8601 with an offset. */
  end?: string | null;
  source?: string | null;
  /** An account's id. */
  account_id?: string | null;
  event_type?: string | null;
  /** An issue's key, for example PROJ-123. */
  issue_key?: string | null;
  /**
   * Text to search for.  Case, width (Ａ, ｱ) and Unicode normal form do not matter; a query of blanks, quotes and
   * invisible characters finds nothing.
   */
  query?: string | null;
}

/**
 * The format of an exported file.
 *
 * - `csv`: UTF-8, for spreadsheets.  No cell is read as a formula, also not by a spreadsheet that expects another
 * separator:
 * an apostrophe precedes what would begin one.
 * - `jsonl`: One event per line, as in `activity.events.list`.
 */
export const ActivityFileFormat = {
  /**
   * UTF-8, for spreadsheets.  No cell is read as a formula, also not by a spreadsheet that expects another separator:
   * an apostrophe precedes what would begin one.
   */
  CSV: "csv",
  /** One event per line, as in `activity.events.list`. */
  JSONL: "jsonl",
  MARKDOWN: "markdown",
} as const;
/**
 * The format of an exported file.
 *
 * - `csv`: UTF-8, for spreadsheets.  No cell is read as a formula, also not by a spreadsheet that expects another
 * separator:
 * an apostrophe precedes what would begin one.
 * - `jsonl`: One event per line, as in `activity.events.list`.
 */
export type ActivityFileFormat = "csv" | "jsonl" | "markdown";

/**
 * The character between two cells of a CSV file.
 *
 * - `;`: Expected by Excel where the comma is the decimal sign, for example in German and French.
 */
export const CsvSeparator = {
  COMMA: ",",
  /** Expected by Excel where the comma is the decimal sign, for example in German and French. */
  SEMICOLON: ";",
  TAB: "\t",
} as const;
/**
 * The character between two cells of a CSV file.
 *
 * - `;`: Expected by Excel where the comma is the decimal sign, for example in German and French.
 */
export type CsvSeparator = "," | ";" | "\t";

/** The exported file. */
export interface ActivityFile {
  path: string;
  rows: number;
  size_bytes: number;
}

/** Reads the changes of an account's calendars. */
export interface SyncCalendar {
  /** An account's id. */
  account_id: string;
  /**
   * Whether to read everything again, and remove events that no longer exist.
   *
   * @default false
   */
  full?: boolean;
}

/** The result of a sync. */
export interface CalendarSynced {
  /** Number of calendars that were synced. */
  calendars: number;
  /** Number of calendars that could not be synced, each with a `sync_error`; the others were. */
  failed_calendars: number;
  /** Number of events added. */
  added: number;
  updated: number;
  removed: number;
}

/** Writes a session to a file, which appears under its name once it is complete. */
export interface ExportSession {
  /** A Claude session's id. */
  session_id: string;
  /** A path in an existing folder outside the data folder; null for a new file in the data folder's `exports`. */
  path?: string | null;
  /**
   * Whether an existing file at `path` is replaced; otherwise the job fails with `file_exists`.
   *
   * @default false
   */
  overwrite?: boolean;
  /** @default "markdown" */
  format?: ExportFormat;
  /**
   * Whether Markdown includes Claude's thinking; JSONL always does.
   *
   * @default false
   */
  thinking?: boolean;
}

/**
 * The format of an exported file.
 *
 * - `markdown`: Readable text: prompts, answers, and tools with their inputs and outputs.
 * - `jsonl`: A line {type: "session", session}, then a line {type: "message", message} per message.
 */
export const ExportFormat = {
  /** Readable text: prompts, answers, and tools with their inputs and outputs. */
  MARKDOWN: "markdown",
  /** A line {type: "session", session}, then a line {type: "message", message} per message. */
  JSONL: "jsonl",
} as const;
/**
 * The format of an exported file.
 *
 * - `markdown`: Readable text: prompts, answers, and tools with their inputs and outputs.
 * - `jsonl`: A line {type: "session", session}, then a line {type: "message", message} per message.
 */
export type ExportFormat = "markdown" | "jsonl";

/** The written file. */
export interface ExportResult {
  session_id: string;
  path: string;
  messages: number;
  bytes: number;
}

/**
 * Runs a prompt in the user's own `claude`; the result is its answer, without which it fails with `no_answer`.
 *
 * A command that Claude Code carries out itself, such as `/compact`, needs none.
 */
export interface RunClaude {
  /**
   * Without the images and files that were sent with it.  The prompt.  It may be empty only if the prompt has
   * attachments.
   *
   * @default ""
   */
  prompt?: string;
  /** Claude's working directory; null for the home folder. */
  cwd?: string | null;
  /** Null for the model in the user's Claude settings. */
  model?: string | null;
  /** Null for the effort in the user's Claude settings.  A level that the model is known not to have is refused. */
  effort?: string | null;
  /** The session to continue (UUID): `session_id` of an earlier run's result. */
  session_id?: string | null;
  /** @default [] */
  allowed_tools?: string[];
  /** Null for the mode in the user's Claude settings. */
  permission_mode?: PermissionMode | null;
  /** Maximum number of model turns; a run that needs more fails. */
  max_turns?: number | null;
  /**
   * Maximum cost of the run; one that reaches it is stopped and fails with `budget_exceeded`.
   *
   * It is an estimate, also for a subscription, which is not billed by it.  The answer that reaches it can exceed it.
   */
  max_budget_usd?: number | null;
  /**
   * Seconds.
   *
   * @default 3600.0
   */
  timeout_s?: number;
  /** Appended to Claude Code's own system prompt; a resumed session keeps its first one. */
  system_prompt?: string | null;
  /**
   * With `all`, a run fails with `workspace_untrusted` if its folder is not trusted and brings hooks or the like.
   *
   * @default "all"
   */
  settings?: ClaudeSettings;
  /**
   * Whether a run that reaches Claude's usage limit goes on by itself when the limit resets; otherwise it fails.
   *
   * @default true
   */
  wait_for_limit?: boolean;
  /**
   * A run can ask no one, so that calls which change something are denied.
   *
   * @default "read"
   */
  hub?: HubAccess;
  /**
   * Sources whose texts were in the conversation that has queued it.  As with those that it reads itself, it may then
   * only read.
   *
   * @default []
   */
  exposed_to?: string[];
}

/** The result of a run. */
export interface ClaudeRunResult {
  /** The final answer, at most 2 MiB of UTF-8.  Claude may have written others before, while tasks were running. */
  text: string;
  /** True if the answer was longer; the CLI's own transcript contains all of it. */
  text_truncated: boolean;
  model: string | null;
  /** All tokens that were used for the answer, including those of subagents. */
  usage: ClaudeUsage;
  /** The CLI's estimate, at list prices. */
  total_cost_usd: number | null;
  num_turns: number | null;
  duration_ms: number | null;
  /** The API's stop reason: `end_turn`, `max_tokens`. */
  stop_reason: string | null;
  /** The names of the tools that Claude was not allowed to use, once per denied call. */
  permission_denials: string[];
  /** The rows of the hub that the answer names as its sources, in order of the text, at most 500. */
  citations: Citation[];
  /** The session's id in the CLI: pass it to the next run to continue this conversation. */
  session_id: string | null;
}

/** Sends the next prompt of a session; the result is the answer.  The turns of a session run one after another. */
export interface TakeTurn {
  /** A Claude session's id. */
  session_id: string;
  /**
   * Without the images and files that were sent with it.  The prompt.  It may be empty only if the prompt has
   * attachments.
   */
  prompt: string;
  /** Null for one hour.  The time during which a permission request is open does not count. */
  timeout_s?: number | null;
  /** Null for the setting of the session. */
  wait_for_limit?: boolean | null;
  /** Set by `claude.sessions.send` if the prompt was offered to the running turn. */
  steer?: string | null;
  /**
   * Whether Claude has begun the turn by itself, for example one that it had scheduled; it has no prompt.
   *
   * @default false
   */
  is_own?: boolean;
}

/** The result of a turn.  Usage and cost are those of this turn. */
export interface ClaudeTurnResult {
  /** The final answer, at most 2 MiB of UTF-8.  Claude may have written others before, while tasks were running. */
  text: string;
  /** True if the answer was longer; the CLI's own transcript contains all of it. */
  text_truncated: boolean;
  model: string | null;
  /** All tokens that were used for the answer, including those of subagents. */
  usage: ClaudeUsage;
  /** The CLI's estimate, at list prices. */
  total_cost_usd: number | null;
  num_turns: number | null;
  duration_ms: number | null;
  /** The API's stop reason: `end_turn`, `max_tokens`. */
  stop_reason: string | null;
  /** The names of the tools that Claude was not allowed to use, once per denied call. */
  permission_denials: string[];
  /** The rows of the hub that the answer names as its sources, in order of the text, at most 500. */
  citations: Citation[];
  session_id: string;
  /** The turn that has read the prompt while it was running and given this answer; it has the usage and the cost. */
  answered_by: string | null;
}

/** Updates the feed with the changes at a Confluence site. */
export interface SyncConfluence {
  /** An account's id. */
  account_id: string;
  /**
   * Reads the whole last year again, instead of only what changed since the last sync.
   *
   * @default false
   */
  full?: boolean;
}

/** The result of a sync. */
export interface AtlassianSynced {
  /** Number of changed issues, or of changed pages and comments, that were read. */
  read: number;
  /** Number of events added to the feed. */
  added: number;
  updated: number;
  removed: number;
  /** Whether everything was read again, not only what changed since the last sync. */
  full: boolean;
  /**
   * Number of issues, pages and comments that could not be read, or not completely.
   *
   * The job's log names them, what the feed has of them stays, and the next daily sync reads them again.
   */
  unreadable: number;
}

/** Updates the feed with the changes at a Jira site. */
export interface SyncJira {
  /** An account's id. */
  account_id: string;
  /**
   * Reads the whole last year again, instead of only what changed since the last sync.
   *
   * @default false
   */
  full?: boolean;
}

/** Writes a compact copy of the database without interrupting other work. */
export interface BackUpDatabase {
  /**
   * Number of copies to keep; older ones are deleted.
   *
   * @default 3
   */
  keep?: number;
}

/** The result of a backup. */
export interface BackupResult {
  path: string;
  size_bytes: number;
  duration_ms: number;
}

/** Deletes finished jobs with their logs, and entries of the event log, by age and by size. */
export interface PruneHistory {
  /**
   * Age in days after which a finished job is deleted.
   *
   * @default 30
   */
  keep_days?: number;
  /**
   * Maximum size of finished jobs and their logs; the oldest are deleted first.
   *
   * @default 268435456
   */
  max_bytes?: number;
}

/** The result of pruning. */
export interface PruneResult {
  /** Number of deleted jobs. */
  jobs: number;
  /** Number of entries deleted from the event log. */
  events: number;
}

/** Returns the space of deleted rows to the file system. */
export type VacuumDatabase = Record<string, never>;

/** The result of a vacuum. */
export interface VacuumResult {
  freed_bytes: number;
}

/** Params of `activity.events.list`. */
export interface ActivityEventsListParams {
  /** ISO 8601 with an offset. */
  start?: string | null;
  /** ISO 8601 with an offset. */
  end?: string | null;
  source?: string | null;
  /** An account's id. */
  account_id?: string | null;
  event_type?: string | null;
  /** An issue's key, for example PROJ-123. */
  issue_key?: string | null;
  /**
   * Text to search for.  Case, width (Ａ, ｱ) and Unicode normal form do not matter; a query of blanks, quotes and
   * invisible characters finds nothing.
   */
  query?: string | null;
  /**
   * Rows per page, 1 to 500.
   *
   * @default 50
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `activity.search`. */
export interface ActivitySearchParams {
  /**
   * Text to search for.  Case, width (Ａ, ｱ) and Unicode normal form do not matter; a query of blanks, quotes and
   * invisible characters finds nothing.
   */
  query: string;
  /** ISO 8601 with an offset. */
  start?: string | null;
  /** ISO 8601 with an offset. */
  end?: string | null;
  source?: string | null;
  /** An account's id. */
  account_id?: string | null;
  event_type?: string | null;
  /**
   * Rows per page, 1 to 500.
   *
   * @default 50
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `activity.summary`. */
export interface ActivitySummaryParams {
  /** ISO 8601 with an offset. */
  start: string;
  /** ISO 8601 with an offset. */
  end: string;
  /** An IANA time zone: Europe/Berlin. */
  time_zone: string;
  /** @default "data" */
  format?: SummaryFormat;
  /** @default "day" */
  group?: SummaryGroup;
}

/** Params of `activity.heatmap`. */
export interface ActivityHeatmapParams {
  /** ISO 8601 with an offset. */
  start: string;
  /** ISO 8601 with an offset. */
  end: string;
  /** An IANA time zone: Europe/Berlin. */
  time_zone: string;
  source?: string | null;
}

/** Params of `calendar.providers.list`. */
export type CalendarProvidersListParams = Record<string, never>;

/** Params of `calendar.accounts.create`. */
export interface CalendarAccountsCreateParams {
  provider: "google" | "ics";
  /** E-mail. */
  email: string;
  display_name?: string | null;
  /** The account's credentials; `calendar.providers.list` lists the keys. */
  credentials?: Record<string, string> | null;
  /** A JSON object. */
  config?: JsonInput | null;
}

/** Params of `calendar.accounts.update`. */
export interface CalendarAccountsUpdateParams {
  /** An account's id. */
  account_id: string;
  display_name?: string | null;
  /** Days, up to ten years. */
  past_days?: number | null;
  /** Days, up to ten years. */
  future_days?: number | null;
  /** The account's credentials; `calendar.providers.list` lists the keys. */
  credentials?: Record<string, string> | null;
}

/** Params of `calendar.accounts.delete`. */
export interface CalendarAccountsDeleteParams {
  /** An account's id. */
  account_id: string;
}

/** Params of `calendar.accounts.sync`. */
export interface CalendarAccountsSyncParams {
  /** An account's id. */
  account_id: string;
  /** @default false */
  full?: boolean;
}

/** Params of `calendar.calendars.update`. */
export interface CalendarCalendarsUpdateParams {
  /** An account's id. */
  account_id: string;
  /** The id of a calendar. */
  calendar_id: string;
  selected: boolean;
}

/** Params of `calendar.accounts.list`. */
export type CalendarAccountsListParams = Record<string, never>;

/** Params of `calendar.accounts.get`. */
export interface CalendarAccountsGetParams {
  /** An account's id. */
  account_id: string;
}

/** Params of `calendar.calendars.list`. */
export interface CalendarCalendarsListParams {
  /** An account's id. */
  account_id?: string | null;
}

/** Params of `calendar.events.list`. */
export interface CalendarEventsListParams {
  /** ISO 8601 with an offset. */
  start: string;
  /** ISO 8601 with an offset. */
  end: string;
  /** An account's id. */
  account_id?: string | null;
  /** The id of a calendar. */
  calendar_id?: string | null;
  /** @default false */
  include_unselected?: boolean;
  /**
   * Rows per page, 1 to 500.
   *
   * @default 50
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `calendar.oauth.google.start`. */
export interface CalendarOauthGoogleStartParams {
  /** The client's address for the redirect: http://127.0.0.1:<port>, optionally with a path. */
  redirect_uri: string;
  /** E-mail. */
  login_hint?: string | null;
  /** An account's id. */
  account_id?: string | null;
}

/** Params of `calendar.oauth.google.callback`. */
export interface CalendarOauthGoogleCallbackParams {
  /** The complete URL of the redirect. */
  url?: string | null;
  /** Identifies a sign-in; returned by `start`. */
  state?: string | null;
  code?: string | null;
  /** The `error` parameter of the redirect. */
  error?: string | null;
}

/** Params of `calendar.oauth.google.complete`. */
export interface CalendarOauthGoogleCompleteParams {
  /** Identifies a sign-in; returned by `start`. */
  state: string;
}

/** Params of `claude.budgets.get`. */
export interface ClaudeBudgetsGetParams {
  /** A Claude session's id. */
  session_id?: string | null;
}

/** Params of `claude.budgets.update`. */
export interface ClaudeBudgetsUpdateParams {
  /** US dollars at list prices, as Claude Code counts them. */
  max_usd?: number | null;
  /** A Claude session's id. */
  session_id?: string | null;
}

/** Params of `claude.citations.list`. */
export interface ClaudeCitationsListParams {
  /** A job's id (UUIDv7). */
  job_id: string;
}

/** Params of `claude.conversations.list`. */
export interface ClaudeConversationsListParams {
  /** An absolute path. */
  cwd?: string | null;
  /**
   * Rows per page, 1 to 500.
   *
   * @default 50
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `claude.conversations.take`. */
export interface ClaudeConversationsTakeParams {
  /** The `claude_session_id` of a conversation (UUID). */
  claude_session_id: string;
}

/** Params of `claude.doctor`. */
export type ClaudeDoctorParams = Record<string, never>;

/** Params of `claude.sessions.export`. */
export interface ClaudeSessionsExportParams {
  /** A Claude session's id. */
  session_id: string;
  /** @default false */
  thinking?: boolean;
}

/** Params of `claude.exposures.list`. */
export interface ClaudeExposuresListParams {
  /** A Claude session's id. */
  session_id?: string | null;
  /** A job's id (UUIDv7). */
  job_id?: string | null;
}

/** Params of `claude.decisions.list`. */
export interface ClaudeDecisionsListParams {
  /** A Claude session's id. */
  session_id?: string | null;
  /** A job's id (UUIDv7). */
  job_id?: string | null;
  /**
   * Rows per page, 1 to 500.
   *
   * @default 50
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `claude.sources.list`. */
export type ClaudeSourcesListParams = Record<string, never>;

/** Params of `claude.sources.trust`. */
export interface ClaudeSourcesTrustParams {
  source: string;
}

/** Params of `claude.sources.remove`. */
export interface ClaudeSourcesRemoveParams {
  source: string;
}

/** Params of `claude.permissions.list`. */
export interface ClaudePermissionsListParams {
  /** A Claude session's id. */
  session_id?: string | null;
  status?: PermissionStatus | null;
  /**
   * Rows per page, 1 to 500.
   *
   * @default 50
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `claude.permissions.respond`. */
export interface ClaudePermissionsRespondParams {
  request_id: string;
  decision: PermissionDecision;
  /** A JSON object. */
  updated_input?: JsonInput | null;
  message?: string | null;
  /** @default false */
  remember?: boolean;
  /**
   * Positions in the `suggestions` of the request, from 0.
   *
   * @default []
   */
  suggestions?: number[];
}

/** Params of `claude.runs.get`. */
export interface ClaudeRunsGetParams {
  /** A job's id (UUIDv7). */
  job_id: string;
}

/** Params of `claude.spawn`. */
export interface ClaudeSpawnParams {
  /**
   * Without the images and files that were sent with it.  The prompt.  It may be empty only if the prompt has
   * attachments.
   *
   * @default ""
   */
  prompt?: string;
  /** Claude's working directory; null for the home folder. */
  cwd?: string | null;
  /** Null for the model in the user's Claude settings. */
  model?: string | null;
  /** Null for the effort in the user's Claude settings.  A level that the model is known not to have is refused. */
  effort?: string | null;
  /** The session to continue (UUID): `session_id` of an earlier run's result. */
  session_id?: string | null;
  /** @default [] */
  allowed_tools?: string[];
  /** Null for the mode in the user's Claude settings. */
  permission_mode?: PermissionMode | null;
  /** Maximum number of model turns; a run that needs more fails. */
  max_turns?: number | null;
  /**
   * Maximum cost of the run; one that reaches it is stopped and fails with `budget_exceeded`.
   *
   * It is an estimate, also for a subscription, which is not billed by it.  The answer that reaches it can exceed it.
   */
  max_budget_usd?: number | null;
  /**
   * Seconds.
   *
   * @default 3600.0
   */
  timeout_s?: number;
  /** Appended to Claude Code's own system prompt; a resumed session keeps its first one. */
  system_prompt?: string | null;
  /**
   * With `all`, a run fails with `workspace_untrusted` if its folder is not trusted and brings hooks or the like.
   *
   * @default "all"
   */
  settings?: ClaudeSettings;
  /**
   * Whether a run that reaches Claude's usage limit goes on by itself when the limit resets; otherwise it fails.
   *
   * @default true
   */
  wait_for_limit?: boolean;
  /**
   * A run can ask no one, so that calls which change something are denied.
   *
   * @default "read"
   */
  hub?: HubAccess;
  /**
   * Sources whose texts were in the conversation that has queued it.  As with those that it reads itself, it may then
   * only read.
   *
   * @default []
   */
  exposed_to?: string[];
  /** @default [] */
  content?: PromptPart[];
  /**
   * Jobs of higher priority start first; 0 is normal.
   *
   * @default 0
   */
  priority?: number;
  /** @default false */
  trust?: boolean;
}

/** Params of `claude.messages.search`. */
export interface ClaudeMessagesSearchParams {
  /**
   * Text to search for.  Case, width (Ａ, ｱ) and Unicode normal form do not matter; a query of blanks, quotes and
   * invisible characters finds nothing.
   */
  query: string;
  /** A Claude session's id. */
  session_id?: string | null;
  kind?: MessageKind | null;
  /**
   * Rows per page, 1 to 500.
   *
   * @default 50
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `claude.sessions.create`. */
export interface ClaudeSessionsCreateParams {
  title?: string | null;
  /** An absolute path. */
  cwd?: string | null;
  /** An alias (opus, sonnet) or the full name of a model. */
  model?: string | null;
  /** How much Claude thinks: a level of the model, as `claude.status` lists them (low, high, max). */
  effort?: string | null;
  permission_mode?: PermissionMode | null;
  /** @default [] */
  allowed_tools?: string[];
  /** Appended to Claude Code's own system prompt. */
  system_prompt?: string | null;
  /** @default false */
  worktree?: boolean;
  /** @default "all" */
  settings?: ClaudeSettings;
  /** @default false */
  trust?: boolean;
  /** @default true */
  wait_for_limit?: boolean;
  /** @default "read" */
  hub?: HubAccess;
}

/** Params of `claude.sessions.list`. */
export interface ClaudeSessionsListParams {
  /**
   * Rows per page, 1 to 500.
   *
   * @default 50
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `claude.sessions.get`. */
export interface ClaudeSessionsGetParams {
  /** A Claude session's id. */
  session_id: string;
}

/** Params of `claude.sessions.update`. */
export interface ClaudeSessionsUpdateParams {
  /** A Claude session's id. */
  session_id: string;
  title?: string | null;
  /** An absolute path. */
  cwd?: string | null;
  /** An alias (opus, sonnet) or the full name of a model. */
  model?: string | null;
  /** How much Claude thinks: a level of the model, as `claude.status` lists them (low, high, max). */
  effort?: string | null;
  permission_mode?: PermissionMode | null;
  allowed_tools?: string[] | null;
  settings?: ClaudeSettings | null;
  /** @default false */
  trust?: boolean;
  wait_for_limit?: boolean | null;
  hub?: HubAccess | null;
}

/** Params of `claude.sessions.delete`. */
export interface ClaudeSessionsDeleteParams {
  /** A Claude session's id. */
  session_id: string;
}

/** Params of `claude.sessions.send`. */
export interface ClaudeSessionsSendParams {
  /** A Claude session's id. */
  session_id: string;
  prompt?: string | null;
  /** @default [] */
  content?: PromptPart[];
  /** @default "next" */
  when?: SendWhen;
  /**
   * Jobs of higher priority start first; 0 is normal.
   *
   * @default 0
   */
  priority?: number;
  /** Seconds. */
  timeout_s?: number | null;
  wait_for_limit?: boolean | null;
}

/** Params of `claude.sessions.interrupt`. */
export interface ClaudeSessionsInterruptParams {
  /** A Claude session's id. */
  session_id: string;
}

/** Params of `claude.sessions.fork`. */
export interface ClaudeSessionsForkParams {
  /** A Claude session's id. */
  session_id: string;
  title?: string | null;
  /** The `message_id` of a message. */
  message_id?: string | null;
}

/** Params of `claude.messages.list`. */
export interface ClaudeMessagesListParams {
  /** A Claude session's id. */
  session_id: string;
  /**
   * Rows per page, 1 to 500.
   *
   * @default 200
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `claude.status`. */
export interface ClaudeStatusParams {
  /** An absolute path. */
  cwd?: string | null;
  /** A Claude session's id. */
  session_id?: string | null;
  /** @default false */
  refresh?: boolean;
}

/** Params of `claude.tasks.list`. */
export interface ClaudeTasksListParams {
  /** A Claude session's id. */
  session_id?: string | null;
}

/** Params of `claude.tasks.stop`. */
export interface ClaudeTasksStopParams {
  /** A job's id (UUIDv7). */
  job_id: string;
  task_id?: string | null;
}

/** Params of `claude.trust.check`. */
export interface ClaudeTrustCheckParams {
  /** An absolute path. */
  cwd?: string | null;
}

/** Params of `claude.trust.add`. */
export interface ClaudeTrustAddParams {
  /** An absolute path. */
  cwd: string;
}

/** Params of `claude.trust.list`. */
export type ClaudeTrustListParams = Record<string, never>;

/** Params of `claude.trust.remove`. */
export interface ClaudeTrustRemoveParams {
  /** An absolute path. */
  folder: string;
}

/** Params of `claude.usage.list`. */
export interface ClaudeUsageListParams {
  /** ISO 8601 with an offset. */
  start: string;
  /** ISO 8601 with an offset. */
  end: string;
  /** An IANA time zone: Europe/Berlin. */
  time_zone?: string | null;
  /** @default "day" */
  group?: UsageGroup;
}

/** Params of `confluence.accounts.list`. */
export type ConfluenceAccountsListParams = Record<string, never>;

/** Params of `confluence.accounts.create`. */
export interface ConfluenceAccountsCreateParams {
  /** A name for the site. */
  org: string;
  /** The site: https://example.atlassian.net.  The address of any of its pages is accepted. */
  base_url: string;
  email: string;
  /** An API token of the Atlassian account, with or without scopes. */
  api_token: string;
  /** @default "mine" */
  scope?: AtlassianScope;
  /** ISO 8601 with an offset. */
  token_expires_at?: string | null;
}

/** Params of `confluence.accounts.update`. */
export interface ConfluenceAccountsUpdateParams {
  /** An account's id. */
  account_id: string;
  /** A name for the site. */
  org?: string | null;
  /** The site: https://example.atlassian.net.  The address of any of its pages is accepted. */
  base_url?: string | null;
  /** An API token of the Atlassian account, with or without scopes. */
  api_token?: string | null;
  scope?: AtlassianScope | null;
  /** ISO 8601 with an offset. */
  token_expires_at?: string | null;
}

/** Params of `confluence.accounts.delete`. */
export interface ConfluenceAccountsDeleteParams {
  /** An account's id. */
  account_id: string;
}

/** Params of `confluence.accounts.sync`. */
export interface ConfluenceAccountsSyncParams {
  /** An account's id. */
  account_id: string;
  /** @default false */
  full?: boolean;
}

/** Params of `events.replay`. */
export interface EventsReplayParams {
  after_seq: number;
  /**
   * Events per page, 1 to 1,000.
   *
   * @default 500
   */
  limit?: number;
}

/** Params of `jira.accounts.list`. */
export type JiraAccountsListParams = Record<string, never>;

/** Params of `jira.accounts.create`. */
export interface JiraAccountsCreateParams {
  /** A name for the site. */
  org: string;
  /** The site: https://example.atlassian.net.  The address of any of its pages is accepted. */
  base_url: string;
  email: string;
  /** An API token of the Atlassian account, with or without scopes. */
  api_token: string;
  /** @default "mine" */
  scope?: AtlassianScope;
  /** ISO 8601 with an offset. */
  token_expires_at?: string | null;
}

/** Params of `jira.accounts.update`. */
export interface JiraAccountsUpdateParams {
  /** An account's id. */
  account_id: string;
  /** A name for the site. */
  org?: string | null;
  /** The site: https://example.atlassian.net.  The address of any of its pages is accepted. */
  base_url?: string | null;
  /** An API token of the Atlassian account, with or without scopes. */
  api_token?: string | null;
  scope?: AtlassianScope | null;
  /** ISO 8601 with an offset. */
  token_expires_at?: string | null;
}

/** Params of `jira.accounts.delete`. */
export interface JiraAccountsDeleteParams {
  /** An account's id. */
  account_id: string;
}

/** Params of `jira.accounts.sync`. */
export interface JiraAccountsSyncParams {
  /** An account's id. */
  account_id: string;
  /** @default false */
  full?: boolean;
}

/** The params of `jobs.create` that are the same for every job type. */
export interface JobsCreateFields {
  /**
   * Jobs of higher priority start first; 0 is normal.
   *
   * @default 0
   */
  priority?: number;
  /** ISO 8601 with an offset. */
  run_at?: string | null;
  /**
   * If a job was created with this key before, that job is returned and none is created.  It must have the same type
   * and payload.
   */
  idempotency_key?: string | null;
  /** Maximum number of attempts.  Null for the default of the job type. */
  max_attempts?: number | null;
}

/** Params of `jobs.create`. */
export type JobsCreateParams<Type extends JobType = JobType> = {
  [T in Type]: JobsCreateFields & { type: T } & JobPayload<T>;
}[Type];

/** Params of `jobs.list`. */
export interface JobsListParams<Type extends JobType = JobType> {
  status?: JobStatus | null;
  type?: Type | null;
  /**
   * Rows per page, 1 to 500.
   *
   * @default 50
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `jobs.get`. */
export interface JobsGetParams {
  /** A job's id (UUIDv7). */
  job_id: string;
}

/** Params of `jobs.cancel`. */
export interface JobsCancelParams {
  /** A job's id (UUIDv7). */
  job_id: string;
}

/** Params of `jobs.log.list`. */
export interface JobsLogListParams {
  /** A job's id (UUIDv7). */
  job_id: string;
  /**
   * Rows per page, 1 to 500.
   *
   * @default 200
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `jobs.retry`. */
export interface JobsRetryParams {
  /** A job's id (UUIDv7). */
  job_id: string;
}

/** Params of `jobs.queue.get`. */
export type JobsQueueGetParams = Record<string, never>;

/** Params of `jobs.queue.pause`. */
export type JobsQueuePauseParams = Record<string, never>;

/** Params of `jobs.queue.resume`. */
export type JobsQueueResumeParams = Record<string, never>;

/** Params of `jobs.queue.wake`. */
export type JobsQueueWakeParams = Record<string, never>;

/** Params of `jobs.schedules.list`. */
export type JobsSchedulesListParams = Record<string, never>;

/** Params of `jobs.schedules.create`. */
export interface JobsSchedulesCreateParams {
  title: string;
  type: JobType;
  /** A JSON object. */
  payload?: JsonInput | null;
  /** Seconds between two runs, at least 60. */
  period_s?: number | null;
  /**
   * A recurrence rule (RFC 5545), such as FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0.  FREQ is HOURLY or
   * longer, with at most 96 times a day.
   */
  rrule?: string | null;
  /** ISO 8601 with an offset. */
  start?: string | null;
  /** An IANA time zone: Europe/Berlin. */
  time_zone?: string | null;
  /** @default "run_once" */
  misfire_policy?: MisfirePolicy;
  /** @default true */
  enabled?: boolean;
}

/** Params of `jobs.schedules.update`. */
export interface JobsSchedulesUpdateParams {
  /** A schedule's id. */
  schedule_id: string;
  enabled?: boolean | null;
  /** Seconds between two runs, at least 60. */
  period_s?: number | null;
  title?: string | null;
  type?: JobType | null;
  /** A JSON object. */
  payload?: JsonInput | null;
  /**
   * A recurrence rule (RFC 5545), such as FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0.  FREQ is HOURLY or
   * longer, with at most 96 times a day.
   */
  rrule?: string | null;
  /** ISO 8601 with an offset. */
  start?: string | null;
  /** An IANA time zone: Europe/Berlin. */
  time_zone?: string | null;
  misfire_policy?: MisfirePolicy | null;
}

/** Params of `jobs.schedules.delete`. */
export interface JobsSchedulesDeleteParams {
  /** A schedule's id. */
  schedule_id: string;
}

/** Params of `jobs.schedules.run`. */
export interface JobsSchedulesRunParams {
  /** A schedule's id. */
  schedule_id: string;
}

/** Params of `jobs.schedules.runs.list`. */
export interface JobsSchedulesRunsListParams {
  /** A schedule's id. */
  schedule_id?: string | null;
  status?: ScheduleRunStatus | null;
  /** ISO 8601 with an offset. */
  since?: string | null;
  /**
   * Rows per page, 1 to 500.
   *
   * @default 200
   */
  limit?: number;
  /** The `next_cursor` of the previous page.  Opaque. */
  cursor?: string | null;
}

/** Params of `system.backups.list`. */
export type SystemBackupsListParams = Record<string, never>;

/** Params of `system.backups.restore`. */
export interface SystemBackupsRestoreParams {
  name: string;
}

/** Params of `initialize`. */
export interface InitializeParams {
  protocol_version: number;
  client_info: ClientInfo;
  /** A process id. */
  process_id?: number | null;
  capabilities?: Capabilities | null;
  resume?: Resume | null;
  schema_hash?: string | null;
  token?: string | null;
  secrets?: Secrets | null;
}

/** Params of `initialized`. */
export type InitializedParams = Record<string, never>;

/** Params of `shutdown`. */
export interface ShutdownParams {
  /**
   * Milliseconds, at most 60,000.
   *
   * @default 5000
   */
  deadline_ms?: number;
}

/** Params of `exit`. */
export type ExitParams = Record<string, never>;

/** Params of `$/cancelRequest`. */
export interface CancelRequestParams {
  /** A request's id. */
  id: number | string;
}

/** Params of `rpc.discover`. */
export type RpcDiscoverParams = Record<string, never>;

/** Params of `system.health`. */
export type SystemHealthParams = Record<string, never>;

/** Params of `system.status`. */
export type SystemStatusParams = Record<string, never>;

/** Params of `system.diagnostics`. */
export type SystemDiagnosticsParams = Record<string, never>;

/** Every request, with its params and its result. */
export interface Methods {
  /**
   * Lists events with start <= time < end, newest first; `query` is text in the title or description.
   *
   * With `issue_key` it lists an issue's thread: events about the issue, and meetings, pages, runs and other issues
   * that mention it.  A page with a `next_cursor` may be short or even empty: continue with the cursor.
   *
   * Errors: invalid_cursor.  Replaces GET /activity/events.
   */
  "activity.events.list": { params: ActivityEventsListParams; result: ActivityPage; errors: "invalid_cursor" };
  /**
   * Finds events that contain all words of `query` in title or description, newest first.
   *
   * Parts of words match; "words in quotes" are matched as one phrase.  An issue's key finds the events about the
   * issue and those that mention it.  A page with a `next_cursor` may be short or even empty: continue with the
   * cursor.
   *
   * Errors: invalid_cursor.
   */
  "activity.search": { params: ActivitySearchParams; result: ActivityHits; errors: "invalid_cursor" };
  /**
   * Summarises at most 366 days for a stand-up or weekly report: meetings, issues, pages and Claude's runs.
   *
   * The same events always give the same summary.  It lists what the accounts' owner did; the states of issues take
   * into account what others did.  Cancelled or declined meetings are omitted, and a meeting that is in two
   * calendars counts once.
   *
   * Errors: time_zone_unknown.
   */
  "activity.summary": { params: ActivitySummaryParams; result: ActivitySummary; errors: "time_zone_unknown" };
  /**
   * Counts the events of each whole local day from `start` to `end`, at most 3,660 days.
   *
   * An all-day event counts on its first day in every time zone.
   *
   * Errors: time_zone_unknown.
   */
  "activity.heatmap": { params: ActivityHeatmapParams; result: ActivityHeatmap; errors: "time_zone_unknown" };
  /**
   * Returns the calendar providers, with the credentials that each needs and whether it is available.
   *
   * Replaces GET /calendar/providers.
   */
  "calendar.providers.list": { params: CalendarProvidersListParams; result: CalendarProviderList; errors: never };
  /**
   * Connects an account with the given credentials, which are checked first.
   *
   * Google accounts are usually connected by `calendar.oauth.google.start` instead.  A Google account that is
   * connected already is reconnected; a calendar file that is connected already, by whatever form of its address
   * or path, is refused with `account_exists`.  No provider uses `config`.
   *
   * Errors: secrets_locked, calendar_provider_unavailable, account_exists, credentials_rejected, access_denied,
   * service_unreachable.  Replaces POST /calendar/accounts.
   */
  "calendar.accounts.create": { params: CalendarAccountsCreateParams; result: CalendarAccount; errors: "secrets_locked" | "calendar_provider_unavailable" | "account_exists" | "credentials_rejected" | "access_denied" | "service_unreachable" };
  /**
   * Changes an account's name, the range of days that is synced, or its credentials; the latter two start a sync.
   *
   * New credentials, such as the new secret address of a calendar file, are checked first, and make the account
   * active.
   *
   * Errors: account_not_found, secrets_locked, calendar_provider_unavailable, account_exists, credentials_rejected,
   * access_denied, service_unreachable.
   */
  "calendar.accounts.update": { params: CalendarAccountsUpdateParams; result: CalendarAccount; errors: "account_not_found" | "secrets_locked" | "calendar_provider_unavailable" | "account_exists" | "credentials_rejected" | "access_denied" | "service_unreachable" };
  /**
   * Revokes an account's sign-in, and deletes the account with its calendars and events, also from the feed.
   *
   * Errors: account_not_found.  Replaces DELETE /calendar/accounts/{id}.
   */
  "calendar.accounts.delete": { params: CalendarAccountsDeleteParams; result: CalendarAccountDeleted; errors: "account_not_found" };
  /**
   * Starts a sync, and returns its job.  Without `full`, returns the queued or running sync if there is one.
   *
   * Errors: account_not_found.  Replaces POST /calendar/accounts/{id}/sync.
   */
  "calendar.accounts.sync": { params: CalendarAccountsSyncParams; result: Job<"calendar.sync">; errors: "account_not_found" };
  /**
   * Selects or deselects a calendar.  The events of a deselected one are stored but hidden.
   *
   * Errors: calendar_not_found.  Replaces PATCH /calendar/calendars/{account_id}/{calendar_id}.
   */
  "calendar.calendars.update": { params: CalendarCalendarsUpdateParams; result: Calendar; errors: "calendar_not_found" };
  /**
   * Returns all calendar accounts.
   *
   * Replaces GET /calendar/accounts.
   */
  "calendar.accounts.list": { params: CalendarAccountsListParams; result: CalendarAccountList; errors: never };
  /**
   * Returns a calendar account.
   *
   * Errors: account_not_found.  Replaces GET /calendar/accounts/{id}.
   */
  "calendar.accounts.get": { params: CalendarAccountsGetParams; result: CalendarAccount; errors: "account_not_found" };
  /**
   * Returns the calendars of an account, or of all accounts, including deselected ones.
   *
   * Replaces GET /calendar/calendars.
   */
  "calendar.calendars.list": { params: CalendarCalendarsListParams; result: CalendarList; errors: never };
  /**
   * Returns the events that overlap the time from `start` to `end`.
   *
   * Events of deselected calendars are left out unless `include_unselected` is set.  A page ends early at 4 MiB.
   *
   * Errors: invalid_cursor.  Replaces GET /calendar/events.
   */
  "calendar.events.list": { params: CalendarEventsListParams; result: CalendarEventPage; errors: "invalid_cursor" };
  /**
   * Starts a sign-in, or with `account_id` one that reconnects this account.  It expires after ten minutes.
   *
   * Open the loopback port before this call; Google redirects to exactly this `redirect_uri`.
   *
   * Errors: account_not_found, google_client_missing, secrets_locked.  Replaces POST /calendar/oauth/google/start.
   */
  "calendar.oauth.google.start": { params: CalendarOauthGoogleStartParams; result: SignInStarted; errors: "account_not_found" | "google_client_missing" | "secrets_locked" };
  /**
   * Passes on the redirect: its complete URL, or `state` with `code` or `error`.
   *
   * Errors: sign_in_unknown, sign_in_expired, sign_in_used, secrets_locked.  Replaces GET
   * /calendar/oauth/google/callback.
   */
  "calendar.oauth.google.callback": { params: CalendarOauthGoogleCallbackParams; result: SignInReturned; errors: "sign_in_unknown" | "sign_in_expired" | "sign_in_used" | "secrets_locked" };
  /**
   * Connects the account, reads its list of calendars, and queues its first sync.
   *
   * An existing account with the same e-mail address is reconnected.  After `service_unreachable`, call it again.
   *
   * Errors: account_not_found, sign_in_unknown, sign_in_expired, sign_in_used, sign_in_incomplete, sign_in_denied,
   * sign_in_blocked, sign_in_scope_missing, sign_in_account_mismatch, sign_in_failed, google_client_missing,
   * google_client_rejected, service_unreachable, secrets_locked.  Replaces POST /calendar/oauth/google/complete.
   */
  "calendar.oauth.google.complete": { params: CalendarOauthGoogleCompleteParams; result: CalendarAccount; errors: "account_not_found" | "sign_in_unknown" | "sign_in_expired" | "sign_in_used" | "sign_in_incomplete" | "sign_in_denied" | "sign_in_blocked" | "sign_in_scope_missing" | "sign_in_account_mismatch" | "sign_in_failed" | "google_client_missing" | "google_client_rejected" | "service_unreachable" | "secrets_locked" };
  /**
   * Returns the budget of a session; without one, that of a day for all runs and sessions.
   *
   * Errors: session_not_found.
   */
  "claude.budgets.get": { params: ClaudeBudgetsGetParams; result: ClaudeBudget; errors: "session_not_found" };
  /**
   * Sets the budget of a session, or without one that of a day; null removes it.
   *
   * It is valid at once, also for what is running.  An answer that reaches it can exceed it; what subagents write is
   * counted when they end.  A fork of the session gets the same budget, of which it has spent nothing.
   *
   * Errors: session_not_found.
   */
  "claude.budgets.update": { params: ClaudeBudgetsUpdateParams; result: ClaudeBudget; errors: "session_not_found" };
  /**
   * Returns the citations in the answer of a run or a turn; none without the hub, or before the answer.
   *
   * They are also in the job's result, which is deleted earlier; that of a prompt that another turn has answered
   * names the turn, `answered_by`, which has them.  Those of the newest 10,000 answers are kept, and
   * of turns as long as their session.
   */
  "claude.citations.list": { params: ClaudeCitationsListParams; result: CitationList; errors: never };
  /**
   * Returns the conversations that began in a folder, or all, most recently updated first.
   *
   * Those of sessions and runs are among them.  A page may have fewer than `limit`.
   *
   * Errors: invalid_cursor.
   */
  "claude.conversations.list": { params: ClaudeConversationsListParams; result: ClaudeConversationPage; errors: "invalid_cursor" };
  /**
   * Creates a session with a conversation's messages, which goes on with it; nothing of the record is changed.
   *
   * If a session is in this conversation already, adds to it what was said in a terminal since, and returns it.
   *
   * Errors: conversation_not_found.
   */
  "claude.conversations.take": { params: ClaudeConversationsTakeParams; result: Session; errors: "conversation_not_found" };
  /**
   * Check everything that can keep Claude from working, without a request to its API.
   *
   * Takes two seconds, or as long as the profile of the user's login shell and the user's MCP servers; at most a
   * minute.
   */
  "claude.doctor": { params: ClaudeDoctorParams; result: ClaudeReport; errors: never };
  /**
   * Returns a session as Markdown, at most 1 MiB.  A job of type `claude.export` writes any session to a file.
   *
   * Errors: session_not_found.
   */
  "claude.sessions.export": { params: ClaudeSessionsExportParams; result: SessionText; errors: "session_not_found" };
  /** Returns the sources whose texts came into a session or a run; without either, the newest 500 of all. */
  "claude.exposures.list": { params: ClaudeExposuresListParams; result: ExposureList; errors: never };
  /**
   * Returns the decisions about the tools of a session or a run, or all, newest first; 10,000 are kept.
   *
   * Errors: invalid_cursor.
   */
  "claude.decisions.list": { params: ClaudeDecisionsListParams; result: DecisionPage; errors: "invalid_cursor" };
  /** Returns the trusted sources. */
  "claude.sources.list": { params: ClaudeSourcesListParams; result: TrustedSourceList; errors: never };
  /**
   * Trusts a source from now on, also in sessions that its texts came into before; ask the user first.
   *
   * `source` is that of an exposure.  Who can write there can then make Claude act, within its permission mode.
   */
  "claude.sources.trust": { params: ClaudeSourcesTrustParams; result: TrustedSourceList; errors: never };
  /** Withdraws the trust in a source. */
  "claude.sources.remove": { params: ClaudeSourcesRemoveParams; result: TrustedSourceList; errors: never };
  /**
   * Returns requests, newest first: of each session, the open ones and the last 200 closed ones.
   *
   * Errors: invalid_cursor.
   */
  "claude.permissions.list": { params: ClaudePermissionsListParams; result: PermissionPage; errors: "invalid_cursor" };
  /**
   * Responds to a request.  Claude receives the response once it is stored.
   *
   * With the decision allow, `updated_input` replaces the tool's input; for a request of kind `question` it must be
   * the input with `answers` added: {question: label}.  `remember` adds `rules` to the session's `allowed_tools`.
   * `suggestions` applies those of the request at these positions until the session's process ends (an idle one does
   * after three minutes); a mode remains.  They take a turn that has not ended.
   * With the decision deny, `message` is the reason that Claude receives.
   *
   * Errors: permission_not_found, permission_already_resolved, payload_too_large.
   */
  "claude.permissions.respond": { params: ClaudePermissionsRespondParams; result: PermissionRequest; errors: "permission_not_found" | "permission_already_resolved" | "payload_too_large" };
  /**
   * Returns a run that has begun.
   *
   * Errors: run_not_found.
   */
  "claude.runs.get": { params: ClaudeRunsGetParams; result: ClaudeRun; errors: "run_not_found" };
  /**
   * Queues a prompt as a run of its own: a job of type `claude.run`, whose result is a `ClaudeRunResult`.
   *
   * The prompt is the text `prompt`, or `content`: texts, images and files in order, whose files are copied now.
   * `trust` trusts the folder from now on; ask the user first.
   *
   * Errors: payload_too_large, attachment_unreadable, attachment_unsupported, attachment_too_large, attachments_full,
   * queue_full, workspace_untrusted, folder_unresponsive.  Replaces POST /claude/spawn.
   */
  "claude.spawn": { params: ClaudeSpawnParams; result: Job<"claude.run">; errors: "payload_too_large" | "attachment_unreadable" | "attachment_unsupported" | "attachment_too_large" | "attachments_full" | "queue_full" | "workspace_untrusted" | "folder_unresponsive" };
  /**
   * Finds messages that contain all words of `query`, newest first.
   *
   * Parts of words match; "words in quotes" are matched as one phrase.  The search covers the first 32,768
   * characters of a message, and the inputs of tools.
   *
   * Errors: session_not_found, invalid_cursor.
   */
  "claude.messages.search": { params: ClaudeMessagesSearchParams; result: MessageHits; errors: "session_not_found" | "invalid_cursor" };
  /**
   * Creates a session.  No process is started before its first turn.
   *
   * `trust` trusts the folder from now on; ask the user first.
   *
   * With `worktree`, the first turn creates a git worktree of the repository at `cwd`, where Claude then works, on a
   * branch of its own.  It remains when the session is deleted.
   *
   * Errors: workspace_untrusted, folder_unresponsive.  Replaces POST /claude/session.
   */
  "claude.sessions.create": { params: ClaudeSessionsCreateParams; result: Session; errors: "workspace_untrusted" | "folder_unresponsive" };
  /**
   * Returns sessions, most recently updated first; an update moves a session to the first page.
   *
   * Errors: invalid_cursor.
   */
  "claude.sessions.list": { params: ClaudeSessionsListParams; result: SessionPage; errors: "invalid_cursor" };
  /**
   * Returns a session.
   *
   * Errors: session_not_found.
   */
  "claude.sessions.get": { params: ClaudeSessionsGetParams; result: Session; errors: "session_not_found" };
  /**
   * Changes the given settings; null resets title, cwd, model, effort and mode to what a new session has.
   *
   * A running turn adopts a new model, effort and mode; the rest, and what is reset, applies from the next turn on.
   * A new `cwd` is for a project that was moved: the conversation goes on there.  `trust` trusts the folder.
   *
   * Errors: session_not_found, workspace_untrusted, folder_unresponsive.
   */
  "claude.sessions.update": { params: ClaudeSessionsUpdateParams; result: Session; errors: "session_not_found" | "workspace_untrusted" | "folder_unresponsive" };
  /**
   * Deletes a session with its messages and cancels its turns.  The CLI's own transcript is not deleted.
   *
   * Errors: session_not_found.
   */
  "claude.sessions.delete": { params: ClaudeSessionsDeleteParams; result: SessionDeleted; errors: "session_not_found" };
  /**
   * Queues a turn as a job of type `claude.turn`; the job's result is a `ClaudeTurnResult`.
   *
   * The prompt is the text `prompt`, or `content`: texts, images and files in order, whose files are copied now.
   *
   * The turn goes on until the tasks that Claude runs in the background have ended, at most for `timeout_s` (null
   * for one hour).
   *
   * Errors: session_not_found, payload_too_large, attachment_unreadable, attachment_unsupported, attachment_too_large,
   * attachments_full, queue_full.
   */
  "claude.sessions.send": { params: ClaudeSessionsSendParams; result: Job<"claude.turn">; errors: "session_not_found" | "payload_too_large" | "attachment_unreadable" | "attachment_unsupported" | "attachment_too_large" | "attachments_full" | "queue_full" };
  /**
   * Cancels the turn that is running or waits for a usage limit; queued turns run next.
   *
   * Of an idle session, it stops what Claude has scheduled (`tasks` of kind `schedule`).
   *
   * `claude.session_updated` is sent when it has ended.
   *
   * Errors: session_not_found.
   */
  "claude.sessions.interrupt": { params: ClaudeSessionsInterruptParams; result: Session; errors: "session_not_found" };
  /**
   * Creates a session with the settings and messages of another, up to `message_id` if it is given.
   *
   * Its Claude knows these messages and nothing that is said in the other session later.  Files are not changed.
   *
   * Errors: session_not_found.
   */
  "claude.sessions.fork": { params: ClaudeSessionsForkParams; result: Session; errors: "session_not_found" };
  /**
   * Returns the messages of a session, oldest first.
   *
   * Errors: session_not_found, invalid_cursor.
   */
  "claude.messages.list": { params: ClaudeMessagesListParams; result: ClaudeMessagePage; errors: "session_not_found" | "invalid_cursor" };
  /**
   * Returns what Claude Code has said last, about a folder, a session, or the folder in which it ran last.
   *
   * Starts no process, unless `refresh` asks for it: then Claude Code is started for at most half a minute, without
   * a prompt and without hooks.  MCP servers are started, those of the folder only if it is trusted.
   *
   * Errors: session_not_found.
   */
  "claude.status": { params: ClaudeStatusParams; result: ClaudeStatus; errors: "session_not_found" };
  /** Returns the live tasks of a session, or of all runs and turns. */
  "claude.tasks.list": { params: ClaudeTasksListParams; result: ClaudeTaskList; errors: never };
  /**
   * Stops a task of a run or a turn, or without `task_id` all of them; returns the tasks that are being stopped.
   *
   * The job goes on: Claude learns that a subagent was stopped, and answers.  `jobs.cancel` ends the job as well.
   *
   * Errors: task_not_found.
   */
  "claude.tasks.stop": { params: ClaudeTasksStopParams; result: ClaudeTaskList; errors: "task_not_found" };
  /**
   * Returns whether Claude may work in a folder, by default the home folder, and what the folder brings along.
   *
   * Errors: folder_unresponsive.
   */
  "claude.trust.check": { params: ClaudeTrustCheckParams; result: FolderTrust; errors: "folder_unresponsive" };
  /**
   * Trusts a folder from now on, as `trust` does.  Ask the user first, and name what `contents` names.
   *
   * Errors: folder_unresponsive.
   */
  "claude.trust.add": { params: ClaudeTrustAddParams; result: FolderTrust; errors: "folder_unresponsive" };
  /** Returns the folders that are trusted in the sidecar.  Those of Claude Code are in its own settings. */
  "claude.trust.list": { params: ClaudeTrustListParams; result: TrustedFolders; errors: never };
  /**
   * Withdraws the trust in a `folder` of `claude.trust.list`.
   *
   * Idle processes end at once, those of running turns and runs with them.
   */
  "claude.trust.remove": { params: ClaudeTrustRemoveParams; result: TrustRemoved; errors: never };
  /**
   * Returns the usage recorded in start <= time < end.  A run or turn is recorded when it ends.
   *
   * `time_zone` determines where days begin; null for the time zone of this computer.
   *
   * Errors: time_zone_unknown.
   */
  "claude.usage.list": { params: ClaudeUsageListParams; result: UsageList; errors: "time_zone_unknown" };
  /**
   * Returns the accounts, oldest first.
   *
   * Replaces GET /confluence/accounts.
   */
  "confluence.accounts.list": { params: ConfluenceAccountsListParams; result: AtlassianAccountList; errors: never };
  /**
   * Checks the credentials at the site, stores the account and queues its first sync.
   *
   * Tokens with and without scopes are accepted: the former work through api.atlassian.com only, the latter at the
   * site only.  The same token can be used for the other product, by a second account.  A user's account at a site
   * is connected once per product, by whichever of the site's addresses.
   *
   * Errors: site_address_invalid, account_exists, credentials_rejected, access_denied, service_unreachable,
   * secrets_locked.  Replaces POST /confluence/accounts.
   */
  "confluence.accounts.create": { params: ConfluenceAccountsCreateParams; result: AtlassianAccount; errors: "site_address_invalid" | "account_exists" | "credentials_rejected" | "access_denied" | "service_unreachable" | "secrets_locked" };
  /**
   * Changes the given fields.
   *
   * A new token or address is checked at the site first, and makes the account active.  `base_url` is the new
   * address of the same site, if it was renamed; another site is refused with `site_address_invalid`.  A new token
   * clears `token_expires_at` unless that is given, too.  After a change of `scope` the next sync starts over.
   *
   * Errors: account_not_found, site_address_invalid, account_exists, credentials_rejected, access_denied,
   * service_unreachable, secrets_locked.
   */
  "confluence.accounts.update": { params: ConfluenceAccountsUpdateParams; result: AtlassianAccount; errors: "account_not_found" | "site_address_invalid" | "account_exists" | "credentials_rejected" | "access_denied" | "service_unreachable" | "secrets_locked" };
  /**
   * Deletes an account with its token, schedule and events.  The token remains valid at Atlassian.
   *
   * Errors: account_not_found.  Replaces DELETE /confluence/accounts/{id}.
   */
  "confluence.accounts.delete": { params: ConfluenceAccountsDeleteParams; result: AtlassianAccountDeleted; errors: "account_not_found" };
  /**
   * Starts a sync and returns its job, or that of an unfinished sync unless `full` is set.
   *
   * Errors: account_not_found.  Replaces POST /confluence/accounts/{id}/sync.
   */
  "confluence.accounts.sync": { params: ConfluenceAccountsSyncParams; result: Job<"confluence.sync">; errors: "account_not_found" };
  /** Returns the durable notifications after `after_seq`, oldest first, in pages of at most 4 MiB. */
  "events.replay": { params: EventsReplayParams; result: EventPage; errors: never };
  /**
   * Returns the accounts, oldest first.
   *
   * Replaces GET /jira/accounts.
   */
  "jira.accounts.list": { params: JiraAccountsListParams; result: AtlassianAccountList; errors: never };
  /**
   * Checks the credentials at the site, stores the account and queues its first sync.
   *
   * Tokens with and without scopes are accepted: the former work through api.atlassian.com only, the latter at the
   * site only.  The same token can be used for the other product, by a second account.  A user's account at a site
   * is connected once per product, by whichever of the site's addresses.
   *
   * Errors: site_address_invalid, account_exists, credentials_rejected, access_denied, service_unreachable,
   * secrets_locked.  Replaces POST /jira/accounts.
   */
  "jira.accounts.create": { params: JiraAccountsCreateParams; result: AtlassianAccount; errors: "site_address_invalid" | "account_exists" | "credentials_rejected" | "access_denied" | "service_unreachable" | "secrets_locked" };
  /**
   * Changes the given fields.
   *
   * A new token or address is checked at the site first, and makes the account active.  `base_url` is the new
   * address of the same site, if it was renamed; another site is refused with `site_address_invalid`.  A new token
   * clears `token_expires_at` unless that is given, too.  After a change of `scope` the next sync starts over.
   *
   * Errors: account_not_found, site_address_invalid, account_exists, credentials_rejected, access_denied,
   * service_unreachable, secrets_locked.
   */
  "jira.accounts.update": { params: JiraAccountsUpdateParams; result: AtlassianAccount; errors: "account_not_found" | "site_address_invalid" | "account_exists" | "credentials_rejected" | "access_denied" | "service_unreachable" | "secrets_locked" };
  /**
   * Deletes an account with its token, schedule and events.  The token remains valid at Atlassian.
   *
   * Errors: account_not_found.  Replaces DELETE /jira/accounts/{id}.
   */
  "jira.accounts.delete": { params: JiraAccountsDeleteParams; result: AtlassianAccountDeleted; errors: "account_not_found" };
  /**
   * Starts a sync and returns its job, or that of an unfinished sync unless `full` is set.
   *
   * Errors: account_not_found.  Replaces POST /jira/accounts/{id}/sync.
   */
  "jira.accounts.sync": { params: JiraAccountsSyncParams; result: Job<"jira.sync">; errors: "account_not_found" };
  /**
   * Adds a job to the queue.  Once the response arrives, the job is stored durably.
   *
   * `payload` must be valid for the job type; an invalid member is reported as `payload.<member>`.  So is a member
   * with which a `claude.run` or `claude.turn` could not run as things are now, as by `jobs.schedules.create`; but a
   * job whose `idempotency_key` was used before is returned.  The job starts when a slot is free and `run_at` has
   * passed.  Raises `payload_too_large` above 3 MiB.
   *
   * Errors: unknown_job_type, payload_too_large, idempotency_key_reused, queue_full.  Replaces POST /jobs.
   */
  "jobs.create": { params: JobsCreateParams; result: JobCreated; errors: "unknown_job_type" | "payload_too_large" | "idempotency_key_reused" | "queue_full" };
  /**
   * Lists jobs, newest first, optionally of one status and one type.
   *
   * A page may be short to stay below 4 MiB.
   *
   * Errors: invalid_cursor.  Replaces GET /jobs.
   */
  "jobs.list": { params: JobsListParams; result: JobPage; errors: "invalid_cursor" };
  /**
   * Returns one job.
   *
   * Errors: job_not_found.  Replaces GET /jobs/{job_id}.
   */
  "jobs.get": { params: JobsGetParams; result: Job; errors: "job_not_found" };
  /**
   * Requests the cancellation of a job, and returns the job.
   *
   * A queued job is cancelled at once.  A running job has `cancel_requested` until its handler stops, which
   * `jobs.updated` reports; it can still succeed or fail before that.  A finished job does not change.
   *
   * Errors: job_not_found.  Replaces POST /jobs/{job_id}/cancel.
   */
  "jobs.cancel": { params: JobsCancelParams; result: Job; errors: "job_not_found" };
  /**
   * Lists the lines of a job's log, oldest first.  Queueing adds no line: `created_at` says when that was.
   *
   * Lines beyond 5,000 or 1 MiB are not stored; the log then ends with a line whose `meta` is `{"truncated": true}`.
   *
   * Errors: job_not_found, invalid_cursor.
   */
  "jobs.log.list": { params: JobsLogListParams; result: JobLogPage; errors: "job_not_found" | "invalid_cursor" };
  /**
   * Queues a finished job again, under the same id, or ends a job's wait for its next try.
   *
   * The attempts, progress, result and error of a finished job are reset; its log continues.
   *
   * Errors: job_not_found, job_not_finished, queue_full.
   */
  "jobs.retry": { params: JobsRetryParams; result: Job; errors: "job_not_found" | "job_not_finished" | "queue_full" };
  /** Returns whether the queue is paused, and the number of jobs by status. */
  "jobs.queue.get": { params: JobsQueueGetParams; result: JobQueue; errors: never };
  /** Starts no more jobs until `jobs.queue.resume`, even after a restart.  Running jobs continue. */
  "jobs.queue.pause": { params: JobsQueuePauseParams; result: JobQueue; errors: never };
  /** Starts jobs again. */
  "jobs.queue.resume": { params: JobsQueueResumeParams; result: JobQueue; errors: never };
  /**
   * Starts overdue jobs at once.  Call it after the computer wakes from standby.
   *
   * Timers stop in standby; without this call, overdue jobs start within a minute.
   */
  "jobs.queue.wake": { params: JobsQueueWakeParams; result: JobQueue; errors: never };
  /** Lists all schedules. */
  "jobs.schedules.list": { params: JobsSchedulesListParams; result: ScheduleList; errors: never };
  /**
   * Creates a schedule, by either `period_s` or `rrule`, of jobs: claude.run with the payload {prompt}, or
   *
   * calendar.sync, jira.sync or confluence.sync with {account_id}.
   *
   * At most 200 can exist, of any type of job.
   *
   * Without `start`, a period begins now, and a rule with the current day, so that `FREQ=DAILY;BYHOUR=9;BYMINUTE=0`
   * needs none.  Without `time_zone`, a rule gets the computer's; a period ignores it.  A rule must be valid as a
   * whole.
   *
   * A job that could not run as things are now is refused, with the member of `payload` that is the reason: a folder
   * that does not exist or is not trusted, an unknown account or session, a level of effort that the model lacks.
   *
   * Errors: unknown_job_type, payload_too_large, time_zone_unknown, too_many_schedules.
   */
  "jobs.schedules.create": { params: JobsSchedulesCreateParams; result: Schedule; errors: "unknown_job_type" | "payload_too_large" | "time_zone_unknown" | "too_many_schedules" };
  /**
   * Changes a schedule.  Null leaves a value as it is; `period_s` and `rrule` replace each other.
   *
   * Without `start`, a rule keeps the local time of its start in a new `time_zone`, and what replaces the other
   * begins as by `jobs.schedules.create`.
   *
   * A new `payload` or `type` is checked as by `jobs.schedules.create`.
   *
   * Of the sidecar's own schedules, `enabled`, `period_s` and `misfire_policy` can be changed.
   *
   * Errors: schedule_not_found, schedule_fixed, unknown_job_type, payload_too_large, time_zone_unknown.
   */
  "jobs.schedules.update": { params: JobsSchedulesUpdateParams; result: Schedule; errors: "schedule_not_found" | "schedule_fixed" | "unknown_job_type" | "payload_too_large" | "time_zone_unknown" };
  /**
   * Deletes a schedule and the record of its runs.  A job that it has created is not cancelled.
   *
   * Errors: schedule_not_found, schedule_fixed.
   */
  "jobs.schedules.delete": { params: JobsSchedulesDeleteParams; result: ScheduleDeletion; errors: "schedule_not_found" | "schedule_fixed" };
  /**
   * Creates the schedule's job now, which does not move the grid, and returns it.
   *
   * If the previous job is unfinished, that job is returned instead; if it waits for its next try, that starts now.
   * Also works for a disabled schedule.
   *
   * Errors: schedule_not_found.
   */
  "jobs.schedules.run": { params: JobsSchedulesRunParams; result: Job; errors: "schedule_not_found" };
  /**
   * Lists what became of the times of one schedule or of all, the one recorded last first.
   *
   * `since` leaves out what was scheduled earlier.  Runs are kept for 90 days, at most 3,000 of a schedule.
   *
   * Errors: invalid_cursor.
   */
  "jobs.schedules.runs.list": { params: JobsSchedulesRunsListParams; result: ScheduleRunPage; errors: "invalid_cursor" };
  /** Returns the backups with what they contain. */
  "system.backups.list": { params: SystemBackupsListParams; result: BackupList; errors: never };
  /**
   * Checks a backup, then ends the process with exit code 0; the next start puts it in place of the database.
   *
   * Start the sidecar again when it has ended.  Nothing is deleted: the present database is kept under another
   * name.  If the sidecar does not start, run `sidecar restore` instead.
   *
   * Errors: backup_not_found, backup_unusable.
   */
  "system.backups.restore": { params: SystemBackupsRestoreParams; result: RestoreBegun; errors: "backup_not_found" | "backup_unusable" };
  /**
   * Performs the handshake.  Notifications are sent after the response.
   *
   * If the response has another `protocol_version`, the client decides whether to continue.
   *
   * Errors: invalid_request.
   */
  "initialize": { params: InitializeParams; result: Initialized; errors: "invalid_request" };
  /** Finishes open requests, stops child processes and saves the state.  Then send exit, or close stdin. */
  "shutdown": { params: ShutdownParams; result: Drained; errors: never };
  /** Returns the contract as an OpenRPC document. */
  "rpc.discover": { params: RpcDiscoverParams; result: OpenRpc; errors: never };
  /**
   * Checks whether the sidecar works.  Cheap enough for a heartbeat.
   *
   * Replaces GET /health.
   */
  "system.health": { params: SystemHealthParams; result: Health; errors: never };
  /**
   * Returns the status of the sidecar.
   *
   * Replaces GET /status.
   */
  "system.status": { params: SystemStatusParams; result: Status; errors: never };
  /**
   * Collects information for a bug report: status, database check, Claude CLI, settings and the end of the log.
   *
   * Secrets are redacted.
   */
  "system.diagnostics": { params: SystemDiagnosticsParams; result: Diagnostics; errors: never };
}

/** Every request as a nested function; `Options` is the type of a client's further arguments. */
export interface NestedMethods<Options> {
  readonly activity: {
    readonly events: {
      /**
       * Lists events with start <= time < end, newest first; `query` is text in the title or description.
       *
       * With `issue_key` it lists an issue's thread: events about the issue, and meetings, pages, runs and other issues
       * that mention it.  A page with a `next_cursor` may be short or even empty: continue with the cursor.
       *
       * Errors: invalid_cursor.  Replaces GET /activity/events.
       */
      readonly list: ((params?: ActivityEventsListParams, options?: Options) => Promise<ActivityPage>);
    };
    /**
     * Finds events that contain all words of `query` in title or description, newest first.
     *
     * Parts of words match; "words in quotes" are matched as one phrase.  An issue's key finds the events about the
     * issue and those that mention it.  A page with a `next_cursor` may be short or even empty: continue with the
     * cursor.
     *
     * Errors: invalid_cursor.
     */
    readonly search: ((params: ActivitySearchParams, options?: Options) => Promise<ActivityHits>);
    /**
     * Summarises at most 366 days for a stand-up or weekly report: meetings, issues, pages and Claude's runs.
     *
     * The same events always give the same summary.  It lists what the accounts' owner did; the states of issues take
     * into account what others did.  Cancelled or declined meetings are omitted, and a meeting that is in two
     * calendars counts once.
     *
     * Errors: time_zone_unknown.
     */
    readonly summary: ((params: ActivitySummaryParams, options?: Options) => Promise<ActivitySummary>);
    /**
     * Counts the events of each whole local day from `start` to `end`, at most 3,660 days.
     *
     * An all-day event counts on its first day in every time zone.
     *
     * Errors: time_zone_unknown.
     */
    readonly heatmap: ((params: ActivityHeatmapParams, options?: Options) => Promise<ActivityHeatmap>);
  };
  readonly calendar: {
    readonly providers: {
      /**
       * Returns the calendar providers, with the credentials that each needs and whether it is available.
       *
       * Replaces GET /calendar/providers.
       */
      readonly list: ((params?: CalendarProvidersListParams, options?: Options) => Promise<CalendarProviderList>);
    };
    readonly accounts: {
      /**
       * Connects an account with the given credentials, which are checked first.
       *
       * Google accounts are usually connected by `calendar.oauth.google.start` instead.  A Google account that is
       * connected already is reconnected; a calendar file that is connected already, by whatever form of its address
       * or path, is refused with `account_exists`.  No provider uses `config`.
       *
       * Errors: secrets_locked, calendar_provider_unavailable, account_exists, credentials_rejected, access_denied,
       * service_unreachable.  Replaces POST /calendar/accounts.
       */
      readonly create: ((params: CalendarAccountsCreateParams, options?: Options) => Promise<CalendarAccount>);
      /**
       * Changes an account's name, the range of days that is synced, or its credentials; the latter two start a sync.
       *
       * New credentials, such as the new secret address of a calendar file, are checked first, and make the account
       * active.
       *
       * Errors: account_not_found, secrets_locked, calendar_provider_unavailable, account_exists, credentials_rejected,
       * access_denied, service_unreachable.
       */
      readonly update: ((params: CalendarAccountsUpdateParams, options?: Options) => Promise<CalendarAccount>);
      /**
       * Revokes an account's sign-in, and deletes the account with its calendars and events, also from the feed.
       *
       * Errors: account_not_found.  Replaces DELETE /calendar/accounts/{id}.
       */
      readonly delete: ((params: CalendarAccountsDeleteParams, options?: Options) => Promise<CalendarAccountDeleted>);
      /**
       * Starts a sync, and returns its job.  Without `full`, returns the queued or running sync if there is one.
       *
       * Errors: account_not_found.  Replaces POST /calendar/accounts/{id}/sync.
       */
      readonly sync: ((params: CalendarAccountsSyncParams, options?: Options) => Promise<Job<"calendar.sync">>);
      /**
       * Returns all calendar accounts.
       *
       * Replaces GET /calendar/accounts.
       */
      readonly list: ((params?: CalendarAccountsListParams, options?: Options) => Promise<CalendarAccountList>);
      /**
       * Returns a calendar account.
       *
       * Errors: account_not_found.  Replaces GET /calendar/accounts/{id}.
       */
      readonly get: ((params: CalendarAccountsGetParams, options?: Options) => Promise<CalendarAccount>);
    };
    readonly calendars: {
      /**
       * Selects or deselects a calendar.  The events of a deselected one are stored but hidden.
       *
       * Errors: calendar_not_found.  Replaces PATCH /calendar/calendars/{account_id}/{calendar_id}.
       */
      readonly update: ((params: CalendarCalendarsUpdateParams, options?: Options) => Promise<Calendar>);
      /**
       * Returns the calendars of an account, or of all accounts, including deselected ones.
       *
       * Replaces GET /calendar/calendars.
       */
      readonly list: ((params?: CalendarCalendarsListParams, options?: Options) => Promise<CalendarList>);
    };
    readonly events: {
      /**
       * Returns the events that overlap the time from `start` to `end`.
       *
       * Events of deselected calendars are left out unless `include_unselected` is set.  A page ends early at 4 MiB.
       *
       * Errors: invalid_cursor.  Replaces GET /calendar/events.
       */
      readonly list: ((params: CalendarEventsListParams, options?: Options) => Promise<CalendarEventPage>);
    };
    readonly oauth: {
      readonly google: {
        /**
         * Starts a sign-in, or with `account_id` one that reconnects this account.  It expires after ten minutes.
         *
         * Open the loopback port before this call; Google redirects to exactly this `redirect_uri`.
         *
         * Errors: account_not_found, google_client_missing, secrets_locked.  Replaces POST
         * /calendar/oauth/google/start.
         */
        readonly start: ((params: CalendarOauthGoogleStartParams, options?: Options) => Promise<SignInStarted>);
        /**
         * Passes on the redirect: its complete URL, or `state` with `code` or `error`.
         *
         * Errors: sign_in_unknown, sign_in_expired, sign_in_used, secrets_locked.  Replaces GET
         * /calendar/oauth/google/callback.
         */
        readonly callback: ((params?: CalendarOauthGoogleCallbackParams, options?: Options) => Promise<SignInReturned>);
        /**
         * Connects the account, reads its list of calendars, and queues its first sync.
         *
         * An existing account with the same e-mail address is reconnected.  After `service_unreachable`, call it again.
         *
         * Errors: account_not_found, sign_in_unknown, sign_in_expired, sign_in_used, sign_in_incomplete,
         * sign_in_denied, sign_in_blocked, sign_in_scope_missing, sign_in_account_mismatch, sign_in_failed,
         * google_client_missing, google_client_rejected, service_unreachable, secrets_locked.  Replaces POST
         * /calendar/oauth/google/complete.
         */
        readonly complete: ((params: CalendarOauthGoogleCompleteParams, options?: Options) => Promise<CalendarAccount>);
      };
    };
  };
  readonly claude: {
    readonly budgets: {
      /**
       * Returns the budget of a session; without one, that of a day for all runs and sessions.
       *
       * Errors: session_not_found.
       */
      readonly get: ((params?: ClaudeBudgetsGetParams, options?: Options) => Promise<ClaudeBudget>);
      /**
       * Sets the budget of a session, or without one that of a day; null removes it.
       *
       * It is valid at once, also for what is running.  An answer that reaches it can exceed it; what subagents write
       * is
       * counted when they end.  A fork of the session gets the same budget, of which it has spent nothing.
       *
       * Errors: session_not_found.
       */
      readonly update: ((params?: ClaudeBudgetsUpdateParams, options?: Options) => Promise<ClaudeBudget>);
    };
    readonly citations: {
      /**
       * Returns the citations in the answer of a run or a turn; none without the hub, or before the answer.
       *
       * They are also in the job's result, which is deleted earlier; that of a prompt that another turn has answered
       * names the turn, `answered_by`, which has them.  Those of the newest 10,000 answers are kept, and
       * of turns as long as their session.
       */
      readonly list: ((params: ClaudeCitationsListParams, options?: Options) => Promise<CitationList>);
    };
    readonly conversations: {
      /**
       * Returns the conversations that began in a folder, or all, most recently updated first.
       *
       * Those of sessions and runs are among them.  A page may have fewer than `limit`.
       *
       * Errors: invalid_cursor.
       */
      readonly list: ((params?: ClaudeConversationsListParams, options?: Options) => Promise<ClaudeConversationPage>);
      /**
       * Creates a session with a conversation's messages, which goes on with it; nothing of the record is changed.
       *
       * If a session is in this conversation already, adds to it what was said in a terminal since, and returns it.
       *
       * Errors: conversation_not_found.
       */
      readonly take: ((params: ClaudeConversationsTakeParams, options?: Options) => Promise<Session>);
    };
    /**
     * Check everything that can keep Claude from working, without a request to its API.
     *
     * Takes two seconds, or as long as the profile of the user's login shell and the user's MCP servers; at most a
     * minute.
     */
    readonly doctor: ((params?: ClaudeDoctorParams, options?: Options) => Promise<ClaudeReport>);
    readonly sessions: {
      /**
       * Returns a session as Markdown, at most 1 MiB.  A job of type `claude.export` writes any session to a file.
       *
       * Errors: session_not_found.
       */
      readonly export: ((params: ClaudeSessionsExportParams, options?: Options) => Promise<SessionText>);
      /**
       * Creates a session.  No process is started before its first turn.
       *
       * `trust` trusts the folder from now on; ask the user first.
       *
       * With `worktree`, the first turn creates a git worktree of the repository at `cwd`, where Claude then works, on
       * a
       * branch of its own.  It remains when the session is deleted.
       *
       * Errors: workspace_untrusted, folder_unresponsive.  Replaces POST /claude/session.
       */
      readonly create: ((params?: ClaudeSessionsCreateParams, options?: Options) => Promise<Session>);
      /**
       * Returns sessions, most recently updated first; an update moves a session to the first page.
       *
       * Errors: invalid_cursor.
       */
      readonly list: ((params?: ClaudeSessionsListParams, options?: Options) => Promise<SessionPage>);
      /**
       * Returns a session.
       *
       * Errors: session_not_found.
       */
      readonly get: ((params: ClaudeSessionsGetParams, options?: Options) => Promise<Session>);
      /**
       * Changes the given settings; null resets title, cwd, model, effort and mode to what a new session has.
       *
       * A running turn adopts a new model, effort and mode; the rest, and what is reset, applies from the next turn on.
       * A new `cwd` is for a project that was moved: the conversation goes on there.  `trust` trusts the folder.
       *
       * Errors: session_not_found, workspace_untrusted, folder_unresponsive.
       */
      readonly update: ((params: ClaudeSessionsUpdateParams, options?: Options) => Promise<Session>);
      /**
       * Deletes a session with its messages and cancels its turns.  The CLI's own transcript is not deleted.
       *
       * Errors: session_not_found.
       */
      readonly delete: ((params: ClaudeSessionsDeleteParams, options?: Options) => Promise<SessionDeleted>);
      /**
       * Queues a turn as a job of type `claude.turn`; the job's result is a `ClaudeTurnResult`.
       *
       * The prompt is the text `prompt`, or `content`: texts, images and files in order, whose files are copied now.
       *
       * The turn goes on until the tasks that Claude runs in the background have ended, at most for `timeout_s` (null
       * for one hour).
       *
       * Errors: session_not_found, payload_too_large, attachment_unreadable, attachment_unsupported,
       * attachment_too_large, attachments_full, queue_full.
       */
      readonly send: ((params: ClaudeSessionsSendParams, options?: Options) => Promise<Job<"claude.turn">>);
      /**
       * Cancels the turn that is running or waits for a usage limit; queued turns run next.
       *
       * Of an idle session, it stops what Claude has scheduled (`tasks` of kind `schedule`).
       *
       * `claude.session_updated` is sent when it has ended.
       *
       * Errors: session_not_found.
       */
      readonly interrupt: ((params: ClaudeSessionsInterruptParams, options?: Options) => Promise<Session>);
      /**
       * Creates a session with the settings and messages of another, up to `message_id` if it is given.
       *
       * Its Claude knows these messages and nothing that is said in the other session later.  Files are not changed.
       *
       * Errors: session_not_found.
       */
      readonly fork: ((params: ClaudeSessionsForkParams, options?: Options) => Promise<Session>);
    };
    readonly exposures: {
      /** Returns the sources whose texts came into a session or a run; without either, the newest 500 of all. */
      readonly list: ((params?: ClaudeExposuresListParams, options?: Options) => Promise<ExposureList>);
    };
    readonly decisions: {
      /**
       * Returns the decisions about the tools of a session or a run, or all, newest first; 10,000 are kept.
       *
       * Errors: invalid_cursor.
       */
      readonly list: ((params?: ClaudeDecisionsListParams, options?: Options) => Promise<DecisionPage>);
    };
    readonly sources: {
      /** Returns the trusted sources. */
      readonly list: ((params?: ClaudeSourcesListParams, options?: Options) => Promise<TrustedSourceList>);
      /**
       * Trusts a source from now on, also in sessions that its texts came into before; ask the user first.
       *
       * `source` is that of an exposure.  Who can write there can then make Claude act, within its permission mode.
       */
      readonly trust: ((params: ClaudeSourcesTrustParams, options?: Options) => Promise<TrustedSourceList>);
      /** Withdraws the trust in a source. */
      readonly remove: ((params: ClaudeSourcesRemoveParams, options?: Options) => Promise<TrustedSourceList>);
    };
    readonly permissions: {
      /**
       * Returns requests, newest first: of each session, the open ones and the last 200 closed ones.
       *
       * Errors: invalid_cursor.
       */
      readonly list: ((params?: ClaudePermissionsListParams, options?: Options) => Promise<PermissionPage>);
      /**
       * Responds to a request.  Claude receives the response once it is stored.
       *
       * With the decision allow, `updated_input` replaces the tool's input; for a request of kind `question` it must be
       * the input with `answers` added: {question: label}.  `remember` adds `rules` to the session's `allowed_tools`.
       * `suggestions` applies those of the request at these positions until the session's process ends (an idle one
       * does
       * after three minutes); a mode remains.  They take a turn that has not ended.
       * With the decision deny, `message` is the reason that Claude receives.
       *
       * Errors: permission_not_found, permission_already_resolved, payload_too_large.
       */
      readonly respond: ((params: ClaudePermissionsRespondParams, options?: Options) => Promise<PermissionRequest>);
    };
    readonly runs: {
      /**
       * Returns a run that has begun.
       *
       * Errors: run_not_found.
       */
      readonly get: ((params: ClaudeRunsGetParams, options?: Options) => Promise<ClaudeRun>);
    };
    /**
     * Queues a prompt as a run of its own: a job of type `claude.run`, whose result is a `ClaudeRunResult`.
     *
     * The prompt is the text `prompt`, or `content`: texts, images and files in order, whose files are copied now.
     * `trust` trusts the folder from now on; ask the user first.
     *
     * Errors: payload_too_large, attachment_unreadable, attachment_unsupported, attachment_too_large, attachments_full,
     * queue_full, workspace_untrusted, folder_unresponsive.  Replaces POST /claude/spawn.
     */
    readonly spawn: ((params?: ClaudeSpawnParams, options?: Options) => Promise<Job<"claude.run">>);
    readonly messages: {
      /**
       * Finds messages that contain all words of `query`, newest first.
       *
       * Parts of words match; "words in quotes" are matched as one phrase.  The search covers the first 32,768
       * characters of a message, and the inputs of tools.
       *
       * Errors: session_not_found, invalid_cursor.
       */
      readonly search: ((params: ClaudeMessagesSearchParams, options?: Options) => Promise<MessageHits>);
      /**
       * Returns the messages of a session, oldest first.
       *
       * Errors: session_not_found, invalid_cursor.
       */
      readonly list: ((params: ClaudeMessagesListParams, options?: Options) => Promise<ClaudeMessagePage>);
    };
    /**
     * Returns what Claude Code has said last, about a folder, a session, or the folder in which it ran last.
     *
     * Starts no process, unless `refresh` asks for it: then Claude Code is started for at most half a minute, without
     * a prompt and without hooks.  MCP servers are started, those of the folder only if it is trusted.
     *
     * Errors: session_not_found.
     */
    readonly status: ((params?: ClaudeStatusParams, options?: Options) => Promise<ClaudeStatus>);
    readonly tasks: {
      /** Returns the live tasks of a session, or of all runs and turns. */
      readonly list: ((params?: ClaudeTasksListParams, options?: Options) => Promise<ClaudeTaskList>);
      /**
       * Stops a task of a run or a turn, or without `task_id` all of them; returns the tasks that are being stopped.
       *
       * The job goes on: Claude learns that a subagent was stopped, and answers.  `jobs.cancel` ends the job as well.
       *
       * Errors: task_not_found.
       */
      readonly stop: ((params: ClaudeTasksStopParams, options?: Options) => Promise<ClaudeTaskList>);
    };
    readonly trust: {
      /**
       * Returns whether Claude may work in a folder, by default the home folder, and what the folder brings along.
       *
       * Errors: folder_unresponsive.
       */
      readonly check: ((params?: ClaudeTrustCheckParams, options?: Options) => Promise<FolderTrust>);
      /**
       * Trusts a folder from now on, as `trust` does.  Ask the user first, and name what `contents` names.
       *
       * Errors: folder_unresponsive.
       */
      readonly add: ((params: ClaudeTrustAddParams, options?: Options) => Promise<FolderTrust>);
      /** Returns the folders that are trusted in the sidecar.  Those of Claude Code are in its own settings. */
      readonly list: ((params?: ClaudeTrustListParams, options?: Options) => Promise<TrustedFolders>);
      /**
       * Withdraws the trust in a `folder` of `claude.trust.list`.
       *
       * Idle processes end at once, those of running turns and runs with them.
       */
      readonly remove: ((params: ClaudeTrustRemoveParams, options?: Options) => Promise<TrustRemoved>);
    };
    readonly usage: {
      /**
       * Returns the usage recorded in start <= time < end.  A run or turn is recorded when it ends.
       *
       * `time_zone` determines where days begin; null for the time zone of this computer.
       *
       * Errors: time_zone_unknown.
       */
      readonly list: ((params: ClaudeUsageListParams, options?: Options) => Promise<UsageList>);
    };
  };
  readonly confluence: {
    readonly accounts: {
      /**
       * Returns the accounts, oldest first.
       *
       * Replaces GET /confluence/accounts.
       */
      readonly list: ((params?: ConfluenceAccountsListParams, options?: Options) => Promise<AtlassianAccountList>);
      /**
       * Checks the credentials at the site, stores the account and queues its first sync.
       *
       * Tokens with and without scopes are accepted: the former work through api.atlassian.com only, the latter at the
       * site only.  The same token can be used for the other product, by a second account.  A user's account at a site
       * is connected once per product, by whichever of the site's addresses.
       *
       * Errors: site_address_invalid, account_exists, credentials_rejected, access_denied, service_unreachable,
       * secrets_locked.  Replaces POST /confluence/accounts.
       */
      readonly create: ((params: ConfluenceAccountsCreateParams, options?: Options) => Promise<AtlassianAccount>);
      /**
       * Changes the given fields.
       *
       * A new token or address is checked at the site first, and makes the account active.  `base_url` is the new
       * address of the same site, if it was renamed; another site is refused with `site_address_invalid`.  A new token
       * clears `token_expires_at` unless that is given, too.  After a change of `scope` the next sync starts over.
       *
       * Errors: account_not_found, site_address_invalid, account_exists, credentials_rejected, access_denied,
       * service_unreachable, secrets_locked.
       */
      readonly update: ((params: ConfluenceAccountsUpdateParams, options?: Options) => Promise<AtlassianAccount>);
      /**
       * Deletes an account with its token, schedule and events.  The token remains valid at Atlassian.
       *
       * Errors: account_not_found.  Replaces DELETE /confluence/accounts/{id}.
       */
      readonly delete: ((params: ConfluenceAccountsDeleteParams, options?: Options) => Promise<AtlassianAccountDeleted>);
      /**
       * Starts a sync and returns its job, or that of an unfinished sync unless `full` is set.
       *
       * Errors: account_not_found.  Replaces POST /confluence/accounts/{id}/sync.
       */
      readonly sync: ((params: ConfluenceAccountsSyncParams, options?: Options) => Promise<Job<"confluence.sync">>);
    };
  };
  readonly events: {
    /** Returns the durable notifications after `after_seq`, oldest first, in pages of at most 4 MiB. */
    readonly replay: ((params: EventsReplayParams, options?: Options) => Promise<EventPage>);
  };
  readonly jira: {
    readonly accounts: {
      /**
       * Returns the accounts, oldest first.
       *
       * Replaces GET /jira/accounts.
       */
      readonly list: ((params?: JiraAccountsListParams, options?: Options) => Promise<AtlassianAccountList>);
      /**
       * Checks the credentials at the site, stores the account and queues its first sync.
       *
       * Tokens with and without scopes are accepted: the former work through api.atlassian.com only, the latter at the
       * site only.  The same token can be used for the other product, by a second account.  A user's account at a site
       * is connected once per product, by whichever of the site's addresses.
       *
       * Errors: site_address_invalid, account_exists, credentials_rejected, access_denied, service_unreachable,
       * secrets_locked.  Replaces POST /jira/accounts.
       */
      readonly create: ((params: JiraAccountsCreateParams, options?: Options) => Promise<AtlassianAccount>);
      /**
       * Changes the given fields.
       *
       * A new token or address is checked at the site first, and makes the account active.  `base_url` is the new
       * address of the same site, if it was renamed; another site is refused with `site_address_invalid`.  A new token
       * clears `token_expires_at` unless that is given, too.  After a change of `scope` the next sync starts over.
       *
       * Errors: account_not_found, site_address_invalid, account_exists, credentials_rejected, access_denied,
       * service_unreachable, secrets_locked.
       */
      readonly update: ((params: JiraAccountsUpdateParams, options?: Options) => Promise<AtlassianAccount>);
      /**
       * Deletes an account with its token, schedule and events.  The token remains valid at Atlassian.
       *
       * Errors: account_not_found.  Replaces DELETE /jira/accounts/{id}.
       */
      readonly delete: ((params: JiraAccountsDeleteParams, options?: Options) => Promise<AtlassianAccountDeleted>);
      /**
       * Starts a sync and returns its job, or that of an unfinished sync unless `full` is set.
       *
       * Errors: account_not_found.  Replaces POST /jira/accounts/{id}/sync.
       */
      readonly sync: ((params: JiraAccountsSyncParams, options?: Options) => Promise<Job<"jira.sync">>);
    };
  };
  readonly jobs: {
    /**
     * Adds a job to the queue.  Once the response arrives, the job is stored durably.
     *
     * `payload` must be valid for the job type; an invalid member is reported as `payload.<member>`.  So is a member
     * with which a `claude.run` or `claude.turn` could not run as things are now, as by `jobs.schedules.create`; but a
     * job whose `idempotency_key` was used before is returned.  The job starts when a slot is free and `run_at` has
     * passed.  Raises `payload_too_large` above 3 MiB.
     *
     * Errors: unknown_job_type, payload_too_large, idempotency_key_reused, queue_full.  Replaces POST /jobs.
     */
    readonly create: (<Type extends JobType>(params: JobsCreateParams<Type>, options?: Options) => Promise<JobCreated<Type>>);
    /**
     * Lists jobs, newest first, optionally of one status and one type.
     *
     * A page may be short to stay below 4 MiB.
     *
     * Errors: invalid_cursor.  Replaces GET /jobs.
     */
    readonly list: (<Type extends JobType = JobType>(params?: JobsListParams<Type>, options?: Options) => Promise<JobPage<Type>>);
    /**
     * Returns one job.
     *
     * Errors: job_not_found.  Replaces GET /jobs/{job_id}.
     */
    readonly get: ((params: JobsGetParams, options?: Options) => Promise<Job>);
    /**
     * Requests the cancellation of a job, and returns the job.
     *
     * A queued job is cancelled at once.  A running job has `cancel_requested` until its handler stops, which
     * `jobs.updated` reports; it can still succeed or fail before that.  A finished job does not change.
     *
     * Errors: job_not_found.  Replaces POST /jobs/{job_id}/cancel.
     */
    readonly cancel: ((params: JobsCancelParams, options?: Options) => Promise<Job>);
    readonly log: {
      /**
       * Lists the lines of a job's log, oldest first.  Queueing adds no line: `created_at` says when that was.
       *
       * Lines beyond 5,000 or 1 MiB are not stored; the log then ends with a line whose `meta` is `{"truncated":
       * true}`.
       *
       * Errors: job_not_found, invalid_cursor.
       */
      readonly list: ((params: JobsLogListParams, options?: Options) => Promise<JobLogPage>);
    };
    /**
     * Queues a finished job again, under the same id, or ends a job's wait for its next try.
     *
     * The attempts, progress, result and error of a finished job are reset; its log continues.
     *
     * Errors: job_not_found, job_not_finished, queue_full.
     */
    readonly retry: ((params: JobsRetryParams, options?: Options) => Promise<Job>);
    readonly queue: {
      /** Returns whether the queue is paused, and the number of jobs by status. */
      readonly get: ((params?: JobsQueueGetParams, options?: Options) => Promise<JobQueue>);
      /** Starts no more jobs until `jobs.queue.resume`, even after a restart.  Running jobs continue. */
      readonly pause: ((params?: JobsQueuePauseParams, options?: Options) => Promise<JobQueue>);
      /** Starts jobs again. */
      readonly resume: ((params?: JobsQueueResumeParams, options?: Options) => Promise<JobQueue>);
      /**
       * Starts overdue jobs at once.  Call it after the computer wakes from standby.
       *
       * Timers stop in standby; without this call, overdue jobs start within a minute.
       */
      readonly wake: ((params?: JobsQueueWakeParams, options?: Options) => Promise<JobQueue>);
    };
    readonly schedules: {
      /** Lists all schedules. */
      readonly list: ((params?: JobsSchedulesListParams, options?: Options) => Promise<ScheduleList>);
      /**
       * Creates a schedule, by either `period_s` or `rrule`, of jobs: claude.run with the payload {prompt}, or
       *
       * calendar.sync, jira.sync or confluence.sync with {account_id}.
       *
       * At most 200 can exist, of any type of job.
       *
       * Without `start`, a period begins now, and a rule with the current day, so that `FREQ=DAILY;BYHOUR=9;BYMINUTE=0`
       * needs none.  Without `time_zone`, a rule gets the computer's; a period ignores it.  A rule must be valid as a
       * whole.
       *
       * A job that could not run as things are now is refused, with the member of `payload` that is the reason: a
       * folder
       * that does not exist or is not trusted, an unknown account or session, a level of effort that the model lacks.
       *
       * Errors: unknown_job_type, payload_too_large, time_zone_unknown, too_many_schedules.
       */
      readonly create: ((params: JobsSchedulesCreateParams, options?: Options) => Promise<Schedule>);
      /**
       * Changes a schedule.  Null leaves a value as it is; `period_s` and `rrule` replace each other.
       *
       * Without `start`, a rule keeps the local time of its start in a new `time_zone`, and what replaces the other
       * begins as by `jobs.schedules.create`.
       *
       * A new `payload` or `type` is checked as by `jobs.schedules.create`.
       *
       * Of the sidecar's own schedules, `enabled`, `period_s` and `misfire_policy` can be changed.
       *
       * Errors: schedule_not_found, schedule_fixed, unknown_job_type, payload_too_large, time_zone_unknown.
       */
      readonly update: ((params: JobsSchedulesUpdateParams, options?: Options) => Promise<Schedule>);
      /**
       * Deletes a schedule and the record of its runs.  A job that it has created is not cancelled.
       *
       * Errors: schedule_not_found, schedule_fixed.
       */
      readonly delete: ((params: JobsSchedulesDeleteParams, options?: Options) => Promise<ScheduleDeletion>);
      /**
       * Creates the schedule's job now, which does not move the grid, and returns it.
       *
       * If the previous job is unfinished, that job is returned instead; if it waits for its next try, that starts now.
       * Also works for a disabled schedule.
       *
       * Errors: schedule_not_found.
       */
      readonly run: ((params: JobsSchedulesRunParams, options?: Options) => Promise<Job>);
      readonly runs: {
        /**
         * Lists what became of the times of one schedule or of all, the one recorded last first.
         *
         * `since` leaves out what was scheduled earlier.  Runs are kept for 90 days, at most 3,000 of a schedule.
         *
         * Errors: invalid_cursor.
         */
        readonly list: ((params?: JobsSchedulesRunsListParams, options?: Options) => Promise<ScheduleRunPage>);
      };
    };
  };
  readonly system: {
    readonly backups: {
      /** Returns the backups with what they contain. */
      readonly list: ((params?: SystemBackupsListParams, options?: Options) => Promise<BackupList>);
      /**
       * Checks a backup, then ends the process with exit code 0; the next start puts it in place of the database.
       *
       * Start the sidecar again when it has ended.  Nothing is deleted: the present database is kept under another
       * name.  If the sidecar does not start, run `sidecar restore` instead.
       *
       * Errors: backup_not_found, backup_unusable.
       */
      readonly restore: ((params: SystemBackupsRestoreParams, options?: Options) => Promise<RestoreBegun>);
    };
    /**
     * Checks whether the sidecar works.  Cheap enough for a heartbeat.
     *
     * Replaces GET /health.
     */
    readonly health: ((params?: SystemHealthParams, options?: Options) => Promise<Health>);
    /**
     * Returns the status of the sidecar.
     *
     * Replaces GET /status.
     */
    readonly status: ((params?: SystemStatusParams, options?: Options) => Promise<Status>);
    /**
     * Collects information for a bug report: status, database check, Claude CLI, settings and the end of the log.
     *
     * Secrets are redacted.
     */
    readonly diagnostics: ((params?: SystemDiagnosticsParams, options?: Options) => Promise<Diagnostics>);
  };
  readonly rpc: {
    /** Returns the contract as an OpenRPC document. */
    readonly discover: ((params?: RpcDiscoverParams, options?: Options) => Promise<OpenRpc>);
  };
}

/** Notifications to the sidecar, which have no response. */
export interface ClientNotifications {
  /** Optional; accepted for LSP-style clients. */
  "initialized": InitializedParams;
  /** Ends the process with exit code 0, after a shutdown if there was none. */
  "exit": ExitParams;
  /** Cancels a request.  It is still answered: with the error -32800, or with its result if it has finished. */
  "$/cancelRequest": CancelRequestParams;
}

/** Notifications from the sidecar. */
export interface Notifications {
  /** An account was connected or deleted, was refused by its service, or works again. */
  "accounts.updated": AccountUpdated;
  /** The feed changed: the number of events of one account, and the newest added or updated ones (at most 50). */
  "activity.changed": ActivityChanged;
  /** Events of a calendar were added, updated or removed, or the calendar itself was (then all counts are 0). */
  "calendar.changed": CalendarChanged;
  /**
   * Claude has not sent anything for a while: a tool takes long, or the connection has stalled.
   *
   * Sent after a minute, and then at growing intervals.  Any later notification of the job ends the stall.  The job is
   * not stopped, since tools may take long, and the CLI gives up a dead connection after five minutes.
   */
  "claude.stall": ClaudeStall;
  /** Claude's API refused a request or could not be reached; the CLI will repeat the request. */
  "claude.api_retry": ClaudeApiRetry;
  /** Claude requests permission and waits.  Sent again when the turn ends and the request stays open. */
  "claude.permission_requested": ClaudePermissionRequested;
  /** A permission request was answered or cancelled: close its dialog. */
  "claude.permission_resolved": ClaudePermissionResolved;
  /** Claude has written more of a message.  Append only; a gap before `offset` means that text was lost. */
  "claude.delta": ClaudeDelta;
  /**
   * Claude has thought more, as `claude.delta` for the text of a message; whole as a message of kind `thinking`.
   *
   * Only what the API sends: often a summary, and nothing for thinking that it redacts.
   */
  "claude.thinking_delta": ClaudeThinkingDelta;
  /** A message was added to a session. */
  "claude.message_added": ClaudeMessageAdded;
  /** A session was created or updated. */
  "claude.session_updated": ClaudeSessionUpdated;
  /** A session was deleted with its messages. */
  "claude.session_deleted": ClaudeSessionDeleted;
  /** The context of a session was filled by an answer, compacted or cleared. */
  "claude.context_updated": ClaudeContextUpdated;
  /** A usage limit changed: its status, its reset, or the percentage that is used. */
  "claude.limits_updated": ClaudeLimitsUpdated;
  /** Events were not sent because the client reads too slowly; get them with `events.replay`. */
  "events.lag": EventsLag;
  /** The events since the client's last one are no longer available: load the lists again. */
  "events.resync": EventsResync;
  /** The queue was paused or resumed. */
  "jobs.queue_updated": JobQueueUpdated;
  /**
   * A job was created or has changed: its status, what it waits for, or a requested cancellation.
   *
   * A pruned job sends no notification.
   */
  "jobs.updated": JobUpdated;
  /** A line was added to a job's log. */
  "jobs.log_added": JobLogAdded;
  /** A running job reported progress.  `jobs.get` has the last value, at most a second old. */
  "jobs.progress": JobProgress;
  /** A schedule was created or changed, or has created a job. */
  "jobs.schedule_updated": ScheduleUpdated;
  /** A schedule was deleted, with the record of its runs. */
  "jobs.schedule_deleted": ScheduleDeleted;
  /**
   * A time of a schedule that the user has created is over: with an answer, or without one and why.
   *
   * It is sent once for each run, and for times that were missed together once.  `title` and `text` are written for the
   * user, for a notification of the system.  A run that the user has cancelled sends none.
   */
  "jobs.schedule_run_ended": ScheduleRunEnded;
  /**
   * The database was missing or empty at a start, and a new one has taken its place although backups exist.
   *
   * Sent once.  `system.health` is `degraded` until the backup is restored or moved away.
   */
  "system.database_lost": DatabaseLost;
  /** The state of the process changed. */
  "system.state": SystemState;
  /** Progress of a request with a `_meta.progress_token`.  Never sent after its response, which is its end. */
  "$/progress": RequestProgress;
}

/** The job types for jobs.create, with their results. */
export interface JobTypes {
  /** Writes events to a file, newest first.  The file appears under its name when it is complete. */
  "activity.export": { payload: ExportActivity; result: ActivityFile; error: CommonJobErrorKind | FileErrorKind };
  /** Reads the changes of an account's calendars. */
  "calendar.sync": { payload: SyncCalendar; result: CalendarSynced; error: CommonJobErrorKind | AccountErrorKind | SyncErrorKind | CalendarErrorKind };
  /** Writes a session to a file, which appears under its name once it is complete. */
  "claude.export": { payload: ExportSession; result: ExportResult; error: CommonJobErrorKind | FileErrorKind | SessionErrorKind };
  /**
   * Runs a prompt in the user's own `claude`; the result is its answer, without which it fails with `no_answer`.
   *
   * A command that Claude Code carries out itself, such as `/compact`, needs none.
   */
  "claude.run": { payload: RunClaude; result: ClaudeRunResult; error: CommonJobErrorKind | ClaudeErrorKind | RunErrorKind };
  /** Sends the next prompt of a session; the result is the answer.  The turns of a session run one after another. */
  "claude.turn": { payload: TakeTurn; result: ClaudeTurnResult; error: CommonJobErrorKind | ClaudeErrorKind | SessionErrorKind | TurnErrorKind };
  /** Updates the feed with the changes at a Confluence site. */
  "confluence.sync": { payload: SyncConfluence; result: AtlassianSynced; error: CommonJobErrorKind | AccountErrorKind | SyncErrorKind | AtlassianErrorKind };
  /** Updates the feed with the changes at a Jira site. */
  "jira.sync": { payload: SyncJira; result: AtlassianSynced; error: CommonJobErrorKind | AccountErrorKind | SyncErrorKind | AtlassianErrorKind };
  /** Writes a compact copy of the database without interrupting other work. */
  "maintenance.backup": { payload: BackUpDatabase; result: BackupResult; error: CommonJobErrorKind | BackupErrorKind };
  /** Deletes finished jobs with their logs, and entries of the event log, by age and by size. */
  "maintenance.prune": { payload: PruneHistory; result: PruneResult; error: CommonJobErrorKind };
  /** Returns the space of deleted rows to the file system. */
  "maintenance.vacuum": { payload: VacuumDatabase; result: VacuumResult; error: CommonJobErrorKind };
}

/** The kinds of errors of the queue itself, for jobs of every type. */
export const CommonJobErrorKind = {
  /** No handler exists for the job's type: it was created by another version. */
  UNKNOWN_JOB_TYPE: "unknown_job_type",
  /** The stored payload does not fit the job's type: it was created by another version. */
  PAYLOAD_INVALID: "payload_invalid",
  /** The result does not fit into a message. */
  RESULT_TOO_LARGE: "result_too_large",
  /** The job took longer than it may. */
  TIMEOUT: "timeout",
  /** The job ran, but the database did not take its outcome; the hint names the entry in the log. */
  NOT_STORED: "not_stored",
  /** A bug; the hint names the entry in the log. */
  INTERNAL: "internal",
  /** The sidecar was shut down while the job was running. */
  SHUTDOWN: "shutdown",
  /** The sidecar ended unexpectedly while the job was running. */
  CRASH: "crash",
  /** The sidecar ended unexpectedly each time that the job was running. */
  RECOVERY_LIMIT: "recovery_limit",
} as const;
/** The kinds of errors of the queue itself, for jobs of every type. */
export type CommonJobErrorKind = "unknown_job_type" | "payload_invalid" | "result_too_large" | "timeout" | "not_stored" | "internal" | "shutdown" | "crash" | "recovery_limit";

/** The kinds of errors of jobs that write a file for the user. */
export const FileErrorKind = {
  /** The path is relative, is a folder, has no parent folder, or lies in the data folder. */
  PATH_INVALID: "path_invalid",
  /** A file has this name, and `overwrite` is not set. */
  FILE_EXISTS: "file_exists",
  /** The file could not be written; `details` has the `errno`. */
  EXPORT_FAILED: "export_failed",
} as const;
/** The kinds of errors of jobs that write a file for the user. */
export type FileErrorKind = "path_invalid" | "file_exists" | "export_failed";

/** The `kind` of a sync's error that is due to its account, whatever its service. */
export const AccountErrorKind = {
  /** No account has this id, or it is being deleted. */
  ACCOUNT_NOT_FOUND: "account_not_found",
  /** The service refused the account, whose status is `retrying` now; `details` has the `reason`. */
  ACCOUNT_REFUSED: "account_refused",
  /** The service refused the account, whose status is `needs_reauth` now; `details` as above. */
  NEEDS_REAUTH: "needs_reauth",
  /** The account was connected again during the sync, which is repeated. */
  SIGN_IN_REPLACED: "sign_in_replaced",
} as const;
/** The `kind` of a sync's error that is due to its account, whatever its service. */
export type AccountErrorKind = "account_not_found" | "account_refused" | "needs_reauth" | "sign_in_replaced";

/** The kinds of errors of a sync that are due to its service or to the connection. */
export const SyncErrorKind = {
  /** The service's certificate is not trusted by this computer. */
  TLS_UNTRUSTED: "tls_untrusted",
  /** The address is not valid. */
  BAD_ADDRESS: "bad_address",
  /** The response breaks the service's protocol. */
  BAD_RESPONSE: "bad_response",
  /** With `--upstream`, the recording does not have the request. */
  NOT_RECORDED: "not_recorded",
} as const;
/** The kinds of errors of a sync that are due to its service or to the connection. */
export type SyncErrorKind = "tls_untrusted" | "bad_address" | "bad_response" | "not_recorded";

/** The kinds of errors of a calendar's sync that are due to its provider. */
export const CalendarErrorKind = {
  /** This installation cannot use the provider; the hint says why. */
  PROVIDER_UNAVAILABLE: "provider_unavailable",
  /** Google had an error of its own. */
  UNAVAILABLE: "unavailable",
  /** The Google Calendar API is not enabled for the app. */
  API_DISABLED: "api_disabled",
  /** The server of a calendar's address had an error. */
  UPSTREAM_ERROR: "upstream_error",
  /** The address leads to something else than a calendar. */
  NOT_A_CALENDAR: "not_a_calendar",
  /** The calendar has more events than can be read. */
  TOO_MANY_EVENTS: "too_many_events",
} as const;
/** The kinds of errors of a calendar's sync that are due to its provider. */
export type CalendarErrorKind = "provider_unavailable" | "unavailable" | "api_disabled" | "upstream_error" | "not_a_calendar" | "too_many_events";

/** The kinds of errors of jobs of a session. */
export const SessionErrorKind = {
  /** The session was deleted. */
  SESSION_NOT_FOUND: "session_not_found",
} as const;
/** The kinds of errors of jobs of a session. */
export type SessionErrorKind = "session_not_found";

/** The kinds of errors of a run of Claude and of a session's turn. */
export const ClaudeErrorKind = {
  /** Claude Code is not signed in, or its credentials were refused. */
  AUTH: "auth",
  /** The usage limit was reached; `details` has `resets_at` if Claude says when it ends. */
  USAGE_LIMIT: "usage_limit",
  /** Claude's API limits the rate of requests. */
  RATE_LIMITED: "rate_limited",
  /** Claude's API is overloaded. */
  OVERLOADED: "overloaded",
  /** Claude's API had an error of its own. */
  SERVER_ERROR: "server_error",
  /** Claude could not be reached. */
  NETWORK: "network",
  /** The conversation is too long for the model. */
  CONTEXT_OVERFLOW: "context_overflow",
  /** The model does not exist or is not available to the account. */
  MODEL_UNAVAILABLE: "model_unavailable",
  /** Claude reached `max_turns`. */
  MAX_TURNS: "max_turns",
  /** The run exceeded its budget. */
  BUDGET_EXCEEDED: "budget_exceeded",
  /** The budget of the day or of the session is spent; `details` has `max_usd`, `spent_usd` and the `session_id`. */
  BUDGET_SPENT: "budget_spent",
  /** Claude declined to answer. */
  REFUSAL: "refusal",
  /** The run was interrupted before Claude had finished. */
  INTERRUPTED: "interrupted",
  /** Claude Code has no conversation with this id. */
  SESSION_UNKNOWN: "session_unknown",
  /** Another process is using the conversation. */
  SESSION_IN_USE: "session_in_use",
  /** Claude Code does not run in this permission mode as root. */
  ROOT_REFUSED: "root_refused",
  /** Claude Code could not create a git worktree in the folder. */
  WORKTREE_REFUSED: "worktree_refused",
  /** The release of Claude Code is too old. */
  VERSION_UNSUPPORTED: "version_unsupported",
  /** Claude Code was not found. */
  EXECUTABLE_MISSING: "executable_missing",
  /** Claude Code does not run on this computer. */
  EXECUTABLE_BROKEN: "executable_broken",
  /** Claude's API refused the request. */
  API_ERROR: "api_error",
  /** The output of `claude` is not in the expected format. */
  OUTPUT_UNPARSEABLE: "output_unparseable",
  /** Claude Code ended without a result. */
  NO_RESULT: "no_result",
  /** Claude Code was ended by a signal. */
  KILLED_BY_SIGNAL: "killed_by_signal",
  /** Claude Code ended with an error; `details` has `exit_code` and `stderr`. */
  PROCESS_EXITED: "process_exited",
  /** The working directory does not exist or cannot be opened. */
  CWD_MISSING: "cwd_missing",
  /** The working directory did not answer, as on a network drive that is not connected. */
  FOLDER_UNRESPONSIVE: "folder_unresponsive",
  /** The folder is not trusted and brings hooks or the like; `details` is a `FolderTrust`, which names them. */
  WORKSPACE_UNTRUSTED: "workspace_untrusted",
  /** The computer cannot start another program at the moment. */
  NO_RESOURCES: "no_resources",
  /** An image or a file of the prompt is no longer stored. */
  ATTACHMENT_MISSING: "attachment_missing",
  /** The settings are too long for a command line. */
  ARGUMENTS_TOO_LONG: "arguments_too_long",
} as const;
/** The kinds of errors of a run of Claude and of a session's turn. */
export type ClaudeErrorKind = "auth" | "usage_limit" | "rate_limited" | "overloaded" | "server_error" | "network" | "context_overflow" | "model_unavailable" | "max_turns" | "budget_exceeded" | "budget_spent" | "refusal" | "interrupted" | "session_unknown" | "session_in_use" | "root_refused" | "worktree_refused" | "version_unsupported" | "executable_missing" | "executable_broken" | "api_error" | "output_unparseable" | "no_result" | "killed_by_signal" | "process_exited" | "cwd_missing" | "folder_unresponsive" | "workspace_untrusted" | "no_resources" | "attachment_missing" | "arguments_too_long";

/** The kinds of errors that only a run of Claude has. */
export const RunErrorKind = {
  /** The conversation belongs to a session of the sidecar; `details` has its `session_id`. */
  SESSION_HELD: "session_held",
  /** Claude ended without an answer; `details` has the `session_id` in which it has worked. */
  NO_ANSWER: "no_answer",
  /** The run had begun its work when the usage limit was reached, and cannot be continued. */
  NOT_CONTINUED: "not_continued",
} as const;
/** The kinds of errors that only a run of Claude has. */
export type RunErrorKind = "session_held" | "no_answer" | "not_continued";

/** The kinds of errors that only a turn has. */
export const TurnErrorKind = {
  /** A permission request was not answered in time; it stays open. */
  PERMISSION_UNANSWERED: "permission_unanswered",
  /** The turn that Claude had begun by itself, or to which a prompt was added, has ended. */
  TURN_ENDED: "turn_ended",
} as const;
/** The kinds of errors that only a turn has. */
export type TurnErrorKind = "permission_unanswered" | "turn_ended";

/** The kinds of errors of a sync with Jira or Confluence that are due to the site. */
export const AtlassianErrorKind = {
  /** The site had an error of its own. */
  SITE_ERROR: "site_error",
  /** Atlassian no longer offers what was requested: update the app. */
  API_REMOVED: "api_removed",
  /** The site refused a request. */
  REQUEST_REFUSED: "request_refused",
  /** A list of the site does not end. */
  PAGING_LOOP: "paging_loop",
} as const;
/** The kinds of errors of a sync with Jira or Confluence that are due to the site. */
export type AtlassianErrorKind = "site_error" | "api_removed" | "request_refused" | "paging_loop";

/** The kinds of errors of a backup. */
export const BackupErrorKind = {
  /** The copy could not be written; `details` has the `reason`. */
  BACKUP_FAILED: "backup_failed",
} as const;
/** The kinds of errors of a backup. */
export type BackupErrorKind = "backup_failed";

/** The name of a job type. */
export type JobType = keyof JobTypes;

/** The kinds of errors with which jobs can fail. */
export type JobErrorKind = JobTypes[JobType]["error"];

/** The fields of a job that depend on its status. */
export type JobOutcome<Type extends JobType> =
  | { status: "queued" | "running"; result: null; error: JobError<JobTypes[Type]["error"]> | null }
  | { status: "succeeded"; result: JobTypes[Type]["result"]; error: null }
  | { status: "failed" | "interrupted"; result: null; error: JobError<JobTypes[Type]["error"]> }
  | { status: "cancelled"; result: null; error: JobError<JobTypes[Type]["error"]> | null };

/** The payload of a job to create; it may be omitted if none of its members is required. */
export type JobPayload<Type extends JobType> = {} extends JobTypes[Type]["payload"]
  ? { payload?: JobTypes[Type]["payload"] | null }
  : { payload: JobTypes[Type]["payload"] };

/** Kinds of errors that any request may have, in addition to those that it declares. */
export type CommonErrorKind =
  | "parse_error"
  | "method_not_found"
  | "invalid_params"
  | "internal"
  | "not_initialized"
  | "cancelled"
  | "server_cancelled"
  | "unauthorized"
  | "result_too_large"
  | "message_too_large"
  | "overloaded"
  | "shutting_down"
  | "storage";

/** Kinds of errors of a request.  A newer sidecar may send others. */
export type MethodErrorKind<Name extends keyof Methods> = Methods[Name]["errors"] | CommonErrorKind;

export const METHOD_NAMES = [
  "activity.events.list",
  "activity.search",
  "activity.summary",
  "activity.heatmap",
  "calendar.providers.list",
  "calendar.accounts.create",
  "calendar.accounts.update",
  "calendar.accounts.delete",
  "calendar.accounts.sync",
  "calendar.calendars.update",
  "calendar.accounts.list",
  "calendar.accounts.get",
  "calendar.calendars.list",
  "calendar.events.list",
  "calendar.oauth.google.start",
  "calendar.oauth.google.callback",
  "calendar.oauth.google.complete",
  "claude.budgets.get",
  "claude.budgets.update",
  "claude.citations.list",
  "claude.conversations.list",
  "claude.conversations.take",
  "claude.doctor",
  "claude.sessions.export",
  "claude.exposures.list",
  "claude.decisions.list",
  "claude.sources.list",
  "claude.sources.trust",
  "claude.sources.remove",
  "claude.permissions.list",
  "claude.permissions.respond",
  "claude.runs.get",
  "claude.spawn",
  "claude.messages.search",
  "claude.sessions.create",
  "claude.sessions.list",
  "claude.sessions.get",
  "claude.sessions.update",
  "claude.sessions.delete",
  "claude.sessions.send",
  "claude.sessions.interrupt",
  "claude.sessions.fork",
  "claude.messages.list",
  "claude.status",
  "claude.tasks.list",
  "claude.tasks.stop",
  "claude.trust.check",
  "claude.trust.add",
  "claude.trust.list",
  "claude.trust.remove",
  "claude.usage.list",
  "confluence.accounts.list",
  "confluence.accounts.create",
  "confluence.accounts.update",
  "confluence.accounts.delete",
  "confluence.accounts.sync",
  "events.replay",
  "jira.accounts.list",
  "jira.accounts.create",
  "jira.accounts.update",
  "jira.accounts.delete",
  "jira.accounts.sync",
  "jobs.create",
  "jobs.list",
  "jobs.get",
  "jobs.cancel",
  "jobs.log.list",
  "jobs.retry",
  "jobs.queue.get",
  "jobs.queue.pause",
  "jobs.queue.resume",
  "jobs.queue.wake",
  "jobs.schedules.list",
  "jobs.schedules.create",
  "jobs.schedules.update",
  "jobs.schedules.delete",
  "jobs.schedules.run",
  "jobs.schedules.runs.list",
  "system.backups.list",
  "system.backups.restore",
  "initialize",
  "shutdown",
  "rpc.discover",
  "system.health",
  "system.status",
  "system.diagnostics",
] as const satisfies readonly (keyof Methods)[];

export const CLIENT_NOTIFICATION_NAMES = [
  "initialized",
  "exit",
  "$/cancelRequest",
] as const satisfies readonly (keyof ClientNotifications)[];

export const NOTIFICATION_NAMES = [
  "accounts.updated",
  "activity.changed",
  "calendar.changed",
  "claude.stall",
  "claude.api_retry",
  "claude.permission_requested",
  "claude.permission_resolved",
  "claude.delta",
  "claude.thinking_delta",
  "claude.message_added",
  "claude.session_updated",
  "claude.session_deleted",
  "claude.context_updated",
  "claude.limits_updated",
  "events.lag",
  "events.resync",
  "jobs.queue_updated",
  "jobs.updated",
  "jobs.log_added",
  "jobs.progress",
  "jobs.schedule_updated",
  "jobs.schedule_deleted",
  "jobs.schedule_run_ended",
  "system.database_lost",
  "system.state",
  "$/progress",
] as const satisfies readonly (keyof Notifications)[];

/** Notifications with `seq` and `at`. */
export const DURABLE_NOTIFICATIONS = [
  "accounts.updated",
  "activity.changed",
  "calendar.changed",
  "claude.permission_requested",
  "claude.permission_resolved",
  "claude.message_added",
  "claude.session_updated",
  "claude.session_deleted",
  "claude.context_updated",
  "claude.limits_updated",
  "jobs.queue_updated",
  "jobs.updated",
  "jobs.log_added",
  "jobs.schedule_updated",
  "jobs.schedule_deleted",
  "jobs.schedule_run_ended",
  "system.database_lost",
] as const satisfies readonly (keyof Notifications)[];

/** The params that identify what a notification is about, by path.  Those about one thing come in order. */
export const NOTIFICATION_KEYS = {
  "accounts.updated": ["account_id"],
  "activity.changed": ["source", "account_id", "events.event_id", "removed_ids"],
  "calendar.changed": ["account_id", "calendar_id"],
  "claude.stall": ["job_id"],
  "claude.api_retry": ["job_id"],
  "claude.permission_requested": ["request.request_id"],
  "claude.permission_resolved": ["request.request_id"],
  "claude.delta": ["job_id", "message_id"],
  "claude.thinking_delta": ["job_id", "message_id"],
  "claude.message_added": ["session_id"],
  "claude.session_updated": ["session.session_id"],
  "claude.session_deleted": ["session_id"],
  "claude.context_updated": ["context.session_id"],
  "claude.limits_updated": [],
  "events.lag": [],
  "events.resync": [],
  "jobs.queue_updated": [],
  "jobs.updated": ["job.job_id"],
  "jobs.log_added": ["line.job_id"],
  "jobs.progress": ["job_id"],
  "jobs.schedule_updated": ["schedule.schedule_id"],
  "jobs.schedule_deleted": ["schedule_id"],
  "jobs.schedule_run_ended": ["run.run_id"],
  "system.database_lost": [],
  "system.state": [],
  "$/progress": ["token"],
} as const satisfies Record<keyof Notifications, readonly string[]>;

export const JOB_TYPE_NAMES = [
  "activity.export",
  "calendar.sync",
  "claude.export",
  "claude.run",
  "claude.turn",
  "confluence.sync",
  "jira.sync",
  "maintenance.backup",
  "maintenance.prune",
  "maintenance.vacuum",
] as const satisfies readonly (keyof JobTypes)[];

/** Values of `error.data.kind`.  Compare them, not messages. */
export type ErrorKind =
  | "account_not_found"
  | "account_exists"
  | "credentials_rejected"
  | "access_denied"
  | "service_unreachable"
  | "site_address_invalid"
  | "calendar_provider_unavailable"
  | "calendar_not_found"
  | "google_client_missing"
  | "google_client_rejected"
  | "sign_in_unknown"
  | "sign_in_expired"
  | "sign_in_used"
  | "sign_in_incomplete"
  | "sign_in_denied"
  | "sign_in_blocked"
  | "sign_in_scope_missing"
  | "sign_in_account_mismatch"
  | "sign_in_failed"
  | "attachment_unreadable"
  | "attachment_unsupported"
  | "attachment_too_large"
  | "attachments_full"
  | "conversation_not_found"
  | "permission_not_found"
  | "permission_already_resolved"
  | "run_not_found"
  | "session_not_found"
  | "task_not_found"
  | "workspace_untrusted"
  | "folder_unresponsive"
  | "parse_error"
  | "invalid_request"
  | "method_not_found"
  | "invalid_params"
  | "internal"
  | "not_initialized"
  | "cancelled"
  | "server_cancelled"
  | "invalid_cursor"
  | "unauthorized"
  | "result_too_large"
  | "message_too_large"
  | "payload_too_large"
  | "time_zone_unknown"
  | "queue_full"
  | "secrets_locked"
  | "overloaded"
  | "shutting_down"
  | "storage"
  | "job_not_found"
  | "unknown_job_type"
  | "idempotency_key_reused"
  | "job_not_finished"
  | "schedule_not_found"
  | "schedule_fixed"
  | "too_many_schedules"
  | "backup_not_found"
  | "backup_unusable";

export const ERROR_CODES = {
  /** No account of this service has this id. */
  account_not_found: 4043,
  /** It is connected already; details has the `account_id` of its account. */
  account_exists: 4094,
  /** The service rejected the credentials. */
  credentials_rejected: 4012,
  /** The service denies the access, whatever the credentials: it may not allow this network. */
  access_denied: 4034,
  /** The credentials could not be checked: the service could not be reached, or did not answer as it should. */
  service_unreachable: 5023,
  /** The address is not an Atlassian site. */
  site_address_invalid: 4222,
  /** The calendar provider is not available; see `calendar.providers.list`. */
  calendar_provider_unavailable: 4223,
  /** The account has no calendar with this id. */
  calendar_not_found: 4047,
  /** No Google OAuth client is configured: set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET. */
  google_client_missing: 4224,
  /** Google does not accept the configured OAuth client. */
  google_client_rejected: 4225,
  /** No sign-in has this state. */
  sign_in_unknown: 4048,
  /** The sign-in has expired; start a new one. */
  sign_in_expired: 4100,
  /** The sign-in was already completed or has failed; start a new one. */
  sign_in_used: 4095,
  /** The sign-in has no redirect yet. */
  sign_in_incomplete: 4096,
  /** The user denied access on Google's page. */
  sign_in_denied: 4031,
  /** The organisation of this Google account blocks the app. */
  sign_in_blocked: 4032,
  /** The sign-in does not include permission to read calendars. */
  sign_in_scope_missing: 4033,
  /** The user signed in to another Google account than the one to reconnect. */
  sign_in_account_mismatch: 4097,
  /** Google rejected the sign-in. */
  sign_in_failed: 5025,
  /** A file of the prompt cannot be read; see details. */
  attachment_unreadable: 4226,
  /** A file of the prompt is damaged, or of a type that Claude cannot read; see details. */
  attachment_unsupported: 4227,
  /** The files of the prompt are too large; see details. */
  attachment_too_large: 4133,
  /** The files of prompts that wait take all of the space for attachments; send the prompt when some are answered. */
  attachments_full: 4228,
  /** Claude Code has no record of this conversation. */
  conversation_not_found: 4101,
  /** No permission request has this id. */
  permission_not_found: 4046,
  /** The permission request was already answered or cancelled. */
  permission_already_resolved: 4092,
  /** No run has this job id, or it began more than 90 days ago. */
  run_not_found: 4051,
  /** No Claude session has this id. */
  session_not_found: 4045,
  /** The job has no live task with this id. */
  task_not_found: 4050,
  /** The folder brings hooks, MCP servers or settings of its own, and the user has not said that they may run. */
  workspace_untrusted: 4035,
  /** The folder did not answer within ten seconds, as on a network drive that is not connected. */
  folder_unresponsive: 5040,
  /** The line is not JSON. */
  parse_error: -32700,
  /** The line is not a JSON-RPC 2.0 request. */
  invalid_request: -32600,
  /** There is no such method; rpc.discover lists all methods. */
  method_not_found: -32601,
  /** The params are invalid; see details. */
  invalid_params: -32602,
  /** Internal error; see the log entry with this error_id. */
  internal: -32603,
  /** The first request must be initialize. */
  not_initialized: -32002,
  /** The request was cancelled by the client. */
  cancelled: -32800,
  /** The server cancelled the request: its timeout passed, or the server is shutting down. */
  server_cancelled: -32802,
  /** The cursor is not from this list; start again without a cursor. */
  invalid_cursor: 4001,
  /** initialize needs the token that is set in BACKEND_TOKEN. */
  unauthorized: 4010,
  /** The result is too large for one message; request smaller pages. */
  result_too_large: 4130,
  /** The line is longer than limits.max_message_bytes; it was discarded. */
  message_too_large: 4131,
  /** The job's payload exceeds 3 MiB of JSON; pass large inputs as files. */
  payload_too_large: 4132,
  /** Unknown time zone; use an IANA name such as Europe/Berlin. */
  time_zone_unknown: 4221,
  /** The queue holds 100,000 unfinished jobs, which is the most that it may. */
  queue_full: 4099,
  /** Stored credentials are locked: initialize did not receive the key that they are encrypted with. */
  secrets_locked: 4230,
  /** Too many requests are in flight; try again later. */
  overloaded: 5030,
  /** The sidecar is shutting down. */
  shutting_down: 5031,
  /** The database could not be read or written. */
  storage: 5070,
  /** No job has this id. */
  job_not_found: 4041,
  /** No job type has this name. */
  unknown_job_type: 4042,
  /** The idempotency key was used for a job of another type or payload; use a new key for a new job. */
  idempotency_key_reused: 4098,
  /** The job is still queued or running; only a finished job can be retried. */
  job_not_finished: 4091,
  /** No schedule has this id. */
  schedule_not_found: 4044,
  /** The schedule is the sidecar's own: it can be switched off or get another period, but not be deleted. */
  schedule_fixed: 4036,
  /** There are as many schedules as there may be; delete one that is no longer needed. */
  too_many_schedules: 4093,
  /** No backup has this name. */
  backup_not_found: 4040,
  /** The backup cannot replace the database; nothing was changed. */
  backup_unusable: 4229,
} as const satisfies Record<ErrorKind, number>;
