// A page's bridge that answers from a transcript, for tests of pages without Electron and without a sidecar.
import { EVENT_NAMES, REQUEST_NAMES } from "./calls.ts";
import type { BridgeResponse, SidecarBridge } from "./channels.ts";
import { Client } from "./client.ts";
import { PROTOCOL_VERSION } from "./contract.ts";
import type { Initialized } from "./contract.ts";
import { localError, RpcError } from "./errors.ts";
import { parseFilter, passes } from "./event_filter.ts";
import type { EventFilter } from "./event_filter.ts";
import { RESYNC, seqOf, withResync } from "./events.ts";
import type { EventPosition } from "./events.ts";
import { ReplayTransport } from "./replay_transport.ts";
import type { Miss, ReplayOptions, Unused } from "./replay_transport.ts";
import type { SidecarState } from "./state.ts";

/** The address of a recorded sign-in is that of another run's server. */
const REDIRECT_URI = "http://127.0.0.1/oauth/google";
const IGNORED = "calendar.oauth.google.start.redirect_uri";
/** The number of sent notifications that are kept for `onSince`. */
const MAX_SENT = 10_000;

/** The bridge for `connectSidecar`. */
export interface ReplayBridge extends SidecarBridge {
  /** The requests that were not recorded. */
  readonly misses: readonly Miss[];
  /** The recorded requests that were not made in any form, yet; those of the app's main process are among them. */
  readonly unused: readonly Unused[];
  /** The number of notifications that were not sent yet; at the fast pace, they wait for the next recorded request. */
  readonly unsent: number;
  /** Sends the notifications after the next recorded request as if it had been made, such as one of the main process. */
  skipRequest(): void;
  /** Stops sending notifications. */
  close(): void;
}

interface Subscription {
  names: readonly string[];
  filter: EventFilter | null;
  listener: (name: string, params: unknown) => void;
}

/**
 * Returns a bridge that replays a transcript: `connectSidecar(replayBridge(text))`.
 *
 * The replay starts at the page's first call or subscription, with the recorded handshake.  Throws if the text is not a
 * transcript.
 */
export function replayBridge(transcript: string, options: ReplayOptions = {}): ReplayBridge {
  const subscriptions = new Set<Subscription>();
  const aborts = new Map<number, AbortController>();
  const sent: Array<{ name: string; params: unknown }> = [];
  const notifications = withResync(EVENT_NAMES);
  let started: Promise<Initialized | null> | null = null;
  let position: EventPosition | null = null;

  const ignore = [...(options.ignore ?? []), IGNORED];
  const replay = new ReplayTransport(transcript, (chunk) => client.receive(chunk), { ...options, ignore });
  const client = new Client({ send: replay.send });
  client.onAny((name, params) => {
    const seq = seqOf(params);
    if (seq !== null) {
      if (position !== null) position = { ...position, seq };
      sent.push({ name, params });
      if (sent.length > MAX_SENT) sent.shift();
    }
    for (const one of [...subscriptions]) deliver(one, name, params);
  });

  function deliver({ names, filter, listener }: Subscription, name: string, params: unknown): void {
    if (names.includes(name) && passes(filter, name, params)) listener(name, params);
  }

  function start(): Promise<Initialized | null> {
    const handshake = { protocol_version: PROTOCOL_VERSION, client_info: { name: "replay", version: "1" } };
    started ??= client.initialize(handshake).then(
      (initialized) => {
        const { epoch, latest_seq: seq } = initialized.events ?? {};
        if (epoch !== undefined) position = { epoch, seq: Math.max(seq ?? 0, seqOf(sent.at(-1)?.params) ?? 0) };
        return initialized;
      },
      () => null, // the handshake was not recorded, or was refused
    );
    return started;
  }

  async function responded(call: number, work: (signal: AbortSignal) => Promise<unknown>): Promise<BridgeResponse> {
    const abort = new AbortController();
    aborts.set(call, abort);
    try {
      void start();
      return { ok: true, value: await work(abort.signal) };
    } catch (error) {
      const known = error instanceof RpcError ? error : localError("aborted", "The call was aborted.");
      return { ok: false, error: known.toJSON() };
    } finally {
      aborts.delete(call);
    }
  }

  return {
    methods: REQUEST_NAMES,
    notifications,
    get misses() {
      return replay.misses;
    },
    get unused() {
      return replay.unused;
    },
    get unsent() {
      return replay.unsent;
    },
    skipRequest: () => replay.skipRequest(),
    close: () => replay.close(),
    call: (call, method, params, callOptions = {}) =>
      responded(call, (signal) => {
        if (!(REQUEST_NAMES as readonly string[]).includes(method))
          throw localError("not_allowed", `This page may not call ${method}.`);
        return client.request(method, (params ?? {}) as object, { ...callOptions, signal });
      }),
    cancel: (call) => aborts.get(call)?.abort(),
    subscribe(names, after, listener, ownFilter) {
      const refused = names.filter((name) => !notifications.includes(name));
      if (refused.length > 0) throw new Error(`not_allowed: this page may not listen to ${refused.join(", ")}`);
      const filter = parseFilter(ownFilter);
      if (filter === undefined) throw new Error("invalid_params: a filter has the members session_id and job_id");
      const subscription = { names, filter, listener };
      subscriptions.add(subscription);
      const begun = start();
      if (after !== null) {
        const missed = sent.filter(({ params }) => (seqOf(params) ?? 0) > after.seq);
        void begun.then(() => {
          if (!subscriptions.has(subscription)) return;
          if (position?.epoch !== after.epoch) deliver(subscription, RESYNC, { reason: "This is another recording." });
          else for (const { name, params } of missed) deliver(subscription, name, params);
        });
      }
      return () => void subscriptions.delete(subscription);
    },
    async state(): Promise<SidecarState> {
      const initialized = await start();
      return {
        status: "ready",
        failure: null,
        crashes: 0,
        exitCode: null,
        message: null,
        version: initialized?.server_info?.version ?? null,
        schemaMatch: initialized?.schema_match ?? null,
        secrets: initialized?.secrets ?? null,
      };
    },
    async position() {
      await start();
      return position;
    },
    onState: () => () => undefined,
    signIn: (call, provider, params) =>
      responded(call, async (signal) => {
        if (provider !== "google") throw localError("sign_in_unavailable", `There is no sign-in with ${provider}.`);
        const request = { ...(params as object), redirect_uri: REDIRECT_URI };
        const begun = (await client.request("calendar.oauth.google.start", request, { signal })) as { state: string };
        return client.request("calendar.oauth.google.complete", { state: begun.state }, { signal });
      }),
  };
}
