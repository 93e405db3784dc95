// Which recorded request answers one of the client's: the rules in `sidecar/transcripts/README.md`.
//
// Each request has keys, so that many calls on a long recording stay fast: requests with the same key are the same.
import { factsAbout, isObject, mapped, NO_FACTS, normal, normalJson } from "./replay_facts.ts";
import type { Facts, JsonObject } from "./replay_facts.ts";
import { containsPattern, fits, patternOf } from "./replay_patterns.ts";
import type { RecordedRequest } from "./recording.ts";
import { HOUR_MS, instantMs } from "./replay_times.ts";

/** Methods matched by name only: the handshake contains the client's own version and process id. */
const ANY_PARAMS = new Set(["initialize"]);
/** The number of recorded requests of a method among which the nearest one is searched. */
const MAX_COMPARED = 1_000;

const ABSENT = Symbol("absent");
const LEFT_OUT = Symbol("left out");

/** How exactly two requests must be the same: equal times, times in the same hour, or any times. */
type Precision = "exact" | "hour" | "loose";
const PRECISIONS = ["exact", "hour", "loose"] as const;

/** What a comparison of two requests found. */
export interface Comparison {
  /** Paths and recorded values that make them two requests. */
  differences: Array<{ path: string; recorded: unknown }>;
  otherTimes: number;
  /** Recorded patterns and generated ids, each with the client's value. */
  bound: Array<[recorded: unknown, actual: unknown]>;
}

/** Compares params by what the contract declares about them. */
export class Matcher {
  readonly #ignored: ReadonlySet<string>;

  /** `ignored` are params that may differ: METHOD.param, or METHOD.param.member. */
  constructor(ignored: readonly string[]) {
    this.#ignored = new Set(ignored);
  }

  key(method: string, params: JsonObject, precision: Precision): string {
    return ANY_PARAMS.has(method) ? "" : JSON.stringify(this.#root(method, params, precision));
  }

  /** Returns whether recorded params contain patterns; declared secrets do not count. */
  hasPatterns(method: string, params: JsonObject): boolean {
    return !ANY_PARAMS.has(method) && containsPattern(this.#root(method, params, "exact"));
  }

  #root(method: string, params: JsonObject, precision: Precision): JsonObject {
    return this.#members(withoutMeta(params), factsAbout("params", method), method, precision);
  }

  #canonical(value: unknown, facts: Facts, path: string, precision: Precision): unknown {
    const kind = this.#kind(facts, path);
    if (kind === "ignored" || kind === "measured" || (kind === "generated" && precision === "loose")) return LEFT_OUT;
    if (kind === "secret") return value !== null;
    if (kind === "date-time" && typeof value === "string") return timeKey(value, precision);
    if (isObject(value)) return this.#members(value, facts, path, precision);
    if (!Array.isArray(value)) return normal(value);
    const items = value.map((one) => this.#canonical(one, facts.item(), path, precision));
    return items.map((one) => (one === LEFT_OUT ? null : one));
  }

  #members(value: JsonObject, facts: Facts, path: string, precision: Precision): JsonObject {
    const kept = mapped(value, (one, name) => {
      const declared = facts.declaredMember(name);
      if (isDefault(one, declared)) return LEFT_OUT;
      const member = this.#canonical(one, facts.member(value, name), `${path}.${name}`, precision);
      return declared.describedBy !== undefined && isEmpty(member) ? LEFT_OUT : member;
    });
    return Object.fromEntries(Object.entries(kept).filter(([, member]) => member !== LEFT_OUT));
  }

  #kind(facts: Facts, path: string): string | undefined {
    return this.#ignored.has(path) ? "ignored" : facts.kind;
  }

  /** Compares params that may contain patterns on the recorded side. */
  compare(method: string, recorded: JsonObject, actual: JsonObject): Comparison {
    const found: Comparison = { differences: [], otherTimes: 0, bound: [] };
    if (ANY_PARAMS.has(method)) return found;
    this.#compareMembers(withoutMeta(recorded), withoutMeta(actual), factsAbout("params", method), method, found);
    return found;
  }

  #compare(recorded: unknown, actual: unknown, facts: Facts, path: string, found: Comparison): void {
    const pattern = patternOf(recorded);
    if (pattern !== null) {
      this.#comparePattern(pattern, recorded as JsonObject, actual, path, found);
      return;
    }
    const kind = this.#kind(facts, path);
    const areTexts = typeof recorded === "string" && typeof actual === "string";
    if (kind === "ignored" || kind === "measured" || kind === "generated") {
      if (kind === "generated" && areTexts) found.bound.push([recorded, actual]);
    } else if (kind === "secret" && recorded !== ABSENT && actual !== ABSENT) {
      // Transcripts contain no secrets.
    } else if (kind === "date-time" && areTexts) {
      if (timeKey(recorded, "exact") !== timeKey(actual, "exact")) found.otherTimes += 1;
    } else if (isObject(recorded) && isObject(actual)) {
      this.#compareMembers(recorded, actual, facts, path, found);
    } else if (Array.isArray(recorded) && Array.isArray(actual) && recorded.length === actual.length) {
      recorded.forEach((one, index) => this.#compare(one, actual[index], facts.item(), `${path}.${index}`, found));
    } else if (recorded === ABSENT || actual === ABSENT || normalJson(recorded) !== normalJson(actual)) {
      found.differences.push({ path, recorded: recorded === ABSENT ? null : recorded });
    }
  }

  #compareMembers(recorded: JsonObject, actual: JsonObject, facts: Facts, path: string, found: Comparison): void {
    for (const name of new Set([...Object.keys(recorded), ...Object.keys(actual)])) {
      const declared = facts.declaredMember(name);
      const nothing = declared.describedBy === undefined ? ABSENT : {};
      const [one, other] = [recorded, actual].map((side) =>
        !Object.hasOwn(side, name) || isDefault(side[name], declared) ? nothing : side[name],
      );
      if (one === nothing && other === nothing) continue;
      const member = facts.member(Object.hasOwn(actual, name) ? actual : recorded, name);
      this.#compare(one, other, member, `${path}.${name}`, found);
    }
  }

  #comparePattern(kind: string, pattern: JsonObject, actual: unknown, path: string, found: Comparison): void {
    const wanted = pattern[kind];
    const isSame =
      kind === "$unordered"
        ? Array.isArray(wanted) && Array.isArray(actual) && this.#areUnordered(wanted, actual)
        : actual !== ABSENT && fits(kind, wanted, actual);
    if (!isSame) found.differences.push({ path, recorded: pattern });
    else if (kind !== "$secret") found.bound.push([pattern, actual]);
  }

  #areUnordered(wanted: unknown[], actual: unknown[]): boolean {
    const left = [...actual];
    for (const one of wanted) {
      const index = left.findIndex((other) => {
        const found: Comparison = { differences: [], otherTimes: 0, bound: [] };
        this.#compare(one, other, NO_FACTS, "", found);
        return found.differences.length === 0;
      });
      if (index < 0) return false;
      left.splice(index, 1);
    }
    return left.length === 0;
  }
}

/** Requests that are the same, in the recorded order. */
class Queue {
  readonly requests: RecordedRequest[] = [];
  #next = 0;

  /** Returns the first one that has answered no request, or nothing. */
  unused(): RecordedRequest | undefined {
    while (this.requests[this.#next]?.isUsed) this.#next += 1;
    return this.requests[this.#next];
  }
}

/** The recorded requests of one method, by their keys. */
class MethodIndex {
  readonly #method: string;
  readonly #matcher: Matcher;
  readonly #byKey: Record<Precision, Map<string, Queue>> = { exact: new Map(), hour: new Map(), loose: new Map() };
  /** Requests with patterns, by their params as they are written. */
  readonly #withPatterns = new Map<string, Queue>();

  constructor(method: string, requests: readonly RecordedRequest[], matcher: Matcher) {
    this.#method = method;
    this.#matcher = matcher;
    for (const request of requests) {
      if (matcher.hasPatterns(method, request.params)) {
        add(this.#withPatterns, JSON.stringify(request.params), request);
        continue;
      }
      for (const precision of PRECISIONS) {
        add(this.#byKey[precision], matcher.key(method, request.params, precision), request);
      }
    }
  }

  /** Returns the recorded request that answers. */
  best(params: JsonObject): RecordedRequest | undefined {
    const exact = this.#queue(params, "exact")?.unused();
    if (exact !== undefined) return exact;
    const [near, patterned] = [this.#queue(params, "hour"), this.#fittingPattern(params)];
    const found = near?.unused() ?? patterned?.unused() ?? near?.requests.at(-1) ?? patterned?.requests.at(-1);
    if (found !== undefined) return found;
    const loose = this.#queue(params, "loose");
    return loose?.unused() ?? loose?.requests.at(-1);
  }

  /** Returns the requests that are the same except for their times. */
  different(): Queue[] {
    return [...this.#byKey.loose.values(), ...this.#withPatterns.values()];
  }

  #queue(params: JsonObject, precision: Precision): Queue | undefined {
    return this.#byKey[precision].get(this.#matcher.key(this.#method, params, precision));
  }

  #fittingPattern(params: JsonObject): Queue | undefined {
    return [...this.#withPatterns.values()].find(
      ({ requests: [first] }) =>
        first !== undefined && this.#matcher.compare(this.#method, first.params, params).differences.length === 0,
    );
  }
}

/** The requests of one recording. */
export class RequestIndex {
  readonly matcher: Matcher;
  readonly #requests = new Map<string, RecordedRequest[]>();
  readonly #methods = new Map<string, MethodIndex>();

  constructor(requests: readonly RecordedRequest[], matcher: Matcher) {
    this.matcher = matcher;
    for (const request of requests) {
      const same = this.#requests.get(request.method);
      if (same === undefined) this.#requests.set(request.method, [request]);
      else same.push(request);
    }
  }

  has(method: string): boolean {
    return this.#requests.has(method);
  }

  /** Returns the recorded request that answers this one, and marks it as used. */
  match(method: string, params: JsonObject): RecordedRequest | undefined {
    const found = this.#index(method)?.best(params);
    if (found !== undefined) found.isUsed = true;
    return found;
  }

  /** Returns the request of this method whose params differ least, and how. */
  nearest(method: string, params: JsonObject): { request: RecordedRequest; comparison: Comparison } | undefined {
    const compared = (this.#index(method)?.different() ?? [])
      .slice(0, MAX_COMPARED)
      .flatMap(({ requests: [request] }) => request ?? [])
      .map((request) => ({ request, comparison: this.matcher.compare(method, request.params, params) }));
    const [first, ...others] = compared;
    return others.reduce((best, one) => (isNearer(one?.comparison, best?.comparison) ? one : best), first);
  }

  /** Returns one recorded request of each kind that the client has not made. */
  neverMade(): RecordedRequest[] {
    return [...this.#requests.keys()]
      .flatMap((method) => this.#index(method)?.different() ?? [])
      .flatMap(({ requests }) => (requests.some(({ isUsed }) => isUsed) ? [] : requests.slice(0, 1)));
  }

  #index(method: string): MethodIndex | undefined {
    const requests = this.#requests.get(method);
    if (requests === undefined) return undefined;
    const index = this.#methods.get(method) ?? new MethodIndex(method, requests, this.matcher);
    this.#methods.set(method, index);
    return index;
  }
}

function isNearer(one?: Comparison, other?: Comparison): boolean {
  if (one === undefined || other === undefined) return false;
  const more = one.differences.length - other.differences.length;
  return more < 0 || (more === 0 && one.otherTimes < other.otherTimes);
}

function add(queues: Map<string, Queue>, key: string, request: RecordedRequest): void {
  const queue = queues.get(key) ?? new Queue();
  queues.set(key, queue);
  queue.requests.push(request);
}

function withoutMeta({ _meta, ...params }: JsonObject): JsonObject {
  void _meta;
  return params;
}

function isDefault(value: unknown, declared: Facts): boolean {
  return declared.default !== undefined && declared.default === normalJson(value);
}

function isEmpty(value: unknown): boolean {
  return isObject(value) && Object.keys(value).length === 0;
}

function timeKey(text: string, precision: Precision): unknown {
  if (precision === "loose") return true;
  const instant = instantMs(text);
  if (instant === null) return text;
  return precision === "exact" ? instant : Math.floor(instant / HOUR_MS);
}
