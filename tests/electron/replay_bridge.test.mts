// Pages over a transcript: calls, live lists, positions and what was not as recorded.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connectSidecar, liveList, RpcError } from "../../protocol/typescript/renderer.ts";
import type { Job } from "../../protocol/typescript/renderer.ts";
import { replayBridge } from "../../protocol/typescript/replay.ts";
import { ROOT, until } from "./sidecar_harness.mts";

const BACKUP = readFileSync(join(ROOT, "tests", "transcripts", "a_backup_runs_and_its_log_is_read.jsonl"), "utf8");
const backUp = { type: "maintenance.backup", payload: { keep: 2 } } as const;

test("a live list follows the recorded notifications, and the page's requests are counted", async () => {
  const bridge = replayBridge(BACKUP);
  const sidecar = connectSidecar(bridge);
  const jobs = liveList<Job>(sidecar, {
    load: async () => [],
    key: (job) => job.job_id,
    version: (job) => job.version,
    changes: { "jobs.updated": ({ job }) => ({ put: job }) },
  });
  jobs.watch(() => undefined);
  const { job } = await sidecar.jobs.create(backUp);
  await until(jobs.watch, () => jobs.items()[0]?.status === "succeeded");
  assert.equal((await sidecar.jobs.get({ job_id: job.job_id })).status, "succeeded");
  assert.equal((await sidecar.state()).status, "ready");
  await assert.rejects(sidecar.jobs.list({ limit: 7 }), (error) => (error as RpcError).kind === "not_recorded");
  assert.deepEqual(
    bridge.misses.map(({ method, params }) => [method, params]),
    [["jobs.list", { limit: 7 }]],
  );
  const unused = bridge.unused.map(({ method }) => method);
  assert.ok(unused.includes("jobs.log.list"));
  assert.ok(!unused.includes("jobs.create") && !unused.includes("initialize"));
  bridge.close();
});

test("a page that was reloaded receives what it missed, or a resync after another recording", async () => {
  const bridge = replayBridge(BACKUP);
  const sidecar = connectSidecar(bridge);
  const start = await sidecar.position();
  assert.ok(start !== null);
  const done = new Promise<void>((resolve) =>
    sidecar.on("jobs.updated", ({ job }) => void (job.status === "succeeded" && resolve())),
  );
  await sidecar.jobs.create(backUp);
  await done;
  const missed: string[] = [];
  await new Promise<void>((resolve) =>
    sidecar.onSince(
      { ...start, seq: 0 },
      { "jobs.updated": ({ job: { status } }) => void (missed.push(status), status === "succeeded" && resolve()) },
    ),
  );
  assert.deepEqual(missed, ["queued", "running", "succeeded"]);
  const resync = new Promise<unknown>((resolve) =>
    sidecar.onSince({ epoch: "another", seq: 0 }, { "events.resync": resolve }),
  );
  assert.match(JSON.stringify(await resync), /another recording/);
  bridge.close();
});

test("times are moved to the given day", async () => {
  const bridge = replayBridge(BACKUP, { shiftDates: true, now: () => Date.parse("2031-05-04T12:00:00Z") });
  const { job } = await connectSidecar(bridge).jobs.create(backUp);
  assert.match(job.created_at, /^2031-05-0[345]T/);
  bridge.close();
});

test("an aborted call rejects with the reason, and a page may not make the handshake", async () => {
  const bridge = replayBridge(BACKUP, { pace: "recorded" });
  const abort = new AbortController();
  const call = connectSidecar(bridge).jobs.create(backUp, { signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(call, /enough/);
  const response = await bridge.call(1, "initialize");
  assert.equal(response.ok ? null : response.error.data?.kind, "not_allowed");
  bridge.close();
});
