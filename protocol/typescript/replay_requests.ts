// A client's lines, read and refused as the sidecar does it.
import type { Message } from "./recording.ts";
import { isObject } from "./replay_facts.ts";
import type { JsonObject } from "./replay_facts.ts";

const MAX_BATCH = 64;
const MAX_ID_CHARS = 128;
/** The length of the beginning of an invalid line that is searched for its id. */
const RECOVERY_CHARS = 4096;
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/gs;
const KINDS = { [-32700]: "parse_error", [-32600]: "invalid_request", [-32602]: "invalid_params" };

export interface Request {
  id: number | string;
  method: string;
  params: JsonObject;
}

/** A request, a notification, or the refusal of a message; null if there is nothing to do. */
export type ClientMessage = { request: Request } | { notification: string } | { refusal: Message } | null;

/** Returns a line's messages; an array is a batch. */
export function readLine(line: string): ClientMessage | ClientMessage[] {
  const text = line.replace(/^\uFEFF/, "");
  if (text.trim() === "") return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const recovered = recoverId(text.slice(0, RECOVERY_CHARS));
    return refusal(-32700, "The line is not JSON.", null, recovered === null ? {} : { recovered_id: recovered });
  }
  if (!Array.isArray(value)) return classified(value);
  if (value.length === 0 || value.length > MAX_BATCH)
    return refusal(-32600, `A batch must hold 1 to ${MAX_BATCH} messages.`);
  return value.map(classified);
}

function classified(message: unknown): ClientMessage {
  if (!isObject(message)) return refusal(-32600, "A message must be an object.");
  const { jsonrpc, method, params } = message;
  const id = isId(message["id"]) ? message["id"] : null;
  if (jsonrpc !== "2.0") return refusal(-32600, 'A message must carry "jsonrpc": "2.0".', id);
  if (typeof method !== "string") {
    const isResponse = (method ?? null) === null && ("result" in message || "error" in message);
    return isResponse ? null : refusal(-32600, "A request's method must be a string.", id);
  }
  if ("id" in message && id === null) return refusal(-32600, "An id must be an integer or a string.");
  if (Array.isArray(params)) return id === null ? null : refusal(-32602, "Params must be an object, by name.", id);
  if ((params ?? null) !== null && !isObject(params)) return refusal(-32600, "Params must be an object.", id);
  return id === null ? { notification: method } : { request: { id, method, params: (params ?? {}) as JsonObject } };
}

export function refusal(
  code: keyof typeof KINDS,
  message: string,
  id: unknown = null,
  more = {},
): { refusal: Message } {
  const data = { kind: KINDS[code], retryable: false, ...more };
  return { refusal: { jsonrpc: "2.0", id: id as Request["id"] | null, error: { code, message, data } } };
}

/** Returns the id of a message that is not JSON, null if there is none.  Everything before it must be well-formed. */
function recoverId(text: string): number | string | null {
  let [closing, position, key, end] = ["", 0, "", 0];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (text.slice(end, index).trim() !== "") return null;
    end = index + token.length;
    if (token === "{" || token === "[") closing += token === "{" ? "}" : "]";
    else if (token === "}" || token === "]") {
      if (!closing.endsWith(token)) return null;
      closing = closing.slice(0, -1);
    }
    if (closing === "") return null;
    if (closing !== "}" || token === "{" || token === "[") continue;
    const place = position % 4;
    position += 1;
    if (place === 0) key = token;
    else if (place === 2 && key === '"id"') return token.startsWith('"') || end < text.length ? idOf(token) : null;
    else if (place === 2 ? ":,".includes(token) : token !== (place === 1 ? ":" : ",")) return null;
  }
  return null;
}

function idOf(token: string): number | string | null {
  try {
    const value: unknown = JSON.parse(token);
    return isId(value) ? value : null;
  } catch {
    return null;
  }
}

function isId(value: unknown): value is number | string {
  return Number.isSafeInteger(value) || (typeof value === "string" && value.length <= MAX_ID_CHARS);
}
