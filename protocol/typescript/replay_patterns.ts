// Patterns: placeholders that a person puts into a transcript for values that may vary.  See
// `sidecar/transcripts/file/patterns.py`.
import { isObject } from "./replay_facts.ts";
import type { JsonObject } from "./replay_facts.ts";

const KINDS = ["$any", "$re", "$unordered", "$secret"];
export const LIKE = "$like";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:?\d\d:?\d\d(?:\.?\d{3,6})?Z$/;
const FITS: Record<string, (value: unknown) => boolean> = {
  uuid: (value) => typeof value === "string" && UUID.test(value),
  "date-time": (value) => typeof value === "string" && DATE_TIME.test(value),
  string: (value) => typeof value === "string",
  cursor: (value) => typeof value === "string",
  object: isObject,
  array: Array.isArray,
  number: (value) => typeof value === "number",
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  anything: () => true,
};
/** Values for `$any` without `$like`; an empty text for every other kind. */
const EXAMPLES: JsonObject = {
  uuid: "01a00000-0000-7000-8000-000000000000",
  "date-time": "2026-11-23T08:00:00.000Z",
  object: {},
  array: [],
  number: 0,
  integer: 0,
  boolean: false,
  null: null,
  anything: null,
};

/** Returns the kind of a pattern, `$any` for example; null if the value is not a pattern. */
export function patternOf(value: unknown): string | null {
  if (!isObject(value)) return null;
  const names = Object.keys(value);
  const kinds = names.filter((name) => KINDS.includes(name));
  return kinds.length === 1 && names.every((name) => name === LIKE || name === kinds[0]) ? (kinds[0] ?? null) : null;
}

export function containsPattern(value: unknown): boolean {
  if (patternOf(value) !== null) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(containsPattern);
}

/** Returns what is wrong with the first pattern in a message that cannot be used; null if all can. */
export function wrongPattern(value: unknown): string | null {
  const kind = patternOf(value);
  if (isObject(value) && kind === "$any" && !Object.hasOwn(FITS, String(value[kind])))
    return `$any has no kind ${String(value[kind])}; it has ${Object.keys(FITS).join(", ")}`;
  if (isObject(value) && kind === "$re") {
    try {
      expression(String(value[kind]));
    } catch {
      return `$re ${JSON.stringify(value[kind])} is not a regular expression`;
    }
  }
  if (typeof value !== "object" || value === null) return null;
  for (const one of Object.values(value)) {
    const problem = wrongPattern(one);
    if (problem !== null) return problem;
  }
  return null;
}

/** Returns whether a value fits `{[kind]: wanted}`, which is not `$unordered`. */
export function fits(kind: string, wanted: unknown, value: unknown): boolean {
  if (kind === "$re") return typeof value === "string" && expression(String(wanted)).test(value);
  return kind === "$secret" || (Object.hasOwn(FITS, String(wanted)) && FITS[String(wanted)]!(value));
}

function expression(text: string): RegExp {
  return new RegExp(`^(?:${text.replaceAll("(?P<", "(?<")})$`, "s");
}

/** Returns a value with each pattern replaced by something that matches it. */
export function exampleOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(exampleOf);
  if (!isObject(value)) return value;
  const kind = patternOf(value);
  if (kind === null) return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, exampleOf(one)]));
  if (LIKE in value) return value[LIKE];
  if (kind !== "$any") return exampleOf(value[kind]);
  const name = String(value[kind]);
  return Object.hasOwn(EXAMPLES, name) ? EXAMPLES[name] : "";
}
