// Live lists, with responses and notifications in any order, and with the real sidecar.
import assert from "node:assert/strict";
import { test } from "node:test";
import { liveList } from "../../protocol/typescript/renderer.ts";
import type { Job, LiveListOptions } from "../../protocol/typescript/renderer.ts";
import { start, status, tick, until } from "./sidecar_harness.mts";

interface Thing {
  id: string;
  version: number;
  name?: string;
}

/** A fake source: the test emits its notifications and completes its loads. */
function source() {
  const listeners = new Map<string, (params: any) => void>();
  let toState: (state: any) => void = () => undefined;
  const loads: Array<{ resolve: (things: Thing[]) => void; reject: (error: unknown) => void }> = [];
  const from = {
    on(name: string, listener: (params: any) => void) {
      assert.ok(!listeners.has(name), `${name} has two listeners`);
      listeners.set(name, listener);
      return () => void listeners.delete(name);
    },
    onState(listener: (state: any) => void) {
      toState = listener;
      return () => void (toState = () => undefined);
    },
  };
  const load = (): Promise<Thing[]> => new Promise((resolve, reject) => void loads.push({ resolve, reject }));
  const options = {
    load,
    key: ({ id }: Thing) => id,
    version: ({ version }: Thing) => version,
    changes: {
      "jobs.updated": ({ job }: any) => ({ put: job as Thing }),
      "claude.session_updated": ({ session }: any) => ({ drop: session as string }),
      "jobs.log_added": () => null,
    },
  } satisfies LiveListOptions<Thing>;
  const create = (more: Partial<LiveListOptions<Thing>> = {}, without: string[] = []) => {
    const chosen = Object.entries({ ...options, ...more }).filter(([name]) => !without.includes(name));
    return liveList<Thing>(from as never, Object.fromEntries(chosen) as never);
  };
  return {
    create,
    /** Creates a list and watches it. */
    open: (...args: Parameters<typeof create>) => {
      const list = create(...args);
      list.watch(() => undefined);
      return list;
    },
    put: (id: string, version: number, name?: string) =>
      listeners.get("jobs.updated")?.({ job: { id, version, ...(name === undefined ? {} : { name }) } }),
    drop: (id: string) => listeners.get("claude.session_updated")?.({ session: id }),
    notify: (name: string) => listeners.get(name)?.({}),
    state: (status: string) => toState({ status }),
    loads,
    listeners,
  };
}

const thing = (id: string, version: number): Thing => ({ id, version });
const shown = (list: { items(): readonly Thing[] }): string[] =>
  list.items().map(({ id, version }) => `${id}${version}`);

test("a list contains the snapshot and then every change", async () => {
  const { open, put, drop, notify, loads } = source();
  const list = open();
  assert.deepEqual([list.items(), list.isLoaded], [[], false]);
  loads[0]?.resolve([thing("a", 1), thing("b", 1)]);
  await tick();
  assert.deepEqual([shown(list), list.isLoaded], [["a1", "b1"], true]);
  put("b", 2);
  put("c", 1);
  notify("jobs.log_added");
  await tick();
  assert.deepEqual(shown(list), ["a1", "b2", "c1"]);
  drop("a");
  drop("no such");
  await tick();
  assert.deepEqual(shown(list), ["b2", "c1"]);
});

test("the newer of two states wins, regardless of their order", async () => {
  const { open, put, loads } = source();
  const list = open();
  put("a", 5); // newer than the snapshot that arrives later
  put("b", 1); // older than the snapshot
  put("new", 1); // created after the snapshot was taken
  loads[0]?.resolve([thing("a", 4), thing("b", 3)]);
  await tick();
  assert.deepEqual(shown(list), ["a5", "b3", "new1"]);
  put("b", 2);
  await tick();
  assert.deepEqual(shown(list), ["a5", "b3", "new1"]);
});

test("an item that is deleted during a load does not return with the snapshot", async () => {
  const { open, put, drop, loads } = source();
  const list = open();
  loads[0]?.resolve([thing("a", 1), thing("b", 1)]);
  await tick();
  void list.reload();
  drop("a");
  put("c", 1);
  loads[1]?.resolve([thing("a", 1), thing("b", 1)]);
  await tick();
  assert.deepEqual(shown(list), ["b1", "c1"]);
});

test("an item that is missing in a new snapshot is removed", async () => {
  const { open, loads, notify } = source();
  const list = open();
  loads[0]?.resolve([thing("a", 1), thing("b", 1)]);
  await tick();
  notify("events.resync");
  loads[1]?.resolve([thing("b", 1)]);
  await tick();
  assert.deepEqual(shown(list), ["b1"]);
});

test("a resync during a load causes another load", async () => {
  const { open, loads, notify } = source();
  const list = open();
  notify("events.resync");
  notify("events.resync");
  loads[0]?.resolve([thing("early", 1)]);
  await tick();
  assert.equal(loads.length, 2);
  loads[1]?.resolve([thing("late", 1)]);
  await tick();
  assert.deepEqual([shown(list), loads.length], [["late1"], 2]);
});

test("without versions, a notification during a load is newer than the snapshot", async () => {
  const { open, put, loads } = source();
  const list = open({}, ["version"]);
  put("a", 1, "notified");
  loads[0]?.resolve([
    { id: "a", version: 1, name: "loaded" },
    { id: "b", version: 1, name: "loaded" },
  ]);
  await tick();
  assert.deepEqual(
    list.items().map(({ name }) => name),
    ["notified", "loaded"],
  );
});

test("a list applies its order, its limit and its filter", async () => {
  const { open, put, loads } = source();
  const list = open({
    compare: (one, other) => other.version - one.version,
    keep: ({ name }) => name !== "done",
    limit: 2,
  });
  loads[0]?.resolve([thing("a", 1), thing("b", 2)]);
  await tick();
  put("c", 3);
  await tick();
  assert.deepEqual(shown(list), ["c3", "b2"]);
  put("c", 4, "done");
  put("d", 9, "done");
  await tick();
  assert.deepEqual(shown(list), ["b2"]);
});

test("a failed load is reported and retried once the sidecar is ready", async () => {
  const { open, loads, state } = source();
  const list = open();
  loads[0]?.reject(new Error("no connection"));
  await tick();
  assert.deepEqual([String(list.error), list.isLoaded], ["Error: no connection", false]);
  state("restarting");
  assert.equal(loads.length, 1);
  state("ready");
  loads[1]?.resolve([thing("a", 1)]);
  await tick();
  assert.deepEqual([list.error, shown(list)], [null, ["a1"]]);
  state("ready");
  assert.equal(loads.length, 2);
});

test("watchers are called once per tick, items() returns the same array until it changes, and a removed watcher is not called", async () => {
  const { open, put, loads, listeners } = source();
  const list = open();
  loads[0]?.resolve([]);
  await tick();
  let calls = 0;
  const remove = list.watch(() => (calls += 1));
  const given: number[] = [];
  list.subscribe((items) => given.push(items.length));
  const before = list.items();
  assert.equal(list.items(), before);
  put("a", 1);
  put("b", 1);
  await tick();
  assert.deepEqual([calls, given, list.items() === before, Object.isFrozen(list.items())], [1, [0, 2], false, true]);
  remove();
  put("c", 1);
  await tick();
  assert.equal(calls, 1);
  list.close();
  assert.equal(listeners.size, 0);
});

test("a list starts at its first watcher, closes with the last and starts again", async () => {
  const { create, put, loads, listeners } = source();
  const list = create();
  await tick();
  assert.deepEqual([loads.length, listeners.size], [0, 0], "nothing happens before the first watcher");
  const notified: string[] = [];
  const [one, other] = [list.watch(() => notified.push("one")), list.watch(() => notified.push("other"))];
  assert.equal(loads.length, 1, "watchers share the list");
  loads[0]?.resolve([thing("a", 1), thing("b", 1)]);
  await tick();
  assert.deepEqual(
    [notified.splice(0), shown(list)],
    [
      ["one", "other"],
      ["a1", "b1"],
    ],
  );
  one();
  put("b", 2);
  await tick();
  assert.deepEqual([notified.splice(0), shown(list)], [["other"], ["a1", "b2"]]);
  other();
  other();
  assert.deepEqual([listeners.size, shown(list)], [0, ["a1", "b2"]], "the items stay for the next view");
  list.watch(() => notified.push("third"));
  put("c", 1);
  await tick();
  assert.deepEqual([notified.splice(0), shown(list)], [["third"], ["a1", "b2", "c1"]]);
  loads[1]?.resolve([thing("b", 3), thing("c", 1)]);
  await tick();
  assert.deepEqual([notified, shown(list)], [["third"], ["b3", "c1"]], "what was deleted meanwhile is gone");
});

test("under StrictMode, which watches twice, no change is lost and no item doubled", async () => {
  const { create, put, drop, loads, listeners } = source();
  const list = create();
  let notified = 0;
  list.watch(() => (notified += 1))();
  list.watch(() => (notified += 1));
  assert.equal(listeners.size, 4);
  put("a", 2);
  drop("gone");
  loads[0]?.resolve([thing("a", 1), thing("gone", 1)]); // taken before the second watcher listened
  await tick();
  assert.deepEqual([loads.length, list.isLoaded], [2, false]);
  put("b", 2);
  loads[1]?.resolve([thing("a", 2), thing("b", 1)]);
  await tick();
  assert.deepEqual([shown(list), list.isLoaded, notified > 0], [["a2", "b2"], true, true]);
  list.close();
  assert.equal(listeners.size, 0);
  const before = notified;
  list.watch(() => (notified += 1));
  loads[2]?.resolve([thing("b", 1)]);
  await tick();
  assert.deepEqual([shown(list), notified], [["b1"], before + 1], "a closed list starts again");
});

test("an error of a load that a second watcher has made obsolete does not end the list", async () => {
  const { create, loads } = source();
  const list = create();
  list.watch(() => undefined)();
  list.watch(() => undefined);
  loads[0]?.reject(new Error("the page was left"));
  await tick();
  loads[1]?.resolve([thing("a", 1)]);
  await tick();
  assert.deepEqual([list.error, shown(list)], [null, ["a1"]]);
});

test("an error reaches every watcher, also that of a notification which the page may not listen to", async () => {
  const { create, loads, listeners } = source();
  const list = create();
  const notified: string[] = [];
  list.watch(() => notified.push(`one ${String(list.snapshot().error)}`));
  list.watch(() => notified.push(`other ${String(list.snapshot().error)}`));
  loads[0]?.reject(new Error("too many"));
  await tick();
  assert.deepEqual(notified, ["one Error: too many", "other Error: too many"]);
  list.close();
  listeners.set("jobs.updated", () => undefined); // now the source refuses to listen to it
  list.watch(() => notified.push("third"));
  await tick();
  assert.match(String(list.error), /jobs.updated has two listeners/);
  assert.deepEqual([notified.at(-1), listeners.size, loads.length], ["third", 1, 1]);
});

test("items of a replaced database yield to the new ones, although their versions are lower", async () => {
  const { open, put, notify, loads } = source();
  const list = open();
  loads[0]?.resolve([thing("a", 9), thing("b", 9), thing("c", 9)]);
  await tick();
  notify("events.resync");
  put("b", 2);
  put("b", 1);
  loads[1]?.resolve([thing("a", 1), thing("b", 1)]);
  await tick();
  assert.deepEqual(shown(list), ["a1", "b2"]);
  put("a", 1);
  put("a", 2);
  await tick();
  assert.deepEqual(shown(list), ["a2", "b2"]);
});

test("a snapshot stays the same object until something changes", async () => {
  const { create, put, loads } = source();
  const list = create();
  const [first, stop] = [list.snapshot(), list.watch(() => undefined)];
  assert.equal(list.snapshot(), first);
  loads[0]?.resolve([thing("a", 1)]);
  await tick();
  const loaded = list.snapshot();
  put("a", 1);
  await tick();
  assert.equal(list.snapshot(), loaded);
  assert.deepEqual(loaded, { items: [thing("a", 1)], isLoaded: true, error: null });
  stop();
  assert.equal(list.snapshot(), loaded);
});

test("a list of the real sidecar's jobs survives a crash", async (t) => {
  const sidecar = start(t, { restarts: { firstDelayMs: 1 } });
  const list = liveList<Job>(sidecar, {
    load: () => sidecar.jobs.list().then(({ jobs }) => jobs),
    key: ({ job_id: id }) => id,
    version: ({ version }) => version,
    changes: { "jobs.updated": ({ job }) => ({ put: job }) },
  });
  const statuses = (): string[] => list.items().map((job) => job.status);
  list.watch(() => undefined);
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
