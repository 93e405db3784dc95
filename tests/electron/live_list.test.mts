// A list that stays right, whatever overtakes what; and over the real sidecar.
import assert from "node:assert/strict";
import { test } from "node:test";
import { liveList } from "../../protocol/typescript/renderer.ts";
import type { Job, LiveListOptions } from "../../protocol/typescript/renderer.ts";
import { start, status, until } from "./sidecar_harness.mts";

interface Thing {
  id: string;
  version: number;
  name?: string;
}

/** A source that says what it is told to, and a snapshot that arrives when it is let go. */
function source() {
  const listeners = new Map<string, (params: any) => void>();
  let toState: (state: any) => void = () => undefined;
  const loads: Array<{
    give: (things: Thing[]) => void;
    fail: (error: unknown) => void;
  }> = [];
  const from = {
    on(name: string, listener: (params: any) => void) {
      listeners.set(name, listener);
      return () => void listeners.delete(name);
    },
    onState(listener: (state: any) => void) {
      toState = listener;
      return () => undefined;
    },
  };
  const load = (): Promise<Thing[]> => new Promise((give, fail) => void loads.push({ give, fail }));
  const options = {
    load,
    key: ({ id }: Thing) => id,
    version: ({ version }: Thing) => version,
    changes: {
      "jobs.updated": ({ job }: any) => ({ put: job as Thing }),
      "claude.session_updated": ({ session }: any) => ({
        drop: session as string,
      }),
      "jobs.log_added": () => null,
    },
  } satisfies LiveListOptions<Thing>;
  return {
    open: (more: Partial<LiveListOptions<Thing>> = {}, without: string[] = []) => {
      const chosen = Object.entries({ ...options, ...more }).filter(([name]) => !without.includes(name));
      return liveList<Thing>(from as never, Object.fromEntries(chosen) as never);
    },
    put: (id: string, version: number, name?: string) =>
      listeners.get("jobs.updated")?.({
        job: { id, version, ...(name === undefined ? {} : { name }) },
      }),
    drop: (id: string) => listeners.get("claude.session_updated")?.({ session: id }),
    say: (name: string) => listeners.get(name)?.({}),
    state: (status: string) => toState({ status }),
    loads,
    listeners,
  };
}

const thing = (id: string, version: number): Thing => ({ id, version });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const shown = (list: { items(): readonly Thing[] }): string[] =>
  list.items().map(({ id, version }) => `${id}${version}`);

test("a snapshot is shown, and then every change", async () => {
  const { open, put, drop, say, loads } = source();
  const list = open();
  assert.deepEqual([list.items(), list.isLoaded], [[], false]);
  loads[0]?.give([thing("a", 1), thing("b", 1)]);
  await turn();
  assert.deepEqual([shown(list), list.isLoaded], [["a1", "b1"], true]);
  put("b", 2);
  put("c", 1);
  say("jobs.log_added");
  await turn();
  assert.deepEqual(shown(list), ["a1", "b2", "c1"]);
  drop("a");
  drop("no such");
  await turn();
  assert.deepEqual(shown(list), ["b2", "c1"]);
});

test("of two states the newer one stays, whichever came first", async () => {
  const { open, put, loads } = source();
  const list = open();
  put("a", 5); // overtaken by the snapshot's answer
  put("b", 1); // older than the snapshot
  put("new", 1); // made after the snapshot was taken
  loads[0]?.give([thing("a", 4), thing("b", 3)]);
  await turn();
  assert.deepEqual(shown(list), ["a5", "b3", "new1"]);
  put("b", 2);
  await turn();
  assert.deepEqual(shown(list), ["a5", "b3", "new1"]);
});

test("what has gone while a snapshot was on its way does not come back with it", async () => {
  const { open, put, drop, loads } = source();
  const list = open();
  loads[0]?.give([thing("a", 1), thing("b", 1)]);
  await turn();
  void list.reload();
  drop("a");
  put("c", 1);
  loads[1]?.give([thing("a", 1), thing("b", 1)]);
  await turn();
  assert.deepEqual(shown(list), ["b1", "c1"]);
});

test("what a new snapshot does not have any more leaves", async () => {
  const { open, loads, say } = source();
  const list = open();
  loads[0]?.give([thing("a", 1), thing("b", 1)]);
  await turn();
  say("events.resync");
  loads[1]?.give([thing("b", 1)]);
  await turn();
  assert.deepEqual(shown(list), ["b1"]);
});

test("a resync during a load is followed by another load", async () => {
  const { open, loads, say } = source();
  const list = open();
  say("events.resync");
  say("events.resync");
  loads[0]?.give([thing("early", 1)]);
  await turn();
  assert.equal(loads.length, 2);
  loads[1]?.give([thing("late", 1)]);
  await turn();
  assert.deepEqual([shown(list), loads.length], [["late1"], 2]);
});

test("without versions, what was told while loading is the newer", async () => {
  const { open, put, loads } = source();
  const list = open({}, ["version"]);
  put("a", 1, "told");
  loads[0]?.give([
    { id: "a", version: 1, name: "loaded" },
    { id: "b", version: 1, name: "loaded" },
  ]);
  await turn();
  assert.deepEqual(
    list.items().map(({ name }) => name),
    ["told", "loaded"],
  );
});

test("order, limit and what belongs to it are the list's own", async () => {
  const { open, put, loads } = source();
  const list = open({
    compare: (one, other) => other.version - one.version,
    keep: ({ name }) => name !== "done",
    limit: 2,
  });
  loads[0]?.give([thing("a", 1), thing("b", 2)]);
  await turn();
  put("c", 3);
  await turn();
  assert.deepEqual(shown(list), ["c3", "b2"]);
  put("c", 4, "done");
  put("d", 9, "done");
  await turn();
  assert.deepEqual(shown(list), ["b2"]);
});

test("a load that fails is said, and tried again once the sidecar is ready", async () => {
  const { open, loads, state } = source();
  const list = open();
  loads[0]?.fail(new Error("it has ended"));
  await turn();
  assert.deepEqual([String(list.error), list.isLoaded], ["Error: it has ended", false]);
  state("restarting");
  assert.equal(loads.length, 1);
  state("ready");
  loads[1]?.give([thing("a", 1)]);
  await turn();
  assert.deepEqual([list.error, shown(list)], [null, ["a1"]]);
  state("ready");
  assert.equal(loads.length, 2);
});

test("watchers hear once a turn, see the same array until it changes, and nothing after the end", async () => {
  const { open, put, loads, listeners } = source();
  const list = open();
  loads[0]?.give([]);
  await turn();
  let heard = 0;
  const end = list.watch(() => (heard += 1));
  const given: number[] = [];
  list.subscribe((items) => given.push(items.length));
  const before = list.items();
  assert.equal(list.items(), before);
  put("a", 1);
  put("b", 1);
  await turn();
  assert.deepEqual([heard, given, list.items() === before, Object.isFrozen(list.items())], [1, [0, 2], false, true]);
  end();
  put("c", 1);
  await turn();
  assert.equal(heard, 1);
  list.close();
  assert.equal(listeners.size, 0);
});

test("the jobs of the real sidecar, over its crash", async (t) => {
  const sidecar = start(t, { restarts: { firstDelayMs: 1 } });
  const list = liveList<Job>(sidecar, {
    load: () => sidecar.jobs.list().then(({ jobs }) => jobs),
    key: ({ job_id: id }) => id,
    version: ({ version }) => version,
    changes: { "jobs.updated": ({ job }) => ({ put: job }) },
  });
  const statuses = (): string[] => list.items().map((job) => job.status);
  await until(list.watch, () => list.isLoaded);
  await sidecar.jobs.create({ type: "maintenance.backup" });
  await until(list.watch, () => statuses().join() === "succeeded");
  process.kill(sidecar.pid ?? 0, "SIGKILL");
  await status(sidecar, "restarting");
  await sidecar.jobs.create({ type: "maintenance.backup" });
  await until(list.watch, () => statuses().join() === "succeeded,succeeded");
  assert.deepEqual(list.items(), [...(await sidecar.jobs.list()).jobs].reverse());
  list.close();
});
