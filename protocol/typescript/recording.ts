// The requests, responses and notifications of one run of a sidecar, read from a transcript.

/** The code of the error `not_recorded`, which no sidecar sends. */
export const NOT_RECORDED = 4990;
const MAX_DETAILS = 10;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

const PATTERNS = { $any: 1, $re: 1, $unordered: 1, $secret: 1 };
const EXAMPLES: Record<string, unknown> = {
  uuid: "01a00000-0000-7000-8000-000000000000",
  "date-time": "2026-11-23T08:00:00.000Z",
  string: "",
  cursor: "",
  object: {},
  array: [],
  number: 0,
  integer: 0,
  boolean: false,
};

export interface Message {
  jsonrpc?: string;
  id?: number | string | null;
  method?: string;
  params?: Record<string, unknown>;
  result?: unknown;
  error?: unknown;
}

/** A line of a transcript. */
interface Line {
  transcript?: number;
  t?: number;
  dir?: "c2s" | "s2c";
  msg?: Message | Message[];
  eof?: boolean;
}

interface RecordedNotification {
  t: number;
  message: Message;
}

export interface RecordedRequest {
  t: number;
  line: number;
  method: string;
  params: Record<string, unknown>;
  segment: number;
  isUsed: boolean;
  response: Message | null;
  respondedAt: number;
  /** The segment of the response, and the number of notifications before it in that segment. */
  respondedIn: number;
  notificationsBefore: number;
}

/**
 * One run of a sidecar in a transcript.
 *
 * A segment contains the notifications between two lines from the client; the first one those before the first line.
 */
export class Recording {
  readonly segments: RecordedNotification[][] = [[]];
  readonly #requests: RecordedRequest[] = [];
  #hasEnded = false;

  constructor(text: string, run: number) {
    let runs = 0;
    const pending = new Map<unknown, RecordedRequest>();
    for (const [index, content] of text.split("\n").entries()) {
      const line = parseLine(content, index + 1, runs > 0);
      if (line?.transcript !== undefined) {
        if (line.transcript !== 1)
          throw new Error(`line ${index + 1}: transcript version ${line.transcript} is not supported`);
        runs += 1;
        pending.clear();
      } else if (line !== null && runs === run) {
        this.#addLine(line, index + 1, pending);
      }
    }
    if (runs === 0) throw new Error('A transcript begins with a line {"transcript":1,…}.');
    if (runs < run) throw new Error(`There is no run ${run}: the transcript has ${runs}.`);
  }

  #addLine({ t = 0, dir, msg, eof }: Line, line: number, pending: Map<unknown, RecordedRequest>): void {
    if (eof !== undefined) this.#hasEnded = true; // notifications during the shutdown are not replayed
    if (this.#hasEnded) return;
    if (dir === "c2s") this.segments.push([]);
    const segment = this.segments.length - 1;
    const notifications = this.segments[segment] ?? [];
    for (const message of Array.isArray(msg) ? msg : msg === undefined ? [] : [msg]) {
      const { id, method, params = {} } = message;
      const place = { respondedAt: t, respondedIn: segment, notificationsBefore: notifications.length };
      if (dir === "s2c" && method !== undefined) {
        notifications.push({ t, message: exampleOf(message) as Message });
      } else if (dir === "s2c") {
        const request = pending.get(id);
        pending.delete(id);
        if (request !== undefined) Object.assign(request, { response: exampleOf(message), ...place });
      } else if (method !== undefined && id !== undefined) {
        const request = { t, line, method, params, segment, isUsed: false, response: null, ...place };
        pending.set(id, request);
        this.#requests.push(request);
      }
    }
  }

  /** Returns whether the method was called. */
  has(method: string): boolean {
    return this.#requests.some((request) => request.method === method);
  }

  /** Returns the first matching request that was not used yet, or the last matching one, or null. */
  match(method: string, params: Record<string, unknown>): RecordedRequest | null {
    const same = this.#requests.filter((request) => request.method === method);
    // A handshake always matches: its params contain the client's version and process id.
    const isExact = (request: RecordedRequest): boolean =>
      method === "initialize" || differingPaths(request.params, params).length === 0;
    const exact = same.filter(isExact);
    const matching =
      exact.length > 0 ? exact : same.filter((request) => isSimilar(withoutMeta(request.params), withoutMeta(params)));
    const found = matching.find(({ isUsed }) => !isUsed) ?? matching.at(-1) ?? null;
    if (found !== null) found.isUsed = true;
    return found;
  }

  /** Returns the error for a request that was not recorded; it names the most similar one. */
  explain(method: string, params: Record<string, unknown>): object {
    const nearest = this.#requests
      .filter((request) => request.method === method)
      .map(({ line, params: recorded }) => ({ line, paths: differingPaths(recorded, params) }))
      .sort((one, other) => one.paths.length - other.paths.length)[0];
    const data = { kind: "not_recorded", retryable: false };
    if (nearest === undefined) return { code: NOT_RECORDED, message: `The transcript has no ${method}.`, data };
    const details = nearest.paths
      .slice(0, MAX_DETAILS)
      .map((path) => ({ path, message: "recorded with another value" }));
    const message = `The transcript has no ${method} with these params. The most similar is in line ${nearest.line}.`;
    return { code: NOT_RECORDED, message, data: { ...data, details } };
  }
}

/** Replaces the patterns of `sidecar verify` in a value by matching examples. */
function exampleOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(exampleOf);
  if (!isObject(value)) return value;
  const [name = "", ...others] = Object.keys(value).filter((key) => key !== "$like");
  if (others.length === 0 && name in PATTERNS) {
    if ("$like" in value) return value["$like"];
    return name === "$any" ? (EXAMPLES[String(value[name])] ?? null) : exampleOf(value[name]);
  }
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, exampleOf(member)]));
}

function parseLine(text: string, line: number, hasHeader: boolean): Line | null {
  if (text.trim() === "") return null;
  try {
    return JSON.parse(text) as Line;
  } catch {
    if (hasHeader) return null; // the incomplete last line of a crashed process
    throw new Error(`line ${line} is not JSON`);
  }
}

export function tokenOf(params: Record<string, unknown> | undefined): unknown {
  const meta = params?.["_meta"];
  return isObject(meta) ? meta["progress_token"] : undefined;
}

function withoutMeta({ _meta, ...params }: Record<string, unknown>): Record<string, unknown> {
  void _meta;
  return params;
}

/** Returns the paths at which two values differ. */
function differingPaths(recorded: unknown, actual: unknown, path = "params"): string[] {
  if (isObject(recorded) && isObject(actual)) {
    const names = new Set([...Object.keys(recorded), ...Object.keys(actual)]);
    names.delete("_meta");
    return [...names].flatMap((name) => differingPaths(recorded[name], actual[name], `${path}.${name}`));
  }
  return JSON.stringify(recorded) === JSON.stringify(actual) ? [] : [path];
}

/** Returns whether two values are equal except for times and for secrets, which transcripts do not contain. */
function isSimilar(recorded: unknown, actual: unknown): boolean {
  if (isObject(recorded) && "$secret" in recorded) return true;
  if (isObject(recorded) && isObject(actual)) {
    const names = new Set([...Object.keys(recorded), ...Object.keys(actual)]);
    return [...names].every((name) => isSimilar(recorded[name], actual[name]));
  }
  if (typeof recorded === "string" && typeof actual === "string" && TIME.test(recorded)) return TIME.test(actual);
  return (recorded ?? null) === (actual ?? null) || JSON.stringify(recorded) === JSON.stringify(actual);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
