// The package's own client with a transcript in place of a sidecar process.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Client, RpcError } from "../../protocol/typescript/client.ts";
import { ReplayTransport } from "../../protocol/typescript/replay.ts";
import { ROOT, tick } from "./sidecar_harness.mts";

const BACKUP = join(ROOT, "tests", "transcripts", "a_backup_runs_and_its_log_is_read.jsonl");
const CLIENT = { protocol_version: 1, client_info: { name: "test", version: "1" } };

function replayed(options = {}): { client: Client; faults: unknown[]; statuses: string[]; replay: ReplayTransport } {
  const [faults, statuses]: [unknown[], string[]] = [[], []];
  const replay = new ReplayTransport(readFileSync(BACKUP, "utf8"), (chunk) => client.receive(chunk), options);
  const client = new Client({ send: replay.send, onFault: (fault) => faults.push(fault) });
  client.on("jobs.updated", ({ job }) => statuses.push(job.status));
  return { client, faults, statuses, replay };
}

test("the client receives a job's recorded states", async () => {
  const { client, faults, statuses } = replayed();
  await client.initialize(CLIENT);
  const succeeded = new Promise<void>((resolve) =>
    client.on("jobs.updated", ({ job }) => void (job.status === "succeeded" && resolve())),
  );
  const { job } = await client.call("jobs.create", { type: "maintenance.backup", payload: { keep: 2 } });
  await succeeded;
  assert.deepEqual(statuses, ["queued", "running", "succeeded"]);
  assert.equal((await client.call("jobs.get", { job_id: job.job_id })).status, "succeeded");
  assert.deepEqual(faults, []);
});

for (const pace of ["fast", "recorded"]) {
  test(`at the pace "${pace}", no notification is sent before the client calls the method of waitFor`, async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
    const aWhile = 30_000; // longer than the recording, shorter than the client's timeout
    const { client, statuses, replay } = replayed({ pace, waitFor: "jobs.log.list" });
    const initialized = client.initialize(CLIENT);
    for (let times = 0; times < 3; times += 1) {
      await tick();
      t.mock.timers.tick(aWhile);
    }
    await initialized;
    assert.deepEqual(statuses, []);
    const listed = client.call("jobs.log.list", { job_id: "unknown" }).catch(() => undefined);
    if (pace === "fast") replay.skipRequest(); // jobs.create
    while (statuses.at(-1) !== "succeeded") {
      await tick();
      t.mock.timers.tick(aWhile);
    }
    await listed;
  });
}

test("what followed a request waits for it however long that takes, or until the test skips it", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const { client, statuses, replay } = replayed();
  const initialized = client.initialize(CLIENT);
  for (let times = 0; times < 3; times += 1) {
    await tick();
    t.mock.timers.tick(20_000);
  }
  await initialized;
  assert.deepEqual(statuses, []);
  assert.ok(replay.unsent > 0);
  while (replay.unsent > 0) replay.skipRequest();
  assert.deepEqual(statuses, ["queued", "running", "succeeded"]);
});

test("the method of waitFor must be in the transcript", () => {
  assert.throws(() => replayed({ waitFor: "jobs.lst" }), /has no jobs.lst/);
});

test("a request that was not recorded fails with an error that names the most similar line", async () => {
  const { client } = replayed();
  await assert.rejects(client.call("jobs.list", { limit: 7 }), (error) => {
    assert.ok(error instanceof RpcError);
    assert.equal(error.kind, "not_recorded");
    assert.match(error.message, /The most similar is in line \d+/);
    return true;
  });
});

test("a file that is not a transcript is refused", () => {
  const open = (text: string, run = 1) => new ReplayTransport(text, () => undefined, { run });
  assert.throws(() => open("{}\n"), /A transcript begins with/);
  assert.throws(() => open('{"transcript":2}\n'), /version 2/);
  assert.throws(() => open('{"transcript":1}\n', 2), /no run 2/);
});
