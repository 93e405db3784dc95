// startSidecar in plain Node: crashes, restarts, and the notifications that listeners receive meanwhile.
import assert from "node:assert/strict";
import { test } from "node:test";
import { GRACE_MS } from "../../protocol/typescript/client.ts";
import type { EventName, Sidecar } from "../../protocol/typescript/main.ts";
import { failure, isAlive, COMMAND_WITH_TEST_JOBS, scriptedSidecar, start, status, until } from "./sidecar_harness.mts";

const FAST = { firstDelayMs: 1, maxDelayMs: 5, maxFailures: 3 };

function listen(sidecar: Sidecar) {
  const received: Array<{ name: string; seq: number }> = [];
  sidecar.onAny((name, params) => void received.push({ name, seq: (params as { seq?: number }).seq ?? 0 }));
  return { received, seqs: () => received.map(({ seq }) => seq).filter((seq) => seq > 0) };
}

/** Resolves once `count` more jobs have succeeded. */
function succeeded(sidecar: Sidecar, count: number): Promise<unknown> {
  const done = new Set<string>();
  sidecar.on("jobs.updated", ({ job }) => void (job.status === "succeeded" && done.add(job.job_id)));
  return until(
    (check) => sidecar.onAny(check),
    () => done.size === count,
  );
}

async function backUp(sidecar: Sidecar): Promise<void> {
  const done = succeeded(sidecar, 1);
  await sidecar.jobs.create({ type: "maintenance.backup" });
  await done;
}

/** Waits until all notifications were delivered; returns the `seq` of the last one. */
async function upToDate(sidecar: Sidecar): Promise<number> {
  const { latest_seq: latest } = await sidecar.events.replay({ after_seq: 0, limit: 1 });
  await until(
    (check) => sidecar.onAny(check),
    () => sidecar.position?.seq === latest,
  );
  return latest;
}

const seqsTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

test("calls wait for the handshake, and the state is ready", async (t) => {
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
      crashes: 0,
      exitCode: null,
      message: null,
      version: "",
      schemaMatch: true,
      secrets: "unprotected",
    },
  );
  assert.ok(Object.isFrozen(state) && isAlive(sidecar.pid ?? 0));
});

test("a killed process is restarted, and listeners receive every notification once", async (t) => {
  const sidecar = start(t, { restarts: { ...FAST, steadyMs: 0 } });
  const { received, seqs } = listen(sidecar);
  for (let restarts = 0; restarts < 3; restarts += 1) {
    await backUp(sidecar);
    const [pid, call] = [sidecar.pid ?? 0, sidecar.system.diagnostics()];
    const back = until(
      (check) => sidecar.onState(check),
      () => sidecar.state.status === "restarting",
    );
    process.kill(pid, "SIGKILL");
    assert.equal((await failure(call)).kind, "sidecar_ended");
    await back;
    // Called while no process is running: it waits for the next one.
    assert.equal((await sidecar.system.health()).status, "ok");
    assert.notEqual(sidecar.pid, pid);
  }
  await backUp(sidecar);
  const last = await upToDate(sidecar);
  assert.deepEqual(seqs(), seqsTo(last));
  assert.equal(
    received.some(({ name }) => name === "events.resync"),
    false,
  );
});

test("notifications that were committed during a crash are delivered after the restart", async (t) => {
  const sidecar = start(t, { restarts: FAST });
  const { seqs } = listen(sidecar);
  await sidecar.ready();
  const kill = sidecar.on("jobs.log_added", () => process.kill(sidecar.pid ?? 0, "SIGKILL"));
  const lost = sidecar.jobs.create({ type: "maintenance.backup" });
  await Promise.allSettled([lost, status(sidecar, "restarting")]);
  kill();
  await sidecar.ready();
  assert.equal((await sidecar.jobs.list()).jobs.length, 1);
  const last = await upToDate(sidecar);
  assert.deepEqual(seqs(), seqsTo(last));
});

test("a client that lags behind megabytes of notifications receives every one", async (t) => {
  const sidecar = start(t, { command: COMMAND_WITH_TEST_JOBS });
  const { received, seqs } = listen(sidecar);
  const text = "ü\u2028\u{1f600}".repeat(300_000);
  const done = succeeded(sidecar, 3);
  const params = { type: "test.echo", payload: { text } } as never;
  for (let job = 0; job < 3; job += 1) await sidecar.call("jobs.create", params);
  await done;
  const last = await upToDate(sidecar);
  assert.deepEqual(seqs(), seqsTo(last));
  assert.equal(
    received.some(({ name }) => name === "events.lag" || name === "events.resync"),
    false,
  );
});

test("another database is another epoch and causes a resync", async (t) => {
  const sidecar = start(t, {
    restarts: FAST,
    command: scriptedSidecar(`({ method, params }, send, initialized) => {
    if (method === "initialize" && params.resume) initialized.events = { epoch: "f", oldest_seq: 1, latest_seq: 9, resume: "resync" };
    if (method === "initialize") setTimeout(send, 0, params.resume
      ? { method: "events.resync", params: { reason: "The database was replaced." } }
      : { method: "jobs.updated", params: { seq: 1 } });
    if (method === "system.status") process.exit(70);
  }`),
  });
  const { received } = listen(sidecar);
  await until(
    (check) => sidecar.onAny(check),
    () => received.length === 1,
  );
  assert.deepEqual(sidecar.position, { epoch: "e", seq: 1 });
  await failure(sidecar.system.status());
  await until(
    (check) => sidecar.onAny(check),
    () => received.length === 2,
  );
  assert.deepEqual([received[1]?.name, sidecar.position], ["events.resync", { epoch: "f", seq: 9 }]);
});

test("stop resolves once the process has ended, and start restarts it", async (t) => {
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
  // Without waiting in between, the second process starts after the first one has ended.
  const stopped = sidecar.stop();
  await Promise.all([stopped, sidecar.start()]);
  assert.equal((await sidecar.system.health()).status, "ok");
});

test("a process that ignores the end of stdin is terminated", async (t) => {
  const sidecar = start(t, {
    command: scriptedSidecar(`() => { globalThis.forever ??= setInterval(() => {}, 1000); }`),
  });
  await sidecar.ready();
  const { pid = 0 } = sidecar;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const stopped = sidecar.stop();
  t.mock.timers.tick(6_000);
  t.mock.timers.reset();
  await stopped;
  assert.equal(isAlive(pid), false);
});

test("stop cancels a scheduled restart", async (t) => {
  const sidecar = start(t, {
    command: [process.execPath, "-e", "process.exit(70)"],
    restarts: { firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
  });
  const call = sidecar.system.health();
  await status(sidecar, "restarting");
  await sidecar.stop();
  assert.equal((await failure(call)).kind, "sidecar_ended");
});

test("a call that waits for a process can be aborted and has a timeout", async (t) => {
  const sidecar = start(t, { command: scriptedSidecar(`() => true`) });
  const controller = new AbortController();
  const aborted = sidecar.system.health({}, { signal: controller.signal });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const timedOut = failure(sidecar.system.health({}, { timeoutMs: 1 }));
  t.mock.timers.tick(1 + GRACE_MS);
  t.mock.timers.reset();
  controller.abort();
  assert.equal((await failure(aborted)).name, "AbortError");
  assert.equal((await timedOut).kind, "timed_out");
});

test("a bug report contains the log, also after the process has ended", async (t) => {
  const lines: string[] = [];
  const sidecar = start(t, { onLog: (line) => lines.push(line) });
  await sidecar.ready();
  const report = await sidecar.bugReport();
  assert.equal(report.diagnostics?.health.status, "ok");
  assert.equal(report.state.status, "ready");
  await sidecar.stop();
  const later = await sidecar.bugReport();
  assert.ok(later.log.length > 0 && later.log.some((line) => line.includes(" connected with protocol ")));
  assert.deepEqual([later.diagnostics, later.log], [null, lines.slice(-300)]);
});

test("notifications in optOut are not sent", async (t) => {
  const optOut: EventName[] = ["jobs.log_added", "jobs.progress"];
  const sidecar = start(t, { optOut });
  const { received } = listen(sidecar);
  await backUp(sidecar);
  assert.deepEqual([...new Set(received.map(({ name }) => name))].sort(), ["jobs.updated", "system.state"]);
});
