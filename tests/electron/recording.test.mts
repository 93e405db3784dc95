// A sidecar that records, started by Node: each replay gives the same responses and notifications, and verifying passes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Client, PROTOCOL_VERSION } from "../../protocol/typescript/client.ts";
import type { CallArguments, RequestName, Result } from "../../protocol/typescript/client.ts";
import type { Notifications } from "../../protocol/typescript/contract.ts";
import type { Sidecar } from "../../protocol/typescript/main.ts";
import { ReplayTransport } from "../../protocol/typescript/replay.ts";
import { COMMAND, newDataDir, PYTHON, ROOT, start, until } from "./sidecar_harness.mts";

const INITIALIZE = { protocol_version: PROTOCOL_VERSION, client_info: { name: "tests", version: "1" } };
const HOUR_MS = 3_600_000;
const STARTS = new Date(Math.floor(Date.now() / HOUR_MS) * HOUR_MS + 2 * HOUR_MS);
const RANGE = { start: hoursLater(-24), end: hoursLater(24) };

function hoursLater(hours: number): string {
  return new Date(STARTS.getTime() + hours * HOUR_MS).toISOString();
}

/** The common methods of a supervised sidecar and a client. */
type Connection = Pick<Sidecar, "call" | "onAny">;

interface Exchange {
  responses: unknown[];
  notifications: unknown[];
}

/** A data folder with a connected calendar file, whose address is a secret and therefore not in a transcript. */
async function folderWithCalendar(t: TestContext): Promise<{ dataDir: string; accountId: string }> {
  const dataDir = newDataDir();
  mkdirSync(dataDir, { recursive: true });
  const file = join(newDataDir(), "..", "calendar.ics");
  const stamp = (hours: number): string => hoursLater(hours).replace(/[-:]|\.\d+/g, "");
  const event = `BEGIN:VEVENT\r\nUID:cut-over\r\nDTSTAMP:${stamp(-48)}\r\nDTSTART:${stamp(0)}\r\nDTEND:${stamp(1)}\r\nSUMMARY:Rehearse the cut-over\r\nEND:VEVENT\r\n`;
  writeFileSync(file, `BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//tests//EN\r\n${event}END:VCALENDAR\r\n`);
  const sidecar = start(t, { dataDir });
  const credentials = { address: file };
  let isSynced = false;
  const synced = until(
    (check) => sidecar.on("jobs.updated", ({ job }) => ((isSynced ||= job.status === "succeeded"), check())),
    () => isSynced,
  );
  const account = await sidecar.calendar.accounts.create({
    provider: "ics",
    email: "mara@tramline.example",
    credentials,
  });
  await synced;
  await sidecar.stop();
  return { dataDir, accountId: account.account_id };
}

/** Sends this test's requests; returns all responses, and the notifications up to the last one. */
async function exchange(sidecar: Connection, accountId: string): Promise<Exchange> {
  const { responses, notifications }: Exchange = { responses: [], notifications: [] };
  const checks = new Set<() => void>();
  sidecar.onAny((name, params) => {
    notifications.push([name, params]);
    for (const check of checks) check();
  });
  const request = async <Name extends RequestName>(name: Name, ...args: CallArguments<Name>): Result<Name> => {
    const response = await sidecar.call(name, ...args);
    responses.push([name, response]);
    return response;
  };
  const ended = (jobId: string, status: string): Promise<unknown> =>
    until(
      (check) => (checks.add(check), () => void checks.delete(check)),
      () =>
        (notifications as Array<[string, Notifications["jobs.updated"]]>).some(
          ([name, params]) => name === "jobs.updated" && params.job.job_id === jobId && params.job.status === status,
        ),
    );
  const { job: exported } = await request("jobs.create", { type: "activity.export" });
  await ended(exported.job_id, "succeeded");
  const { job: planned } = await request("jobs.create", { type: "maintenance.backup", run_at: hoursLater(20) });
  await request("jobs.cancel", { job_id: planned.job_id });
  await ended(planned.job_id, "cancelled");
  const sync = await request("calendar.accounts.sync", { account_id: accountId });
  await ended(sync.job_id, "succeeded");
  await request("calendar.events.list", RANGE);
  await request("activity.search", { query: "cut-over", ...RANGE });
  await request("jobs.list", { limit: 10 });
  return { responses, notifications: [...notifications] }; // stopping the sidecar causes further notifications
}

test("a recorded conversation is the same with every replay and is verified against the sidecar", async (t) => {
  const { dataDir, accountId } = await folderWithCalendar(t);
  const before = join(newDataDir(), "..", "before");
  cpSync(dataDir, before, { recursive: true });
  const file = join(newDataDir(), "..", "recorded.jsonl");

  const live = start(t, { dataDir, command: [...COMMAND, "serve", "--record", file] });
  const recorded = await exchange(live, accountId);
  await live.stop();
  const text = readFileSync(file, "utf8");
  assert.ok(JSON.stringify(recorded.notifications).includes('"jobs.progress"'));
  assert.ok(JSON.stringify(recorded.responses).includes("Rehearse the cut-over"));
  assert.match(text.trimEnd().split("\n").at(-1) ?? "", /"exit":0/);

  const replaying = start(t, { command: [...COMMAND, "replay", file] });
  assert.deepEqual(await exchange(replaying, accountId), recorded);

  const replay = new ReplayTransport(text, (chunk) => client.receive(chunk));
  const client = new Client({ send: replay.send, onFault: (fault) => assert.fail(String(fault)) });
  t.after(() => replay.close());
  const [, replayed] = await Promise.all([client.initialize(INITIALIZE), exchange(client, accountId)]);
  assert.deepEqual(replayed, recorded);

  const verify = (path: string) =>
    spawnSync(PYTHON, ["-m", "sidecar", "verify", "--data", before, path], { cwd: ROOT, encoding: "utf8" });
  const verified = verify(file);
  assert.equal(verified.status, 0, verified.stdout + verified.stderr);
  const forged = join(newDataDir(), "..", "forged.jsonl");
  writeFileSync(forged, text.replaceAll("Rehearse the cut-over", "Rehearse nothing"));
  const refuted = verify(forged);
  assert.equal(refuted.status, 1);
  assert.match(refuted.stdout + refuted.stderr, /calendar\.events\.list/);
});
