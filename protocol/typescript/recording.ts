// One recorded run of a sidecar, read from a transcript: its requests, responses and notifications, and their places.
import { isObject } from "./replay_facts.ts";
import type { JsonObject } from "./replay_facts.ts";
import { wrongPattern } from "./replay_patterns.ts";

/** An entry has one of these. */
const CONTENTS = ["msg", "raw", "eof", "exit"];

export interface Message {
  jsonrpc?: string;
  id?: number | string | null;
  method?: string;
  params?: JsonObject;
  result?: unknown;
  error?: unknown;
}

export interface RecordedNotification {
  t: number;
  segment: number;
  message: Message & { method: string };
}

/** A response; `position` counts the notifications before it. */
export interface RecordedResponse {
  t: number;
  position: number;
  message: Message;
}

/** A request; `position` counts the notifications before it. */
export interface RecordedRequest {
  t: number;
  line: number;
  method: string;
  params: JsonObject;
  segment: number;
  position: number;
  isUsed: boolean;
  response: RecordedResponse | null;
}

/**
 * One run.  A segment is one line from the client and what follows up to its next line; segment 0 is what comes before
 * the first.
 */
export class Recording {
  readonly requests: RecordedRequest[] = [];
  readonly notifications: RecordedNotification[] = [];
  /** The first line of the run. */
  readonly header: JsonObject;
  readonly #unanswered = new Map<unknown, RecordedRequest>();
  /** Whether a segment begins with a request, by its number. */
  readonly #hasRequest = [false];
  #eofSegment = Infinity;

  /** Throws if the text is not a transcript, naming the line, or has no such run. */
  constructor(text: string, run: number) {
    let [runs, incomplete] = [0, 0];
    let header: JsonObject | undefined;
    for (const [index, content] of text
      .replace(/^\uFEFF/, "")
      .split("\n")
      .entries()) {
      const line = index + 1;
      const entry = parsed(content);
      if (entry === undefined) {
        if (content.trim() !== "" && runs === 0) throw new Error(`line ${line}: not JSON`);
        if (content.trim() !== "") incomplete ||= line;
      } else if (isObject(entry) && "transcript" in entry) {
        if (entry["transcript"] !== 1)
          throw new Error(`line ${line}: transcript version ${String(entry["transcript"])}; this program reads 1`);
        if (header !== undefined) break;
        [runs, incomplete] = [runs + 1, 0];
        if (runs === run) header = entry;
      } else {
        if (runs === 0) throw new Error(`line ${line}: A transcript begins with a line {"transcript":1,…}`);
        if (incomplete > 0) throw new Error(`line ${incomplete}: not JSON`);
        const problem = content.includes('"$') ? wrongPattern(entry) : null;
        if (problem !== null) throw new Error(`line ${line}: ${problem}`);
        this.#add(entry, line, header !== undefined);
      }
    }
    if (runs === 0) throw new Error("The transcript is empty.");
    if (header === undefined) throw new Error(`There is no run ${run}: the transcript has ${runs}.`);
    this.header = header;
  }

  /** Returns the first segment after this one that begins with a request, or the number of segments. */
  nextWithRequest(segment: number): number {
    const next = this.#hasRequest.indexOf(true, segment + 1);
    return next < 0 ? this.#hasRequest.length : next;
  }

  isAfterEof(segment: number): boolean {
    return this.#eofSegment <= segment;
  }

  #add(entry: unknown, line: number, isOfRun: boolean): void {
    if (!isObject(entry) || !("t" in entry) || Number.isNaN(Number(entry["t"])) || !hasContent(entry))
      throw new Error(
        `line ${line}: neither a header nor an entry with \`t\`, \`dir\` and one of ${CONTENTS.join(", ")}`,
      );
    if (!isOfRun) return;
    const [t, message] = [Number(entry["t"]), entry["msg"]];
    const messages: unknown[] = Array.isArray(message) ? message : [message];
    if (entry["dir"] === "c2s") {
      if ("eof" in entry) this.#eofSegment = Math.min(this.#eofSegment, this.#hasRequest.length);
      const requests = messages.filter(isRequest);
      for (const { id, method, params } of requests) this.#addRequest(id, { t, line, method, params: params ?? {} });
      this.#hasRequest.push(requests.length > 0);
    } else if (isObject(message) && typeof message["method"] === "string") {
      const segment = this.#hasRequest.length - 1;
      this.notifications.push({ t, segment, message: { ...message, method: message["method"] } });
    } else {
      for (const one of messages) if (isObject(one)) this.#addResponse(t, one);
    }
  }

  #addRequest(id: unknown, facts: Pick<RecordedRequest, "t" | "line" | "method" | "params">): void {
    const place = { segment: this.#hasRequest.length, position: this.notifications.length };
    const request = { ...facts, ...place, isUsed: false, response: null };
    this.#unanswered.set(id, request);
    this.requests.push(request);
  }

  #addResponse(t: number, message: Message): void {
    const request = this.#unanswered.get(message.id);
    this.#unanswered.delete(message.id);
    if (request !== undefined) request.response = { t, position: this.notifications.length, message };
  }
}

/** Returns whether an entry has exactly one content, in a form that its side sends. */
function hasContent(entry: JsonObject): boolean {
  const [name, ...more] = CONTENTS.filter((one) => one in entry);
  const { dir, msg, raw, eof, exit } = entry;
  if (more.length > 0 || (dir !== "c2s" && dir !== "s2c")) return false;
  if (name === "msg")
    return dir === "c2s" || (Array.isArray(msg) ? msg.length > 0 && msg.every(isObject) : isObject(msg));
  if (name === "exit") return dir === "s2c" && Number.isInteger(exit);
  return dir === "c2s" && (name === "raw" ? typeof raw === "string" : eof === true);
}

/** Returns whether the sidecar accepts a message as a request; all others are refused again. */
function isRequest(message: unknown): message is Message & { method: string } {
  if (!isObject(message) || typeof message["method"] !== "string") return false;
  const { id, params = null } = message;
  return (typeof id === "string" || Number.isInteger(id)) && (params === null || isObject(params));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
