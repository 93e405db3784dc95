// What the contract declares about a value in a message, as the replay needs it; each fact is looked up once.
import { VALUE_SCHEMAS } from "./value_schemas.ts";
import type { ValueSchema } from "./value_schemas.ts";

export type JsonObject = Record<string, unknown>;

/** The schema of a value that the contract does not describe. */
const UNDECLARED: ValueSchema = {};

/** The facts about one value, and about its members and items. */
export class Facts {
  readonly #choices: ValueSchema[];
  readonly #members = new Map<string, Facts>();
  readonly #described = new Map<string, Facts>();
  #item: Facts | undefined;
  readonly isDeclared: boolean;
  /** `secret`, or the declared format. */
  readonly kind: string | undefined;
  readonly isTime: boolean;
  /** The default as JSON, or undefined if there is none. */
  readonly default: string | undefined;
  /** The list of the contract that describes the value, the sibling that names its entry, and the entry's part. */
  readonly describedBy: string[] | undefined;

  constructor(schema: ValueSchema = UNDECLARED) {
    this.#choices = choicesOf(schema);
    this.isDeclared = schema !== UNDECLARED;
    this.kind = schema["x-secret"] ? "secret" : this.#choices.find(({ format }) => format !== undefined)?.format;
    this.isTime = this.#choices.some((one) => one["x-time"] === true || one.format === "date-time");
    this.default = "default" in schema ? normalJson(schema.default) : undefined;
    this.describedBy = this.#choices.find((one) => one["x-described-by"])?.["x-described-by"];
  }

  /** Returns what the value's own schema says about a member, for example its default. */
  declaredMember(name: string): Facts {
    let member = this.#members.get(name);
    if (member === undefined) this.#members.set(name, (member = new Facts(this.#memberSchema(name))));
    return member;
  }

  /** Returns the facts about a member; those of a job's payload depend on the job type beside it. */
  member(value: JsonObject, name: string): Facts {
    const declared = this.declaredMember(name);
    const by = declared.describedBy?.[1];
    return by === undefined ? declared : declared.#forName(value[by]);
  }

  item(): Facts {
    return (this.#item ??= new Facts(this.#choices.find(({ items }) => items !== undefined)?.items));
  }

  #memberSchema(name: string): ValueSchema | undefined {
    for (const { properties, additionalProperties } of this.#choices) {
      if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name];
      if (additionalProperties !== undefined) return additionalProperties;
    }
    return undefined;
  }

  #forName(name: unknown): Facts {
    const key = typeof name === "string" ? name : "";
    let facts = this.#described.get(key);
    if (facts === undefined) {
      const [list, , part] = this.describedBy ?? [];
      this.#described.set(key, (facts = new Facts(named(`${list}.${part}`, key))));
    }
    return facts;
  }
}

const known = new Map<string, Facts>();
/** The facts about a value that the contract does not describe. */
export const NO_FACTS = new Facts();

/** Returns the facts about a method's params or result, or about a notification's params. */
export function factsAbout(group: "params" | "results" | "x-notifications.params", name: string): Facts {
  const schema = named(group, name);
  if (schema === undefined) return NO_FACTS;
  const key = `${group} ${name}`;
  const facts = known.get(key) ?? new Facts(schema);
  known.set(key, facts);
  return facts;
}

/** Returns whether the contract has this method. */
export function isMethod(name: string): boolean {
  return named("results", name) !== undefined;
}

function named(group: string, name: string): ValueSchema | undefined {
  const schemas = VALUE_SCHEMAS[group] ?? {};
  return Object.hasOwn(schemas, name) ? schemas[name] : undefined;
}

function choicesOf(schema: ValueSchema): ValueSchema[] {
  const { $ref, ...own } = schema;
  const resolved = $ref === undefined ? schema : { ...VALUE_SCHEMAS["schemas"]?.[$ref], ...own };
  if (resolved.$ref !== undefined) return choicesOf(resolved);
  return resolved.anyOf === undefined ? [resolved] : resolved.anyOf.flatMap(choicesOf);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the members of an object in the order of their names, each changed. */
export function mapped(value: JsonObject, change: (member: unknown, name: string) => unknown): JsonObject {
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, change(value[name], name)]));
}

/** Returns a value as JSON, without the order of its members. */
export function normalJson(value: unknown): string {
  return JSON.stringify(normal(value));
}

export function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  return isObject(value) ? mapped(value, normal) : value;
}
