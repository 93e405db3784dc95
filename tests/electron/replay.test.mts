// A transcript in place of the sidecar: the package's own client, and no process.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Client, RpcError } from "../../protocol/typescript/client.ts";
import { ReplayTransport } from "../../protocol/typescript/replay.ts";
import { ROOT, until } from "./sidecar_harness.mts";

const BACKUP = join(ROOT, "tests", "transcripts", "a_backup_runs_and_its_log_is_read.jsonl");
const CLIENT = { protocol_version: 1, client_info: { name: "test", version: "1" } };

function played(options = {}): { client: Client; faults: unknown[]; replay: ReplayTransport } {
  const faults: unknown[] = [];
  const replay = new ReplayTransport(readFileSync(BACKUP, "utf8"), options);
  const client = new Client({ send: replay.send, onFault: (fault) => faults.push(fault) });
  replay.onData = (chunk) => client.receive(chunk);
  return { client, faults, replay };
}

test("the client follows a job through its recorded life", async () => {
  const { client, faults } = played();
  const states: string[] = [];
  await client.initialize(CLIENT);
  const ended = until(
    (look) =>
      client.on("jobs.updated", ({ job }) => {
        states.push(job.status);
        look();
      }),
    () => states.at(-1) === "succeeded",
  );
  const { job } = await client.call("jobs.create", { type: "maintenance.backup", payload: { keep: 2 } });
  await ended;
  assert.deepEqual(states, ["queued", "running", "succeeded"]);
  assert.equal((await client.call("jobs.get", { job_id: job.job_id })).status, "succeeded");
  assert.deepEqual(faults, []);
});

for (const pace of ["fast", "recorded"]) {
  test(`played ${pace}, a window that is slow to listen is told nothing unasked before it asks`, async () => {
    const { client } = played({ pace, waitFor: "jobs.log.list" });
    const told: string[] = [];
    client.on("jobs.updated", ({ job }) => told.push(job.status));
    await client.initialize(CLIENT);
    await new Promise((resolve) => setTimeout(resolve, 200)); // four times as long as a silent client is left alone
    assert.deepEqual(told, []);
    await until(
      (look) => {
        const off = client.on("jobs.updated", look);
        void client.call("jobs.log.list", { job_id: "nobody's" }).catch(look);
        return off;
      },
      () => told.at(-1) === "succeeded",
    );
  });
}

test("what is waited for must be in the transcript", () => {
  assert.throws(() => played({ waitFor: "jobs.lst" }), /has no jobs.lst/);
});

test("what was not recorded is an error that names the nearest line", async () => {
  const { client } = played();
  await assert.rejects(client.call("jobs.list", { limit: 7 }), (error) => {
    assert.ok(error instanceof RpcError);
    assert.equal(error.kind, "not_recorded");
    assert.match(error.message, /The nearest stands in line \d+/);
    return true;
  });
});

test("a file that is no transcript is refused", () => {
  assert.throws(() => new ReplayTransport("{}\n"), /A transcript begins with/);
  assert.throws(() => new ReplayTransport('{"transcript":2}\n'), /version 2/);
  assert.throws(() => new ReplayTransport('{"transcript":1}\n', { life: 2 }), /no life 2/);
});
