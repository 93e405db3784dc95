// Type checks of contract.ts.  This module is compiled but never run.  Lines that must not compile are marked with
// `@ts-expect-error`, so that tsc fails if the types are too loose or too strict.
import {
  DURABLE_NOTIFICATIONS,
  ERROR_CODES,
  JOB_TYPE_NAMES,
  JobStatus,
  METHOD_NAMES,
  NOTIFICATION_NAMES,
  PROTOCOL_VERSION,
  SCHEMA_HASH,
} from "../../protocol/typescript/contract.ts";
import type {
  CalendarEvent,
  ClientNotifications,
  ErrorKind,
  Job,
  JobTypes,
  JobUpdated,
  LoggedEvent,
  MethodErrorKind,
  Methods,
  NestedMethods,
  Notifications,
  RunClaude,
} from "../../protocol/typescript/contract.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function holds<Fact extends true>(): Fact | undefined {
  return undefined;
}

declare function call<Name extends keyof Methods>(
  name: Name,
  params: Methods[Name]["params"],
): Promise<Methods[Name]["result"]>;
declare function notify<Name extends keyof ClientNotifications>(name: Name, params: ClientNotifications[Name]): void;
declare function on<Name extends keyof Notifications>(name: Name, listen: (params: Notifications[Name]) => void): void;

export async function requests(): Promise<string> {
  const { job } = await call("jobs.create", { type: "claude.run", payload: { prompt: "hello" }, priority: 5 });
  const same = await call("jobs.get", { job_id: job.job_id });
  await call("jobs.list", {});
  await call("system.health", {});
  notify("$/cancelRequest", { id: 7 });

  // @ts-expect-error a required param is missing
  await call("jobs.get", {});
  // @ts-expect-error a param has the wrong type
  await call("jobs.get", { job_id: 7 });
  // @ts-expect-error a param is unknown
  await call("jobs.get", { job_id: "7", jobid: "7" });
  // @ts-expect-error the method has no params
  await call("system.health", { verbose: true });
  // @ts-expect-error the status is unknown
  await call("jobs.list", { status: "done" });
  // @ts-expect-error the job type is unknown
  await call("jobs.create", { type: "claude.runn" });
  // @ts-expect-error the job type is unknown
  await call("jobs.list", { type: "claude.runn" });
  // @ts-expect-error the payload is that of another job type
  await call("jobs.create", { type: "claude.run", payload: { account_id: "a" } });
  // @ts-expect-error the payload is missing
  await call("jobs.create", { type: "claude.turn" });
  await call("jobs.create", { type: "maintenance.vacuum" });
  // @ts-expect-error the provider is unknown
  await call("calendar.accounts.create", { provider: "icss", email: "a@b.c", credentials: {} });
  // @ts-expect-error undefined is not a JSON value: omit the param
  await call("jobs.list", { status: undefined });
  // @ts-expect-error the method is unknown
  await call("jobs.delete", {});
  // @ts-expect-error it is a notification, not a request
  await call("initialized", {});
  return same.status === JobStatus.SUCCEEDED ? "done" : same.status;
}

export async function typedPayload(run: RunClaude): Promise<Job> {
  return (await call("jobs.create", { type: "claude.run", payload: run })).job;
}

declare const api: NestedMethods<never>;

export async function jobsOfOneType(): Promise<unknown[]> {
  const { job } = await api.jobs.create({ type: "calendar.sync", payload: { account_id: "a" } });
  // @ts-expect-error a param is unknown
  await api.jobs.create({ type: "maintenance.vacuum", nope: 1 });
  const { jobs } = await api.jobs.list({ type: "claude.turn" });
  const spawned = await api.claude.spawn({ prompt: "hello" });
  const synced = await api.jira.accounts.sync({ account_id: "a" });
  return [
    holds<Same<typeof job.type, "calendar.sync">>(),
    holds<Same<(typeof jobs)[number], Job<"claude.turn">>>(),
    holds<Same<typeof spawned, Job<"claude.run">>>(),
    holds<Same<typeof synced, Job<"jira.sync">>>(),
    job.status === "succeeded" ? job.result.calendars : null,
    // @ts-expect-error there is a result only after success
    job.result.calendars,
  ];
}

export function narrowing(job: Job, event: CalendarEvent, logged: LoggedEvent): unknown[] {
  if (job.type === "maintenance.backup" && job.status === "succeeded") return [job.result.size_bytes, job.payload.keep];
  // @ts-expect-error the job type is unknown
  if (job.type === "maintenance.backupp") return [];
  if (job.status === "failed") {
    // @ts-expect-error the kind is unknown
    if (job.error.kind === "usage_limitt") return [];
    // @ts-expect-error a backup has no usage limit
    if (job.type === "maintenance.backup" && job.error.kind === "usage_limit") return [];
    if (job.type === "claude.run" && job.error.kind === "usage_limit") return [job.error.details?.["resets_at"]];
  }
  // @ts-expect-error the response is unknown
  if (event.response_status === "acepted") return [];
  if (logged.method === "jobs.updated") return [logged.params.job.type];
  return [event.attendees?.map(({ email, responseStatus }) => [email, responseStatus === "needsAction"])];
}

export function errorKinds(kind: MethodErrorKind<"jobs.get">): boolean {
  // @ts-expect-error the kind is unknown
  if (kind === "job_not_fuond") return true;
  // @ts-expect-error the method does not declare it
  if (kind === "time_zone_unknown") return true;
  return kind === "job_not_found" || kind === "invalid_params" || kind === "method_not_found";
}

export function listening(): void {
  on("jobs.updated", ({ seq, at, job }) => [seq + 1, at.length, job.version + 1]);
  on("claude.delta", ({ offset, text }) => offset + text.length);
  // @ts-expect-error an ephemeral notification has no seq
  on("claude.delta", ({ seq }) => seq);
  // @ts-expect-error the notification is unknown
  on("jobs.deleted", () => undefined);
}

export function facts(): unknown[] {
  return [
    holds<Same<Methods["jobs.get"]["result"], Job>>(),
    holds<Same<Methods["jobs.get"]["result"]["status"], JobStatus>>(),
    holds<Same<JobStatus, (typeof JobStatus)[keyof typeof JobStatus]>>(),
    holds<Same<Methods["jobs.list"]["params"]["limit"], number | undefined>>(),
    // A field with a default is always present in a result.
    holds<Same<undefined extends Job["priority"] ? true : false, false>>(),
    holds<Same<Job["started_at"], string | null>>(),
    holds<Same<Notifications["jobs.updated"], JobUpdated>>(),
    holds<Same<JobTypes["claude.run"]["payload"], RunClaude>>(),
    holds<Same<JobTypes["claude.run"]["result"]["text"], string>>(),
    holds<Same<(typeof METHOD_NAMES)[number], keyof Methods>>(),
    holds<Same<(typeof NOTIFICATION_NAMES)[number], keyof Notifications>>(),
    holds<Same<(typeof JOB_TYPE_NAMES)[number], keyof JobTypes>>(),
    holds<"jobs.updated" extends (typeof DURABLE_NOTIFICATIONS)[number] ? true : false>(),
    holds<"claude.delta" extends (typeof DURABLE_NOTIFICATIONS)[number] ? false : true>(),
    holds<Same<keyof typeof ERROR_CODES, ErrorKind>>(),
    holds<Same<(typeof ERROR_CODES)["job_not_found"], 4041>>(),
    holds<Same<typeof PROTOCOL_VERSION, 1>>(),
    SCHEMA_HASH.length,
  ];
}
