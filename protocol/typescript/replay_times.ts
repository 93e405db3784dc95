// Times in messages: reading them, and moving them by whole days so that a recording of another day shows today.
import { isObject } from "./replay_facts.ts";
import type { Facts } from "./replay_facts.ts";

const TIME = /^(\d{4})-(\d\d)-(\d\d)(?:([Tt ])(\d\d):(\d\d)(?::(\d\d)(?:([.,])(\d+))?)?(Z|z|[+-]\d\d:?\d\d)?)?$/;
/** Names of undeclared members whose values are no times, whatever they look like. */
const OWN_NAME = /(^|_)(id|key|hash|sha|digest|cursor|version)$|Id$|Key$/;
const MINUTE_S = 60;
const DAY_S = 86_400;
export const HOUR_MS = 3_600_000;

/** A date, or a date and time: its wall time in seconds since 1970 and its offset in seconds, if it has one. */
interface Moment {
  wall: number;
  offset: number | undefined;
  parts: RegExpExecArray;
}

function read(text: string): Moment | null {
  const parts = TIME.exec(text);
  if (parts === null) return null;
  const [year, month, day, hour, minute, second] = [1, 2, 3, 5, 6, 7].map((group) => Number(parts[group] ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  if (!isReal || year < 1 || minute > 59 || second > 59) return null;
  return { wall: date.getTime() / 1000, offset: offsetOf(parts[10]), parts };
}

function offsetOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === "Z" || text === "z") return 0;
  const size = (Number(text.slice(1, 3)) * 60 + Number(text.slice(-2))) * MINUTE_S;
  return text.startsWith("-") ? -size : size;
}

/** Returns the milliseconds since 1970, in UTC if the text has no offset; null if it is neither date nor time. */
export function instantMs(text: string): number | null {
  const moment = read(text);
  if (moment === null) return null;
  const fraction = Number(((moment.parts[9] ?? "") + "000").slice(0, 3));
  return (moment.wall - (moment.offset ?? 0)) * 1000 + fraction;
}

/** A time zone: the offset from UTC at each moment. */
export class Zone {
  readonly #format: Intl.DateTimeFormat;

  /** `name` is an IANA name; undefined is this computer's zone.  An unknown name is UTC. */
  constructor(name?: string) {
    const options: Intl.DateTimeFormatOptions = { hourCycle: "h23", era: "short" };
    for (const part of ["year", "month", "day", "hour", "minute", "second"] as const) options[part] = "numeric";
    try {
      this.#format = new Intl.DateTimeFormat("en-US", {
        ...options,
        ...(name === undefined ? {} : { timeZone: name }),
      });
    } catch {
      this.#format = new Intl.DateTimeFormat("en-US", { ...options, timeZone: "UTC" });
    }
  }

  /** Returns the offset in seconds at a moment in seconds since 1970. */
  offsetAt(seconds: number): number {
    const parts = Object.fromEntries(
      this.#format.formatToParts(seconds * 1000).map(({ type, value }) => [type, Number(value)]),
    ) as Record<string, number>;
    const date = new Date(0);
    date.setUTCFullYear(parts["year"]!, parts["month"]! - 1, parts["day"]);
    date.setUTCHours(parts["hour"]!, parts["minute"], parts["second"]);
    return date.getTime() / 1000 - seconds;
  }

  /** Returns the number of the local day of a moment in milliseconds since 1970. */
  dayOf(ms: number): number {
    const seconds = Math.floor(ms / 1000);
    return Math.floor((seconds + this.offsetAt(seconds)) / DAY_S);
  }
}

/** Moves times by whole days of one time zone.  The wall time stays, also across a change of the clocks. */
export class DateShift {
  readonly #days: number;
  readonly #zone: Zone;

  constructor(days: number, zone: Zone) {
    this.#days = days;
    this.#zone = zone;
  }

  /** Returns a value with all its times moved; `name` is that of the member. */
  moved(value: unknown, facts: Facts, name = ""): unknown {
    if (Array.isArray(value)) return value.map((one) => this.moved(one, facts.item(), name));
    if (isObject(value)) {
      return Object.fromEntries(
        Object.entries(value).map(([key, one]) => [key, this.moved(one, facts.member(value, key), key)]),
      );
    }
    if (!(facts.isDeclared ? facts.isTime : !OWN_NAME.test(name))) return value;
    if (typeof value === "string") return this.#movedText(value);
    return Number.isInteger(value) && facts.isDeclared ? this.#movedSeconds(value as number) : value;
  }

  #movedText(text: string): string {
    const moment = read(text);
    if (moment === null) return text;
    const { parts, offset } = moment;
    let wall = moment.wall + this.#days * DAY_S;
    let ending = parts[10] ?? "";
    if (offset !== undefined) {
      const before = moment.wall - offset;
      const after = this.#movedSeconds(before);
      if (ending === "Z" || ending === "z") wall = after;
      else if (offset === this.#zone.offsetAt(before)) {
        // A time of the zone itself, whose offset may change.
        wall = after + this.#zone.offsetAt(after);
        ending = written(this.#zone.offsetAt(after), ending.includes(":") ? ":" : "");
      }
    }
    const date = new Date(wall * 1000);
    const year = date.getUTCFullYear();
    if (Number.isNaN(year) || year < 1 || year > 9999) return text;
    const [day = "", time = ""] = date.toISOString().split("T");
    if (parts[4] === undefined) return day;
    const fraction = parts[9] === undefined ? "" : `${parts[8]}${parts[9]}`;
    return `${day}${parts[4]}${time.slice(0, parts[7] === undefined ? 5 : 8)}${fraction}${ending}`;
  }

  #movedSeconds(seconds: number): number {
    const after = seconds + this.#days * DAY_S;
    return after + this.#zone.offsetAt(seconds) - this.#zone.offsetAt(after);
  }
}

function written(offset: number, colon: string): string {
  const minutes = Math.round(Math.abs(offset) / MINUTE_S);
  const [hour, minute] = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, "0"));
  return `${offset < 0 ? "-" : "+"}${hour}${colon}${minute}`;
}
