// Plays transcripts inside a test: the same files and the same rules as `sidecar replay`, without a process.
//
//   const replay = new ReplayTransport(await readFile("a_backup_is_made.jsonl", "utf8"));
//   const client = new Client({ send: replay.send });
//   replay.onData = (chunk) => client.receive(chunk);
//
// It imports neither Node nor Electron, so that it works in a browser's tests, too.

/** A client that says nothing for so long waits for something that came after requests which it does not make. */
const IDLE_MS = 50;
/** The code of "this was not recorded"; no sidecar answers with it. */
export const NOT_RECORDED = 4990;
const SHUT_DOWN = { drained: true, cancelled_requests: 0, interrupted_jobs: 0 };
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

export interface ReplayOptions {
  /** `fast`: all at once, in its order; `recorded`: in the time that it took. */
  pace?: "fast" | "recorded";
  /**
   * Tell nothing unasked before this method is asked for, such as the first thing that a window asks: what was told
   * earlier is told only with an answer that followed it.
   */
  waitFor?: string;
  /** Play what was said after this start of the sidecar: 1 is the first in the file. */
  life?: number;
}

interface Message {
  jsonrpc?: string;
  id?: number | string | null;
  method?: string;
  params?: Record<string, unknown>;
  result?: unknown;
  error?: unknown;
}

interface Line {
  transcript?: number;
  t?: number;
  dir?: "c2s" | "s2c";
  msg?: Message | Message[];
  eof?: boolean;
}

interface Told {
  t: number;
  message: Message;
}

interface Asked {
  t: number;
  line: number;
  method: string;
  params: Record<string, unknown>;
  segment: number;
  used: boolean;
  answer: Message | null;
  answeredAt: number;
  answeredIn: number;
  toldBefore: number;
}

/** What waits to be said: in the order of its recorded time, each at `due`. */
interface Waiting {
  t: number;
  due: number;
  say: () => void;
}

/** A stand-in for the sidecar's two pipes. */
export class ReplayTransport {
  /** Gets what the sidecar says, in whole lines.  What is said before it is set waits for it. */
  set onData(take: (chunk: Uint8Array) => void) {
    this.#take = take;
    for (const chunk of this.#early.splice(0)) take(chunk);
  }

  readonly #tape: Tape;
  readonly #isPaced: boolean;
  #waitsFor: string | null;
  readonly #encoder = new TextEncoder();
  readonly #early: Uint8Array[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #tokens = new Map<unknown, unknown>();
  #take: ((chunk: Uint8Array) => void) | null = null;
  #unread = "";
  #segment = 0;
  #told = 0;
  #anchor = { t: 0, at: 0 };
  #idle: ReturnType<typeof setTimeout> | undefined;
  #next: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  /** `transcript` is the text of a file.  Throws where it is none. */
  constructor(transcript: string, { pace = "fast", waitFor, life = 1 }: ReplayOptions = {}) {
    this.#tape = new Tape(transcript, life);
    this.#waitsFor = waitFor ?? null;
    if (waitFor !== undefined && !this.#tape.has(waitFor)) throw new Error(`The transcript has no ${waitFor}.`);
    this.#isPaced = pace === "recorded";
  }

  /** Takes what the client says: lines, whole or in pieces. */
  readonly send = (text: string): void => {
    const lines = (this.#unread + text).split("\n");
    this.#unread = lines.pop() ?? "";
    // Never before the call has returned: a pipe would not do that either.
    for (const line of lines) if (line.trim() !== "") queueMicrotask(() => this.#read(line));
  };

  /** Says nothing more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#idle);
    clearTimeout(this.#next);
  }

  #read(line: string): void {
    if (this.#isClosed) return;
    let message: Message | Message[];
    try {
      message = JSON.parse(line) as Message | Message[];
    } catch {
      const data = { kind: "parse_error", retryable: false };
      this.#say({ jsonrpc: "2.0", id: null, error: { code: -32700, message: "The line is not JSON.", data } });
      return;
    }
    if (!Array.isArray(message)) {
      this.#serve(message, (answer) => this.#say(answer));
      return;
    }
    const owed = message.filter((one) => one.id !== undefined).length;
    const answers: Message[] = [];
    for (const one of message) {
      this.#serve(one, (answer) => {
        answers.push(answer);
        if (answers.length === owed) this.#say(answers);
      });
    }
  }

  #serve(request: Message, reply: (answer: Message) => void): void {
    const { id, method, params = {} } = request;
    if (id === undefined || id === null || method === undefined) return;
    const asked = this.#tape.match(method, params);
    if (asked !== null) this.#play(asked, request, (answer) => reply({ ...answer, id }));
    else if (method === "shutdown") reply({ jsonrpc: "2.0", id, result: SHUT_DOWN });
    else reply({ jsonrpc: "2.0", id, error: this.#tape.explain(method, params) });
    if (method === this.#waitsFor) {
      this.#waitsFor = null;
      this.#goOn();
    }
  }

  #play(asked: Asked, request: Message, reply: (answer: Message) => void): void {
    this.#learnToken(asked, request);
    const now = Date.now();
    const { answer } = asked;
    if (asked.segment < this.#segment || (asked.segment === this.#segment && this.#told > 0)) {
      // Its place has been played: it is asked again, or was expected earlier.
      const wait = this.#isPaced ? asked.answeredAt - asked.t : 0;
      if (answer !== null) this.#push({ t: Infinity, due: now + wait, say: () => reply(answer) });
    } else {
      this.#tellUpTo(asked.segment, 0);
      this.#anchor = { t: asked.t, at: now };
      if (!this.#isPaced) {
        if (asked.answeredIn === asked.segment) this.#tellUpTo(asked.segment, asked.toldBefore);
        else this.#tellUpTo(asked.segment + 1, 0);
      }
      const due = this.#isPaced ? now + Math.max(0, asked.answeredAt - asked.t) : now;
      if (answer !== null) this.#push({ t: asked.answeredAt, due, say: () => reply(answer) });
      if (!this.#isPaced) this.#tellUpTo(asked.segment + 1, 0);
    }
    this.#sayWhatIsDue();
    this.#goOn();
  }

  #push(waiting: Waiting): void {
    let place = this.#waiting.length;
    while (place > 0 && (this.#waiting[place - 1]?.t ?? 0) > waiting.t) place -= 1;
    this.#waiting.splice(place, 0, waiting);
  }

  #sayWhatIsDue(): void {
    clearTimeout(this.#next);
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      const wait = head.due - Date.now();
      if (wait > 0) {
        this.#next = setTimeout(() => this.#sayWhatIsDue(), wait);
        return;
      }
      this.#waiting.shift();
      head.say();
    }
  }

  /** Lets all notifications that stand before a place have their turn now. */
  #tellUpTo(segment: number, told: number): void {
    for (; this.#segment <= segment && this.#segment < this.#tape.told.length; this.#segment += 1, this.#told = 0) {
      const here = this.#tape.told[this.#segment] ?? [];
      const end = this.#segment === segment ? told : here.length;
      for (const one of here.slice(this.#told, end)) {
        this.#push({ t: one.t, due: Date.now(), say: () => this.#say(this.#withToken(one.message)) });
      }
      if (this.#segment === segment) {
        this.#told = Math.max(this.#told, told);
        return;
      }
    }
  }

  /** Tells the next one when its time comes, unless the client says something first. */
  #goOn(): void {
    clearTimeout(this.#idle);
    let [segment, told] = [this.#segment, this.#told];
    while (segment < this.#tape.told.length && told >= (this.#tape.told[segment]?.length ?? 0)) {
      [segment, told] = [segment + 1, 0];
    }
    const next = this.#tape.told[segment]?.[told];
    if (next === undefined || this.#isClosed) return;
    if (this.#waitsFor !== null && (!this.#isPaced || segment > this.#segment)) return;
    const wait = this.#isPaced ? Math.max(0, next.t - this.#anchor.t - (Date.now() - this.#anchor.at)) : IDLE_MS;
    this.#idle = setTimeout(() => {
      if (this.#isPaced) this.#tellUpTo(segment, told + 1);
      else this.#tellUpTo(segment + 1, 0);
      this.#sayWhatIsDue();
      this.#goOn();
    }, wait);
  }

  #learnToken(asked: Asked, request: Message): void {
    const [recorded, came] = [asked.params, request.params].map((params) => tokenOf(params));
    if (recorded !== undefined && came !== undefined) this.#tokens.set(recorded, came);
  }

  #withToken(message: Message): Message {
    const token = message.params?.["token"];
    if (message.method !== "$/progress" || !this.#tokens.has(token)) return message;
    return { ...message, params: { ...message.params, token: this.#tokens.get(token) } };
  }

  #say(message: Message | Message[]): void {
    if (this.#isClosed) return;
    const chunk = this.#encoder.encode(`${JSON.stringify(message)}\n`);
    if (this.#take === null) this.#early.push(chunk);
    else this.#take(chunk);
  }
}

/** One life of a sidecar.  A segment is what the client said in one line, and what was told until it said the next. */
class Tape {
  readonly told: Told[][] = [[]];
  readonly #asked: Asked[] = [];
  #hasEnded = false;

  constructor(text: string, life: number) {
    let seen = 0;
    const waiting = new Map<unknown, Asked>();
    for (const [index, one] of text.split("\n").entries()) {
      const line = parsed(one, index + 1, seen > 0);
      if (line?.transcript !== undefined) {
        if (line.transcript !== 1) throw new Error(`line ${index + 1}: a transcript of version ${line.transcript}`);
        seen += 1;
        waiting.clear();
      } else if (line !== null && seen === life) {
        this.#takeLine(line, index + 1, waiting);
      }
    }
    if (seen === 0) throw new Error('A transcript begins with a line {"transcript":1,…}.');
    if (seen < life) throw new Error(`There is no life ${life}; the transcript has ${seen}.`);
  }

  #takeLine({ t = 0, dir, msg, eof }: Line, line: number, waiting: Map<unknown, Asked>): void {
    if (eof !== undefined) this.#hasEnded = true; // what was told at the end is told by nobody here
    if (this.#hasEnded) return;
    if (dir === "c2s") this.told.push([]);
    const segment = this.told.length - 1;
    const here = this.told[segment] ?? [];
    for (const message of Array.isArray(msg) ? msg : msg === undefined ? [] : [msg]) {
      const { id, method, params = {} } = message;
      if (dir === "s2c" && method !== undefined) {
        here.push({ t, message: example(message) as Message });
      } else if (dir === "s2c") {
        const asked = waiting.get(id);
        waiting.delete(id);
        if (asked !== undefined) {
          Object.assign(asked, {
            answer: example(message),
            answeredAt: t,
            answeredIn: segment,
            toldBefore: here.length,
          });
        }
      } else if (method !== undefined && id !== undefined) {
        const place = { answer: null, answeredAt: t, answeredIn: segment, toldBefore: 0 };
        const asked: Asked = { t, line, method, params, segment, used: false, ...place };
        waiting.set(id, asked);
        this.#asked.push(asked);
      }
    }
  }

  /** Whether a method was asked for. */
  has(method: string): boolean {
    return this.#asked.some((one) => one.method === method);
  }

  /** The recorded request that is meant: the first that was not asked yet, else the last one again. */
  match(method: string, params: Record<string, unknown>): Asked | null {
    const same = this.#asked.filter((one) => one.method === method);
    // The handshake names the client's own version and process; whichever it is, it is answered.
    const exact = method === "initialize" ? same : same.filter((one) => differing(one.params, params).length === 0);
    const alike =
      exact.length > 0 ? exact : same.filter((one) => isAlike(withoutMeta(one.params), withoutMeta(params)));
    const found = alike.find((one) => !one.used) ?? alike.at(-1) ?? null;
    if (found !== null) found.used = true;
    return found;
  }

  /** The error for what was not recorded, with the nearest that was. */
  explain(method: string, params: Record<string, unknown>): object {
    const nearest = this.#asked
      .filter((one) => one.method === method)
      .map((one) => ({ one, paths: differing(one.params, params) }))
      .sort((a, b) => a.paths.length - b.paths.length)[0];
    const data = { kind: "not_recorded", retryable: false };
    if (nearest === undefined) return { code: NOT_RECORDED, message: `The transcript has no ${method}.`, data };
    const details = nearest.paths
      .slice(0, MAX_DETAILS)
      .map((path) => ({ path, message: "recorded with another value" }));
    const message = `The transcript has no ${method} with these params.  The nearest stands in line ${nearest.one.line}.`;
    return { code: NOT_RECORDED, message, data: { ...data, details } };
  }
}

/** A value with something that fits where a person has put a pattern; see `sidecar verify`. */
function example(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(example);
  if (!isObject(value)) return value;
  const [name = "", ...others] = Object.keys(value).filter((key) => key !== "$like");
  if (others.length === 0 && name in PATTERNS) {
    if ("$like" in value) return value["$like"];
    return name === "$any" ? (EXAMPLES[String(value[name])] ?? null) : example(value[name]);
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, example(one)]));
}

function parsed(text: string, line: number, isOpen: boolean): Line | null {
  if (text.trim() === "") return null;
  try {
    return JSON.parse(text) as Line;
  } catch {
    if (isOpen) return null; // the half line that a crash leaves
    throw new Error(`line ${line}: not JSON`);
  }
}

function tokenOf(params: Record<string, unknown> | undefined): unknown {
  const meta = params?.["_meta"];
  return isObject(meta) ? meta["progress_token"] : undefined;
}

function withoutMeta({ _meta, ...params }: Record<string, unknown>): Record<string, unknown> {
  void _meta;
  return params;
}

/** The paths at which two params differ. */
function differing(recorded: unknown, asked: unknown, path = "params"): string[] {
  if (isObject(recorded) && isObject(asked)) {
    const names = new Set([...Object.keys(recorded), ...Object.keys(asked)]);
    names.delete("_meta");
    return [...names].flatMap((name) => differing(recorded[name], asked[name], `${path}.${name}`));
  }
  return JSON.stringify(recorded) === JSON.stringify(asked) ? [] : [path];
}

/** Whether they are the same but for times, and for secrets, which no transcript has. */
function isAlike(recorded: unknown, asked: unknown): boolean {
  if (isObject(recorded) && "$secret" in recorded) return true;
  if (isObject(recorded) && isObject(asked)) {
    const names = new Set([...Object.keys(recorded), ...Object.keys(asked)]);
    return [...names].every((name) => isAlike(recorded[name], asked[name]));
  }
  if (typeof recorded === "string" && typeof asked === "string" && TIME.test(recorded)) return TIME.test(asked);
  return (recorded ?? null) === (asked ?? null) || JSON.stringify(recorded) === JSON.stringify(asked);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
