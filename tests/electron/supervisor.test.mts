// startSidecar in plain Node: crashes, restarts, and what listeners hear over them.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventName, Sidecar } from "../../protocol/typescript/main.ts";
import { failure, isAlive, COMMAND_WITH_TEST_JOBS, scriptedSidecar, start, status, until } from "./sidecar_harness.mts";

const FAST = { firstDelayMs: 1, maxDelayMs: 5, maxFailures: 3 };

function hear(sidecar: Sidecar) {
  const told: Array<{ name: string; seq: number }> = [];
  sidecar.onAny((name, params) => void told.push({ name, seq: (params as { seq?: number }).seq ?? 0 }));
  return {
    told,
    seqs: () => told.map(({ seq }) => seq).filter((seq) => seq > 0),
  };
}

/** Resolves once so many jobs have succeeded from now on. */
function succeeded(sidecar: Sidecar, count: number): Promise<unknown> {
  const done = new Set<string>();
  sidecar.on("jobs.updated", ({ job }) => void (job.status === "succeeded" && done.add(job.job_id)));
  return until(
    (look) => sidecar.onAny(look),
    () => done.size === count,
  );
}

async function backUp(sidecar: Sidecar): Promise<void> {
  const done = succeeded(sidecar, 1);
  await sidecar.jobs.create({ type: "maintenance.backup" });
  await done;
}

/** Resolves once listeners have been told everything that has happened; the number of the last event. */
async function upToDate(sidecar: Sidecar): Promise<number> {
  const { latest_seq: latest } = await sidecar.events.replay({
    after_seq: 0,
    limit: 1,
  });
  await until(
    (look) => sidecar.onAny(look),
    () => sidecar.position?.seq === latest,
  );
  return latest;
}

const numbersTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

test("calls wait for the handshake, and the state says how things are", async (t) => {
  const sidecar = start(t);
  assert.equal(sidecar.state.status, "starting");
  assert.equal((await sidecar.system.health()).status, "ok");
  await sidecar.ready();
  const { state } = sidecar;
  assert.deepEqual(
    { ...state, version: "" },
    {
      status: "ready",
      failure: null,
      exitCode: null,
      message: null,
      version: "",
      schemaMatch: true,
      secrets: "unprotected",
    },
  );
  assert.ok(Object.isFrozen(state) && isAlive(sidecar.pid ?? 0));
});

test("a process that is killed comes back, and listeners miss and repeat nothing", async (t) => {
  const sidecar = start(t, { restarts: { ...FAST, steadyMs: 0 } });
  const { told, seqs } = hear(sidecar);
  for (let life = 0; life < 3; life += 1) {
    await backUp(sidecar);
    const [pid, call] = [sidecar.pid ?? 0, sidecar.system.diagnostics()];
    const back = until(
      (look) => sidecar.onState(look),
      () => sidecar.state.status === "restarting",
    );
    process.kill(pid, "SIGKILL");
    assert.equal((await failure(call)).kind, "sidecar_ended");
    await back;
    // Made while no process runs: it waits for the next one.
    assert.equal((await sidecar.system.health()).status, "ok");
    assert.notEqual(sidecar.pid, pid);
  }
  await backUp(sidecar);
  const last = await upToDate(sidecar);
  assert.deepEqual(seqs(), numbersTo(last));
  assert.equal(
    told.some(({ name }) => name === "events.resync"),
    false,
  );
});

test("what was committed while nobody listened is told after the restart", async (t) => {
  const sidecar = start(t, { restarts: FAST });
  const { seqs } = hear(sidecar);
  await sidecar.ready();
  const kill = sidecar.on("jobs.log_added", () => process.kill(sidecar.pid ?? 0, "SIGKILL"));
  const lost = sidecar.jobs.create({ type: "maintenance.backup" });
  await Promise.allSettled([lost, status(sidecar, "restarting")]);
  kill();
  await sidecar.ready();
  assert.equal((await sidecar.jobs.list()).jobs.length, 1);
  const last = await upToDate(sidecar);
  assert.deepEqual(seqs(), numbersTo(last));
});

test("a host that is told megabytes hears every event, lagging or not", async (t) => {
  const sidecar = start(t, { command: COMMAND_WITH_TEST_JOBS });
  const { told, seqs } = hear(sidecar);
  const text = "ü\u2028\u{1f600}".repeat(300_000);
  const done = succeeded(sidecar, 3);
  for (let job = 0; job < 3; job += 1) await sidecar.call("jobs.create", { type: "test.echo", payload: { text } });
  await done;
  const last = await upToDate(sidecar);
  assert.deepEqual(seqs(), numbersTo(last));
  assert.equal(
    told.some(({ name }) => name === "events.lag" || name === "events.resync"),
    false,
  );
});

test("another database is another epoch: listeners are told to load anew", async (t) => {
  const sidecar = start(t, {
    restarts: FAST,
    command: scriptedSidecar(`({ method, params }, say, greeting) => {
    if (method === "initialize" && params.resume) greeting.events = { epoch: "f", oldest_seq: 1, latest_seq: 9, resume: "resync" };
    if (method === "initialize") setTimeout(say, 0, params.resume
      ? { method: "events.resync", params: { reason: "The database was replaced." } }
      : { method: "jobs.updated", params: { seq: 1 } });
    if (method === "system.status") process.exit(70);
  }`),
  });
  const { told } = hear(sidecar);
  await until(
    (look) => sidecar.onAny(look),
    () => told.length === 1,
  );
  assert.deepEqual(sidecar.position, { epoch: "e", seq: 1 });
  await failure(sidecar.system.status());
  await until(
    (look) => sidecar.onAny(look),
    () => told.length === 2,
  );
  assert.deepEqual([told[1]?.name, sidecar.position], ["events.resync", { epoch: "f", seq: 9 }]);
});

test("stop resolves once the process is gone, and start brings it back", async (t) => {
  const sidecar = start(t);
  await sidecar.ready();
  const { pid = 0 } = sidecar;
  const listing = sidecar.jobs.list();
  await sidecar.stop();
  assert.deepEqual((await listing).jobs, []);
  assert.deepEqual([isAlive(pid), sidecar.pid, sidecar.state.status], [false, undefined, "stopped"]);
  assert.equal((await failure(sidecar.system.health())).data.retryable, false);
  await sidecar.start();
  assert.equal((await sidecar.system.health()).status, "ok");
  // Without waiting in between: the second process starts when the first one has ended.
  const stopped = sidecar.stop();
  await Promise.all([stopped, sidecar.start()]);
  assert.equal((await sidecar.system.health()).status, "ok");
});

test("a process that does not listen is ended all the same", async (t) => {
  const sidecar = start(t, {
    command: scriptedSidecar(`() => { globalThis.forever ??= setInterval(() => {}, 1000); }`),
  });
  await sidecar.ready();
  const { pid = 0 } = sidecar;
  await sidecar.stop();
  assert.equal(isAlive(pid), false);
});

test("stopping ends the waiting for a restart", async (t) => {
  const sidecar = start(t, {
    command: [process.execPath, "-e", "process.exit(70)"],
    restarts: { firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
  });
  const call = sidecar.system.health();
  await status(sidecar, "restarting");
  await sidecar.stop();
  assert.equal((await failure(call)).kind, "sidecar_ended");
});

test("a call that waits for a process can be given up, and has its deadline", async (t) => {
  const sidecar = start(t, { command: scriptedSidecar(`() => true`) });
  const controller = new AbortController();
  const given = sidecar.system.health({}, { signal: controller.signal });
  const late = failure(sidecar.system.health({}, { timeoutMs: 1 }));
  controller.abort();
  assert.equal((await failure(given)).name, "AbortError");
  assert.equal((await late).kind, "timed_out");
});

test("a bug report has the log, also that of a process which is no more", async (t) => {
  const lines: string[] = [];
  const sidecar = start(t, { onLog: (line) => lines.push(line) });
  await sidecar.ready();
  const report = await sidecar.bugReport();
  assert.equal(report.diagnostics?.health.status, "ok");
  assert.equal(report.state.status, "ready");
  await sidecar.stop();
  const later = await sidecar.bugReport();
  assert.ok(later.log.length > 0 && later.log.some((line) => line.includes("shook hands")));
  assert.deepEqual([later.diagnostics, later.log], [null, lines.slice(-300)]);
});

test("what nobody wants is not sent", async (t) => {
  const optOut: EventName[] = ["jobs.log_added", "jobs.progress"];
  const sidecar = start(t, { optOut });
  const { told } = hear(sidecar);
  await backUp(sidecar);
  assert.deepEqual([...new Set(told.map(({ name }) => name))].sort(), ["jobs.updated", "system.state"]);
});
