// What a page may do with the methods that it may call, unless the app decides otherwise.
import type { WebFrameMain } from "electron";
import type { RequestName } from "./calls.ts";

/**
 * The requests that pages may send unless the app names others: those that the example's page needs.
 *
 * None of them signs in with a code that the page brings, trusts a folder, runs a prompt without a conversation, reads
 * other programs' conversations, restores a backup or returns the log.
 */
export const PAGE_METHODS = [
  "activity.events.list",
  "activity.heatmap",
  "activity.search",
  "activity.summary",
  "calendar.accounts.create",
  "calendar.accounts.delete",
  "calendar.accounts.list",
  "calendar.accounts.sync",
  "calendar.accounts.update",
  "calendar.calendars.list",
  "calendar.calendars.update",
  "calendar.events.list",
  "calendar.providers.list",
  "claude.citations.list",
  "claude.messages.list",
  "claude.permissions.list",
  "claude.permissions.respond",
  "claude.sessions.create",
  "claude.sessions.delete",
  "claude.sessions.get",
  "claude.sessions.interrupt",
  "claude.sessions.list",
  "claude.sessions.send",
  "claude.sessions.update",
  "claude.status",
  "confluence.accounts.create",
  "confluence.accounts.delete",
  "confluence.accounts.list",
  "confluence.accounts.sync",
  "confluence.accounts.update",
  "jira.accounts.create",
  "jira.accounts.delete",
  "jira.accounts.list",
  "jira.accounts.sync",
  "jira.accounts.update",
  "jobs.cancel",
  "jobs.create",
  "jobs.get",
  "jobs.list",
  "jobs.log.list",
  "jobs.queue.get",
  "jobs.queue.pause",
  "jobs.queue.resume",
  "jobs.retry",
] as const satisfies readonly RequestName[];

/** Whether a request may be made, or a sentence that says why not. */
export type Verdict = boolean | string;

/** Returns whether a frame may make a request; a promise if the user is asked first. */
export type Authorize = (
  frame: WebFrameMain,
  method: string,
  params: Readonly<Record<string, unknown>>,
) => Verdict | Promise<Verdict>;

const MAX_DEPTH = 20;
/** The methods whose params have the type and the payload of a job. */
const MAKES_JOBS = ["jobs.create", "jobs.schedules.create", "jobs.schedules.update"];

/**
 * The default: a page may not switch off Claude's permission prompts nor allow tools without one, trust a folder or what
 * others write, choose where files are written, send Claude files by their paths, read a local file as a calendar, or
 * import tokens of a sign-in that it did not make.  Exports of pages go to the folder `exports` in the data folder.
 */
export function authorizePage(
  _frame: WebFrameMain,
  method: string,
  params: Readonly<Record<string, unknown>>,
): Verdict {
  if (trustsFolder(method, params)) return "A page may not trust a folder: let the main process ask the user.";
  if (method === "claude.sources.trust")
    return "A page may not trust what others write: let the main process ask the user.";
  if (setsMode(params, "bypassPermissions", MAX_DEPTH)) return "A page may not switch off Claude's permission prompts.";
  const { payload } = params as { payload?: unknown };
  if (allowsTools(params) || allowsTools(payload)) return "A page may not allow tools that Claude then uses unasked.";
  if (MAKES_JOBS.includes(method) && isRecord(payload) && (payload["path"] ?? null) !== null)
    return "A page may not choose where a file is written: leave out `path` to write it to the exports folder.";
  const { content } = params as { content?: unknown };
  if (Array.isArray(content) && content.some((part) => isRecord(part) && (part["path"] ?? null) !== null))
    return "A page may not choose a file to read: send its content as `data`, or let the main process send the path.";
  const { credentials } = params as { credentials?: unknown };
  if (isRecord(credentials) && ("refresh_token" in credentials || "access_token" in credentials))
    return "A page may not import tokens: use signIn.";
  if (isRecord(credentials) && isPath(credentials["address"]))
    return "A page may not choose a file to read: let the main process connect the calendar file.";
  return true;
}

/**
 * Returns whether a request lets the hooks, MCP servers and settings of a folder run from now on.
 *
 * An app that allows this to its pages asks the user in the main process, where a page cannot answer for the user:
 * `authorize` may return a promise.
 */
export function trustsFolder(method: string, params: Readonly<Record<string, unknown>>): boolean {
  return method === "claude.trust.add" || (method.startsWith("claude.") && (params["trust"] ?? false) !== false);
}

function allowsTools(settings: unknown): boolean {
  const tools = isRecord(settings) ? (settings["allowed_tools"] ?? []) : [];
  return !Array.isArray(tools) || tools.length > 0;
}

/** Returns whether the address of a calendar is a local file, as the sidecar reads it: what is no URL is a path. */
function isPath(address: unknown): boolean {
  return typeof address === "string" && (!address.includes("://") || /^\s*file:/i.test(address));
}

/**
 * Returns the method that a window must have besides the one it calls: a job of Claude can be made by `jobs.create` and
 * by a schedule, too, and a window without Claude's methods must not start it that way.
 */
export function alsoNeeded(method: string, params: Readonly<Record<string, unknown>>): RequestName | null {
  if (!MAKES_JOBS.includes(method)) return null;
  const { type, payload } = params as { type?: unknown; payload?: unknown };
  // Only the sidecar knows the type of the schedule whose payload is changed.
  if (method === "jobs.schedules.update" && (type ?? null) === null && (payload ?? null) !== null)
    return "claude.spawn";
  if (type === "claude.export") return "claude.sessions.export";
  return typeof type === "string" && type.startsWith("claude.") ? "claude.spawn" : null;
}

/** Returns whether a member that sets a permission mode has this value, at any depth. */
function setsMode(value: unknown, mode: string, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (depth === 0) return true; // deeper than any params of the contract
  return Object.entries(value).some(
    ([name, member]) =>
      (member === mode && (name === "permission_mode" || name === "mode")) || setsMode(member, mode, depth - 1),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
