// What a page may do with the methods that it may call, unless the app decides otherwise.
import type { WebFrameMain } from "electron";

/** Whether a request may be made, or a sentence that says why not. */
export type Verdict = boolean | string;

/** Returns whether a frame may make a request; a promise if the user is asked first. */
export type Authorize = (
  frame: WebFrameMain,
  method: string,
  params: Readonly<Record<string, unknown>>,
) => Verdict | Promise<Verdict>;

const MAX_DEPTH = 20;

/**
 * The default: a page may not switch off Claude's permission prompts, trust a folder or what others write, choose where
 * files are written, send Claude files by their paths, or import tokens of a sign-in that it did not make.  Exports of
 * pages go to the folder `exports` in the data folder.
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
  if (method === "jobs.create" && isRecord(payload) && (payload["path"] ?? null) !== null)
    return "A page may not choose where a file is written: leave out `path` to write it to the exports folder.";
  const { content } = params as { content?: unknown };
  if (Array.isArray(content) && content.some((part) => isRecord(part) && (part["path"] ?? null) !== null))
    return "A page may not choose a file to read: send its content as `data`, or let the main process send the path.";
  const { credentials } = params as { credentials?: unknown };
  if (isRecord(credentials) && ("refresh_token" in credentials || "access_token" in credentials))
    return "A page may not import tokens: use signIn.";
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
