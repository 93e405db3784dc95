// Replays a transcript inside a test, by the same rules as `sidecar replay` but without a process.
//
//   const text = await readFile("a_backup_is_made.jsonl", "utf8");
//   const replay = new ReplayTransport(text, (chunk) => client.receive(chunk));
//   const client = new Client({ send: replay.send });
//
// It imports neither Node nor Electron, so that it also works in a browser's tests.

import { Recording, tokenOf } from "./recording.ts";
import type { Message, RecordedRequest } from "./recording.ts";

export { NOT_RECORDED } from "./recording.ts";

/**
 * After this much silence of the client, the notifications that were recorded after its next request are sent anyway,
 * because the client may never send that request.
 */
const IDLE_MS = 50;
const SHUT_DOWN = { drained: true, cancelled_requests: 0, interrupted_jobs: 0 };
export interface ReplayOptions {
  /** `fast` sends all messages at once, in their order; `recorded` sends them at their recorded times. */
  pace?: "fast" | "recorded";
  /**
   * Sends no notification before the client calls this method, for example the first one that a window calls.  Earlier
   * notifications are only sent before a response that followed them.
   */
  waitFor?: string;
  /** Which run of the sidecar to replay, if the transcript has several; 1 is the first. */
  run?: number;
}

/** A message to send at `due`; `t` is its recorded time, which determines the order. */
interface ScheduledMessage {
  t: number;
  due: number;
  send: () => void;
}

/** Takes the place of a sidecar's two pipes. */
export class ReplayTransport {
  readonly #recording: Recording;
  readonly #onData: (chunk: Uint8Array) => void;
  readonly #isPaced: boolean;
  #waitFor: string | null;
  readonly #encoder = new TextEncoder();
  readonly #scheduled: ScheduledMessage[] = [];
  /** The client's progress tokens by the recorded ones. */
  readonly #tokens = new Map<unknown, unknown>();
  #incomplete = "";
  /** The next notification: its segment and its index in it. */
  #segment = 0;
  #index = 0;
  /** The recorded time and the actual time of the last request. */
  #clock = { t: 0, at: 0 };
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #dueTimer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  /**
   * `transcript` is the text of a file; `onData` receives the sidecar's output in whole lines, never before the first
   * `send`.  Throws if the text is not a transcript.
   */
  constructor(
    transcript: string,
    onData: (chunk: Uint8Array) => void,
    { pace = "fast", waitFor, run = 1 }: ReplayOptions = {},
  ) {
    this.#recording = new Recording(transcript, run);
    this.#onData = onData;
    this.#waitFor = waitFor ?? null;
    if (waitFor !== undefined && !this.#recording.has(waitFor)) throw new Error(`The transcript has no ${waitFor}.`);
    this.#isPaced = pace === "recorded";
  }

  /** Receives the client's output: lines, whole or in parts. */
  readonly send = (text: string): void => {
    const lines = (this.#incomplete + text).split("\n");
    this.#incomplete = lines.pop() ?? "";
    // Not before this call returns, as with a pipe.
    for (const line of lines) if (line.trim() !== "") queueMicrotask(() => this.#onLine(line));
  };

  /** Stops sending. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#dueTimer);
  }

  #onLine(line: string): void {
    if (this.#isClosed) return;
    let message: Message | Message[];
    try {
      message = JSON.parse(line) as Message | Message[];
    } catch {
      const data = { kind: "parse_error", retryable: false };
      this.#emit({ jsonrpc: "2.0", id: null, error: { code: -32700, message: "The line is not JSON.", data } });
      return;
    }
    if (!Array.isArray(message)) {
      this.#onRequest(message, (response) => this.#emit(response));
      return;
    }
    const expected = message.filter(({ id }) => id !== undefined).length;
    const responses: Message[] = [];
    for (const one of message) {
      this.#onRequest(one, (response) => {
        responses.push(response);
        if (responses.length === expected) this.#emit(responses);
      });
    }
  }

  #onRequest({ id, method, params = {} }: Message, reply: (response: Message) => void): void {
    if (id === undefined || id === null || method === undefined) return;
    const recorded = this.#recording.match(method, params);
    if (recorded !== null) {
      const [recordedToken, token] = [tokenOf(recorded.params), tokenOf(params)];
      if (recordedToken !== undefined && token !== undefined) this.#tokens.set(recordedToken, token);
      this.#respond(recorded, (response) => reply({ ...response, id }));
    } else if (method === "shutdown") reply({ jsonrpc: "2.0", id, result: SHUT_DOWN });
    else reply({ jsonrpc: "2.0", id, error: this.#recording.explain(method, params) });
    if (method === this.#waitFor) {
      this.#waitFor = null;
      this.#scheduleNext();
    }
  }

  #respond(recorded: RecordedRequest, reply: (response: Message) => void): void {
    const now = Date.now();
    const { response, segment } = recorded;
    const delay = this.#isPaced ? Math.max(0, recorded.respondedAt - recorded.t) : 0;
    if (segment < this.#segment || (segment === this.#segment && this.#index > 0)) {
      // Later notifications were sent already: the request is a repetition, or comes later than recorded.
      if (response !== null) this.#schedule({ t: Infinity, due: now + delay, send: () => reply(response) });
    } else {
      this.#sendUpTo(segment, 0);
      this.#clock = { t: recorded.t, at: now };
      if (!this.#isPaced) {
        if (recorded.respondedIn === segment) this.#sendUpTo(segment, recorded.notificationsBefore);
        else this.#sendUpTo(segment + 1, 0);
      }
      if (response !== null) {
        this.#schedule({ t: recorded.respondedAt, due: now + delay, send: () => reply(response) });
      }
      if (!this.#isPaced) this.#sendUpTo(segment + 1, 0);
    }
    this.#sendDue();
    this.#scheduleNext();
  }

  #schedule(message: ScheduledMessage): void {
    let place = this.#scheduled.length;
    while (place > 0 && (this.#scheduled[place - 1]?.t ?? 0) > message.t) place -= 1;
    this.#scheduled.splice(place, 0, message);
  }

  #sendDue(): void {
    clearTimeout(this.#dueTimer);
    for (let head = this.#scheduled[0]; head !== undefined; head = this.#scheduled[0]) {
      const wait = head.due - Date.now();
      if (wait > 0) {
        this.#dueTimer = setTimeout(() => this.#sendDue(), wait);
        return;
      }
      this.#scheduled.shift();
      head.send();
    }
  }

  /** Schedules all notifications before a place in the recording for now. */
  #sendUpTo(segment: number, index: number): void {
    const { segments } = this.#recording;
    for (; this.#segment <= segment && this.#segment < segments.length; this.#segment += 1, this.#index = 0) {
      const notifications = segments[this.#segment] ?? [];
      const end = this.#segment === segment ? index : notifications.length;
      for (const { t, message } of notifications.slice(this.#index, end)) {
        this.#schedule({ t, due: Date.now(), send: () => this.#emit(this.#withToken(message)) });
      }
      if (this.#segment === segment) {
        this.#index = Math.max(this.#index, index);
        return;
      }
    }
  }

  /** Sends the next notification at its time, unless the client sends a request first. */
  #scheduleNext(): void {
    clearTimeout(this.#idleTimer);
    const { segments } = this.#recording;
    let [segment, index] = [this.#segment, this.#index];
    while (segment < segments.length && index >= (segments[segment]?.length ?? 0)) {
      [segment, index] = [segment + 1, 0];
    }
    const next = segments[segment]?.[index];
    if (next === undefined || this.#isClosed) return;
    if (this.#waitFor !== null && (!this.#isPaced || segment > this.#segment)) return;
    const wait = this.#isPaced ? Math.max(0, next.t - this.#clock.t - (Date.now() - this.#clock.at)) : IDLE_MS;
    this.#idleTimer = setTimeout(() => {
      if (this.#isPaced) this.#sendUpTo(segment, index + 1);
      else this.#sendUpTo(segment + 1, 0);
      this.#sendDue();
      this.#scheduleNext();
    }, wait);
  }

  #withToken(message: Message): Message {
    const token = message.params?.["token"];
    if (message.method !== "$/progress" || !this.#tokens.has(token)) return message;
    return { ...message, params: { ...message.params, token: this.#tokens.get(token) } };
  }

  #emit(message: Message | Message[]): void {
    if (!this.#isClosed) this.#onData(this.#encoder.encode(`${JSON.stringify(message)}\n`));
  }
}
