// A page that follows the notifications shows the server's state, whatever its app does and however often the sidecar dies.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { conversation } from "../../protocol/typescript/conversation.ts";
import type { Conversation } from "../../protocol/typescript/conversation.ts";
import { RpcError } from "../../protocol/typescript/errors.ts";
import { liveList } from "../../protocol/typescript/live_list.ts";
import type { LiveList } from "../../protocol/typescript/live_list.ts";
import type { Sidecar } from "../../protocol/typescript/main.ts";
import { ROOT, start, until } from "./sidecar_harness.mts";

const STEPS = 40;
/** Prompts for the scripted CLI. */
const PROMPTS = [
  "hello",
  "[[tool]]",
  "[[think]]",
  '[[ask:Bash:{"command":"ls"}]]',
  "[[slow:8]] a b c d e f g h",
  "/clear",
  "[[exit:3]]",
  "\u2028 👩‍👩‍👧 [[slow:4]] x y z w",
];
const FAR_FUTURE = "2100-01-01T00:00:00Z";
/** What an app must expect: something that it acts on is gone, or the sidecar was killed. */
const EXPECTED = new Set([
  "sidecar_ended",
  "session_not_found",
  "job_not_finished",
  "job_not_found",
  "schedule_fixed",
  "schedule_not_found",
  "idempotency_key_reused",
  "permission_not_found",
  "permission_already_resolved",
]);

type Random = <T>(from: readonly T[]) => T;

/** Returns a function that picks from arrays, the same for each seed. */
function seeded(seed: number): Random {
  let state = seed;
  return (from) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return from[Math.floor((state / 2 ** 31) * from.length)]!;
  };
}

/** Loads all pages of a list. */
async function pages<Page extends { next_cursor: string | null }>(
  load: (params: { cursor: string | null; limit: number }) => Promise<Page>,
): Promise<Page[]> {
  const loaded: Page[] = [];
  for (let cursor: string | null = null; ; cursor = loaded.at(-1)!.next_cursor) {
    loaded.push(await load({ cursor, limit: 100 }));
    if (loaded.at(-1)!.next_cursor === null) return loaded;
  }
}

/** The server's state, as three lists. */
function server(sidecar: Sidecar) {
  return {
    jobs: async () => (await pages((page) => sidecar.jobs.list(page))).flatMap((page) => page.jobs),
    sessions: async () => (await pages((page) => sidecar.claude.sessions.list(page))).flatMap((page) => page.sessions),
    schedules: async () => (await sidecar.jobs.schedules.list()).schedules,
    messages: async (session_id: string) =>
      (await pages((page) => sidecar.claude.messages.list({ session_id, ...page }))).flatMap((page) => page.messages),
  };
}

/** A page with lists of everything, and a conversation for each session that it has created. */
class Page {
  readonly conversations = new Map<string, Conversation>();
  readonly jobs;
  readonly sessions;
  readonly schedules;
  readonly #sidecar: Sidecar;

  constructor(sidecar: Sidecar) {
    const load = server(sidecar);
    this.#sidecar = sidecar;
    this.jobs = liveList(sidecar, {
      load: load.jobs,
      key: (job) => job.job_id,
      version: (job) => job.version,
      changes: { "jobs.updated": ({ job }) => ({ put: job }) },
    });
    this.sessions = liveList(sidecar, {
      load: load.sessions,
      key: (session) => session.session_id,
      version: (session) => session.version,
      changes: {
        "claude.session_updated": ({ session }) => ({ put: session }),
        "claude.session_deleted": ({ session_id }) => ({ drop: session_id }),
      },
    });
    this.schedules = liveList(sidecar, {
      load: load.schedules,
      key: (schedule) => schedule.schedule_id,
      changes: {
        "jobs.schedule_updated": ({ schedule }) => ({ put: schedule }),
        "jobs.schedule_deleted": ({ schedule_id }) => ({ drop: schedule_id }),
      },
    });
    for (const list of [this.jobs, this.sessions, this.schedules]) list.watch(() => undefined);
  }

  open(sessionId: string): void {
    const opened = conversation(this.#sidecar, sessionId);
    opened.watch(() => undefined);
    this.conversations.set(sessionId, opened);
  }
}

/** Returns what an app can do; each acts on what the page shows. */
function actions(sidecar: Sidecar, page: Page, pick: Random): (() => Promise<unknown>)[] {
  const shown =
    <T,>(list: LiveList<T>, act: (item: T) => Promise<unknown>) =>
    async () => {
      const item = pick(list.items());
      if (item !== undefined) await act(item);
    };
  const open = (act: (one: Conversation) => Promise<unknown>) => async () => {
    const one = pick([...page.conversations.values()]);
    if (one !== undefined) await act(one);
  };
  const { jobs, claude } = sidecar;
  const send = open((one) => one.send(pick(PROMPTS)));
  return [
    async () => page.open((await claude.sessions.create({ title: "New" })).session_id),
    async () => page.open((await claude.sessions.create({})).session_id),
    send,
    send,
    open((one) => one.interrupt()),
    open(async (one) => {
      one.close();
      one.watch(() => undefined);
    }),
    shown(page.sessions, ({ session_id }) => claude.sessions.update({ session_id, title: pick(["One", "Two"]) })),
    shown(page.sessions, async ({ session_id }) => page.open((await claude.sessions.fork({ session_id })).session_id)),
    shown(page.sessions, ({ session_id }) => claude.sessions.delete({ session_id })),
    () => claude.spawn({ prompt: pick(PROMPTS) }),
    () => jobs.create({ type: "maintenance.prune", run_at: pick([null, FAR_FUTURE]) }),
    () => jobs.create({ type: "maintenance.vacuum", idempotency_key: "once" }),
    shown(page.jobs, ({ job_id }) => jobs.cancel({ job_id })),
    shown(page.jobs, ({ job_id }) => jobs.retry({ job_id })),
    () => jobs.schedules.create({ title: "S", type: "claude.run", payload: { prompt: "hello" }, period_s: 3600 }),
    shown(page.schedules, ({ schedule_id }) => jobs.schedules.run({ schedule_id })),
    shown(page.schedules, ({ schedule_id }) => jobs.schedules.update({ schedule_id, enabled: pick([true, false]) })),
    shown(page.schedules, ({ schedule_id }) => jobs.schedules.delete({ schedule_id })),
    async () => {
      await jobs.queue.pause();
      await jobs.queue.resume();
    },
    async () => void process.kill((await sidecar.system.status()).pid, "SIGKILL"),
  ];
}

/** Waits until a list equals what the server has; the order of its items is the page's own. */
async function equals<T extends object>(
  list: LiveList<T>,
  key: (item: T) => string,
  load: () => Promise<readonly T[]>,
) {
  const ordered = (items: readonly T[]): T[] => [...items].sort((one, other) => (key(one) < key(other) ? -1 : 1));
  const expected = JSON.stringify(ordered(await load()));
  await until(
    (check) => list.watch(check),
    () => JSON.stringify(ordered(list.items())) === expected,
  ).catch(() => assert.equal(JSON.stringify(ordered(list.items())), expected));
}

for (const seed of [1, 2, 3]) {
  test(`a page shows the server's state after random actions and kills (${seed})`, async (t) => {
    const sidecar = start(t, {
      env: { CLAUDE_PATH: join(ROOT, "tests", "fakes", "claude") },
      onFault: () => undefined, // that it was killed
    });
    const page = new Page(sidecar);
    const pick = seeded(seed);
    const unexpected: unknown[] = [];
    const expected = (error: unknown): void => {
      if (!(error instanceof RpcError && EXPECTED.has(error.kind))) unexpected.push(error);
    };
    sidecar.on("claude.permission_requested", ({ request: { request_id } }) => {
      sidecar.claude.permissions.respond({ request_id, decision: pick(["allow", "deny"]) }).catch(expected);
    });
    const possible = actions(sidecar, page, pick);
    const begun: Promise<unknown>[] = [];
    for (let step = 0; step < STEPS; step += 1) {
      const action = pick(possible)().catch(expected);
      if (pick([true, false])) await action;
      else begun.push(action);
    }
    await Promise.all(begun);
    await until(
      (check) => page.jobs.watch(check),
      () => page.jobs.isLoaded && page.jobs.items().every((job) => job.finished_at !== null || job.run_at !== null),
    );
    assert.deepEqual(unexpected, []);
    const load = server(sidecar);
    await equals(page.jobs, (job) => job.job_id, load.jobs);
    await equals(page.sessions, (session) => session.session_id, load.sessions);
    await equals(page.schedules, (schedule) => schedule.schedule_id, load.schedules);
    for (const [sessionId, opened] of page.conversations) {
      const isDeleted = !page.sessions.items().some((session) => session.session_id === sessionId);
      const stored = isDeleted ? [] : await load.messages(sessionId);
      await until(
        (check) => opened.watch(check),
        () => opened.snapshot().isDeleted === isDeleted && opened.snapshot().messages.length === stored.length,
      );
      const { messages, drafts, requests, queued, isWorking } = opened.snapshot();
      assert.deepEqual(
        { messages, drafts, requests, queued, isWorking },
        { messages: stored, drafts: [], requests: [], queued: [], isWorking: false },
      );
    }
  });
}
