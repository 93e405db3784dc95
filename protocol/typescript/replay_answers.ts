// What is sent for a recorded response or notification: its patterns, ids and times in the client's terms.
import type { Message, RecordedNotification, RecordedRequest } from "./recording.ts";
import { factsAbout, isObject, NO_FACTS } from "./replay_facts.ts";
import type { Facts, JsonObject } from "./replay_facts.ts";
import { exampleOf, LIKE, patternOf } from "./replay_patterns.ts";
import type { DateShift } from "./replay_times.ts";

/** The client's values for the patterns of a request, by the patterns as JSON. */
export type PatternValues = ReadonlyMap<string, unknown>;
const NO_PATTERNS: PatternValues = new Map();

/** Fills in the messages of one recording, and remembers which values of the client replace recorded ones. */
export class Answers {
  readonly #shift: DateShift | null;
  /** The client's ids by the recorded ones. */
  readonly #ids = new Map<string, unknown>();
  /** The client's progress tokens by the recorded ones. */
  readonly #tokens = new Map<unknown, unknown>();

  constructor(shift: DateShift | null) {
    this.#shift = shift;
  }

  /** Remembers the client's ids; returns its values for the patterns of the request. */
  bind(recorded: RecordedRequest, params: JsonObject, bound: Array<[unknown, unknown]>): PatternValues {
    const [old, token] = [tokenOf(recorded.params), tokenOf(params)];
    if (old !== undefined && token !== undefined) this.#tokens.set(old, token);
    const patterns = new Map<string, unknown>();
    for (const [value, actual] of bound) {
      if (!isObject(value)) this.#ids.set(String(value), actual);
      else {
        patterns.set(JSON.stringify(value), actual);
        // Ids are replaced in all later messages, other values only in the response to their request.
        if (value["$any"] === "uuid" && typeof value[LIKE] === "string") this.#ids.set(value[LIKE], actual);
      }
    }
    return patterns;
  }

  response(method: string, message: Message, patterns: PatternValues): Message {
    if ("error" in message) return { ...message, error: this.#filled(message.error, NO_FACTS, patterns) };
    return { ...message, result: this.#filled(message.result, factsAbout("results", method), patterns) };
  }

  notification({ message }: RecordedNotification): Message {
    if (message.params === undefined) return message;
    const facts = factsAbout("x-notifications.params", message.method);
    const params = this.#filled(message.params, facts, NO_PATTERNS) as JsonObject;
    const isKnown = message.method === "$/progress" && this.#tokens.has(params["token"]);
    return { ...message, params: isKnown ? { ...params, token: this.#tokens.get(params["token"]) } : params };
  }

  #filled(value: unknown, facts: Facts, patterns: PatternValues): unknown {
    const filled = this.#withValues(value, patterns);
    return this.#shift === null ? filled : this.#shift.moved(filled, facts);
  }

  #withValues(value: unknown, patterns: PatternValues): unknown {
    if (Array.isArray(value)) return value.map((one) => this.#withValues(one, patterns));
    if (typeof value === "string") return this.#ids.get(value) ?? value;
    if (!isObject(value)) return value;
    if (patternOf(value) !== null) {
      const key = JSON.stringify(value);
      return patterns.has(key) ? patterns.get(key) : this.#withValues(exampleOf(value), NO_PATTERNS);
    }
    const members = Object.entries(value);
    return Object.fromEntries(members.map(([name, member]) => [name, this.#withValues(member, patterns)]));
  }
}

function tokenOf({ _meta }: JsonObject): unknown {
  return isObject(_meta) ? _meta["progress_token"] : undefined;
}
