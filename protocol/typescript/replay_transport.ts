// Replays a transcript inside a test, by the same rules as `sidecar replay` but without a process.
//
//   const text = await readFile("a_backup_is_made.jsonl", "utf8");
//   const replay = new ReplayTransport(text, (chunk) => client.receive(chunk));
//   const client = new Client({ send: replay.send });
//
// It imports neither Node nor Electron, so that it also works in a browser's tests.

import { Recording } from "./recording.ts";
import type { Message, RecordedNotification, RecordedRequest } from "./recording.ts";
import { Answers } from "./replay_answers.ts";
import type { PatternValues } from "./replay_answers.ts";
import { factsAbout, isMethod } from "./replay_facts.ts";
import type { JsonObject } from "./replay_facts.ts";
import { Matcher, RequestIndex } from "./replay_matching.ts";
import { readLine, refusal } from "./replay_requests.ts";
import type { ClientMessage, Request } from "./replay_requests.ts";
import { DateShift, instantMs, Zone } from "./replay_times.ts";

/** The code of the error `not_recorded`, which no sidecar sends. */
export const NOT_RECORDED = 4990;
const MAX_DETAILS = 10;
const MAX_VALUE_CHARS = 200;
/** The number of requests without a recording that are remembered. */
const MAX_MISSES = 1_000;
const SHUT_DOWN = { drained: true, cancelled_requests: 0, interrupted_jobs: 0 };

export interface ReplayOptions {
  /**
   * `fast` sends a notification as soon as the client has made the last request that was recorded before it; `recorded`
   * sends all messages at their recorded times.
   */
  pace?: "fast" | "recorded";
  /**
   * Sends no notification before the client calls this method, for example the first one that a window calls.  Earlier
   * notifications are only sent before a response that followed them.
   */
  waitFor?: string;
  /** Which run of the sidecar to replay, if the transcript has several; 1 is the first. */
  run?: number;
  /** Params that may differ from the recorded ones: `["jobs.create.priority"]`. */
  ignore?: readonly string[];
  /** Moves all times by the whole days since the recording, so that an app that shows today shows something. */
  shiftDates?: boolean;
  /** The clock of `shiftDates`, in milliseconds since 1970; by default `Date.now`. */
  now?: () => number;
}

/** A request without a recording. */
export interface Miss {
  method: string;
  params: Record<string, unknown>;
  /** Names the line of the most similar recorded request. */
  message: string;
}

/** A recorded request that the client has not made in any form. */
export interface Unused {
  method: string;
  line: number;
}

/** A message to send at `due`; `position` determines the order. */
interface ScheduledMessage {
  position: number;
  due: number;
  send: () => void;
}

/** Takes the place of a sidecar's two pipes. */
export class ReplayTransport {
  readonly #recording: Recording;
  readonly #index: RequestIndex;
  readonly #answers: Answers;
  readonly #onData: (chunk: Uint8Array) => void;
  readonly #isFast: boolean;
  /** The requests that were not recorded. */
  readonly misses: Miss[] = [];
  /** Moves the times of requests back to the recorded ones. */
  #back: DateShift | null = null;
  #waitFor: string | null;
  readonly #encoder = new TextEncoder();
  readonly #scheduled: ScheduledMessage[] = [];
  readonly #open = new Set<number | string>();
  #incomplete = "";
  /** The number of notifications sent or scheduled, and the last segment of which something was sent. */
  #sent = 0;
  #segment = 0;
  /** One moment, in the recording and now. */
  #anchor = { t: 0, at: Date.now() };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  /**
   * `transcript` is the text of a file; `onData` receives the sidecar's output in whole lines, never before the first
   * `send`.  Throws if the text is not a transcript.
   */
  constructor(transcript: string, onData: (chunk: Uint8Array) => void, options: ReplayOptions = {}) {
    const { pace = "fast", waitFor, run = 1, ignore = [], shiftDates = false, now = Date.now } = options;
    this.#recording = new Recording(transcript, run);
    this.#index = new RequestIndex(this.#recording.requests, new Matcher(ignore.map(checkedParam)));
    this.#answers = new Answers(shiftDates ? this.#shiftTo(now()) : null);
    this.#onData = onData;
    this.#waitFor = waitFor ?? null;
    if (waitFor !== undefined && !this.#index.has(waitFor)) throw new Error(`The transcript has no ${waitFor}.`);
    this.#isFast = pace === "fast";
  }

  /** The recorded requests that the client has not made in any form, yet. */
  get unused(): Unused[] {
    return this.#index.neverMade().map(({ method, line }) => ({ method, line }));
  }

  /** The number of notifications that were not sent yet; at the fast pace, they wait for the next recorded request. */
  get unsent(): number {
    const waiting = this.#recording.notifications.slice(this.#sent);
    return waiting.filter(({ segment }) => !this.#recording.isAfterEof(segment)).length;
  }

  /**
   * Sends the notifications after the next recorded request as if the client had made it: for a client that only
   * listens, or makes fewer requests than were recorded.
   */
  skipRequest(): void {
    this.#segment = this.#recording.nextWithRequest(this.#segment);
    this.#advance();
  }

  /** Receives the client's output: lines, whole or in parts. */
  readonly send = (text: string): void => {
    const lines = (this.#incomplete + text).split("\n");
    this.#incomplete = lines.pop() ?? "";
    // Not before this call returns, as with a pipe.
    for (const line of lines) queueMicrotask(() => this.#onLine(line));
  };

  /** Stops sending. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #shiftTo(now: number): DateShift {
    const { started_at, time_zone } = this.#recording.header;
    const recorded = typeof started_at === "string" ? instantMs(started_at) : null;
    if (recorded === null) throw new Error("The run has no valid `started_at`, from which times could be moved.");
    const zone = new Zone(typeof time_zone === "string" ? time_zone : undefined);
    const days = zone.dayOf(now) - zone.dayOf(recorded);
    this.#back = new DateShift(-days, zone);
    return new DateShift(days, zone);
  }

  #onLine(line: string): void {
    if (this.#isClosed) return;
    const read = readLine(line);
    if (!Array.isArray(read)) {
      this.#onMessage(read, (response) => this.#emit(response));
      return;
    }
    const messages = read.map((message) => this.#registered(message));
    const responses: Message[] = [];
    const expected = messages.filter((one) => one !== null && !("notification" in one)).length;
    const reply = (response: Message): void => {
      responses.push(response);
      if (responses.length === expected) this.#emit(responses);
    };
    for (const one of messages) if (one !== null && "refusal" in one) reply(one.refusal);
    for (const one of messages) if (one !== null && !("refusal" in one)) this.#serve(one, reply);
  }

  #onMessage(message: ClientMessage, reply: (response: Message) => void): void {
    const registered = this.#registered(message);
    if (registered === null) return;
    if ("refusal" in registered) reply(registered.refusal);
    else this.#serve(registered, reply);
  }

  /** Refuses a request whose id is in use. */
  #registered(message: ClientMessage): ClientMessage {
    if (message === null || !("request" in message)) return message;
    if (this.#open.has(message.request.id)) return refusal(-32600, "A request with this id is still unanswered.");
    this.#open.add(message.request.id);
    return message;
  }

  #serve(message: { request: Request } | { notification: string }, reply: (response: Message) => void): void {
    if ("notification" in message) {
      if (message.notification === "exit") this.#finish();
      return;
    }
    const { id, method, params } = message.request;
    const answer = (response: Message): void => {
      this.#open.delete(id);
      reply({ ...response, jsonrpc: "2.0", id });
    };
    const own = this.#recordedTimes(method, params);
    const recorded = this.#index.match(method, own);
    if (recorded !== undefined) {
      const { bound } = this.#index.matcher.compare(method, recorded.params, own);
      this.#respond(recorded, this.#answers.bind(recorded, params, bound), answer);
    } else if (method === "shutdown") answer({ result: SHUT_DOWN });
    else answer({ error: this.#missed(method, params, own) });
    if (method === this.#waitFor) {
      this.#waitFor = null;
      this.#advance();
    }
  }

  #recordedTimes(method: string, params: JsonObject): JsonObject {
    return this.#back === null ? params : (this.#back.moved(params, factsAbout("params", method)) as JsonObject);
  }

  /** Returns the error for a request that was not recorded; it names the most similar one. */
  #missed(method: string, params: JsonObject, own: JsonObject): object {
    const nearest = this.#index.nearest(method, own);
    const data: JsonObject = { kind: "not_recorded", retryable: false };
    let message = `The transcript has no ${method}.`;
    if (nearest !== undefined) {
      message = `The transcript has no ${method} with these params.  The most similar is in line ${nearest.request.line}.`;
      data["details"] = nearest.comparison.differences
        .slice(0, MAX_DETAILS)
        .map(({ path, recorded }) => ({
          path: path.replace(method, "params"),
          message: `recorded: ${JSON.stringify(recorded).slice(0, MAX_VALUE_CHARS)}`,
        }));
    }
    if (this.misses.length < MAX_MISSES) this.misses.push({ method, params, message });
    return { code: NOT_RECORDED, message, data };
  }

  #respond(recorded: RecordedRequest, patterns: PatternValues, reply: (response: Message) => void): void {
    const now = Date.now();
    const { response, segment, position, t, method } = recorded;
    const isRepeated = position < this.#sent || segment < this.#segment; // or later than recorded
    if (!isRepeated) {
      this.#queueUpTo(segment - 1, now);
      this.#segment = segment;
      this.#anchor = { t, at: now };
    }
    if (response !== null) {
      this.#schedule({
        position: isRepeated ? Infinity : response.position - 0.5,
        due: this.#isFast ? now : now + response.t - t,
        send: () => reply(this.#answers.response(method, response.message, patterns)),
      });
    }
    this.#advance();
  }

  /** Sends what is scheduled, and the notifications up to the next recorded request: the client sends no more. */
  #finish(): void {
    if (this.#segment > 0) this.#queueUpTo(this.#recording.nextWithRequest(this.#segment) - 1, 0);
    this.#sendDue(Infinity);
    this.close();
  }

  #schedule(message: ScheduledMessage): void {
    let place = this.#scheduled.length;
    while (place > 0 && (this.#scheduled[place - 1]?.position ?? 0) > message.position) place -= 1;
    this.#scheduled.splice(place, 0, message);
  }

  #queueNext(notification: RecordedNotification, due: number): void {
    this.#schedule({ position: this.#sent, due, send: () => this.#emit(this.#answers.notification(notification)) });
    this.#sent += 1;
    this.#segment = Math.max(this.#segment, notification.segment);
  }

  #queueUpTo(segment: number, due: number): void {
    for (;;) {
      const notification = this.#recording.notifications[this.#sent];
      if (notification === undefined || notification.segment > segment) return;
      this.#queueNext(notification, due);
    }
  }

  /** Sends what is due, and sets the timer for what comes next. */
  #advance(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const now = Date.now();
    let pending = this.#pending();
    for (; pending !== null && this.#due(pending, now) <= now; pending = this.#pending())
      this.#queueNext(pending, this.#due(pending, now));
    this.#sendDue(now);
    const times = [pending === null ? Infinity : this.#due(pending, now), this.#scheduled[0]?.due ?? Infinity];
    const next = Math.min(...times);
    if (next < Infinity) this.#timer = setTimeout(() => this.#advance(), Math.max(0, next - now));
  }

  /** Returns the next notification that may be sent, if it is not after the recorded end of stdin. */
  #pending(): RecordedNotification | null {
    const pending = this.#recording.notifications[this.#sent];
    if (pending === undefined || this.#recording.isAfterEof(pending.segment)) return null;
    if (this.#waitFor !== null && pending.segment > this.#segment) return null;
    const isNext = pending.segment < this.#recording.nextWithRequest(this.#segment);
    return isNext || !this.#isFast ? pending : null;
  }

  #due({ t }: RecordedNotification, now: number): number {
    return this.#isFast ? now : this.#anchor.at + Math.max(0, t - this.#anchor.t);
  }

  #sendDue(now: number): void {
    for (let head = this.#scheduled[0]; head !== undefined && head.due <= now; head = this.#scheduled[0]) {
      this.#scheduled.shift();
      head.send();
    }
  }

  #emit(message: Message | Message[]): void {
    if (!this.#isClosed) this.#onData(this.#encoder.encode(`${JSON.stringify(message)}\n`));
  }
}

function checkedParam(param: string): string {
  const parts = param.split(".");
  if (!parts.some((_, end) => isMethod(parts.slice(0, end).join("."))))
    throw new Error(`ignore: no method has ${param}.`);
  return param;
}
