// Node as the host of a sidecar that records: what it heard is heard again of each stand-in, and verified.
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

const HELLO = { protocol_version: PROTOCOL_VERSION, client_info: { name: "tests", version: "1" } };
const HOUR_MS = 3_600_000;
const STARTS = new Date(Math.floor(Date.now() / HOUR_MS) * HOUR_MS + 2 * HOUR_MS);
const RANGE = { start: hoursLater(-24), end: hoursLater(24) };

function hoursLater(hours: number): string {
  return new Date(STARTS.getTime() + hours * HOUR_MS).toISOString();
}

/** What a supervised sidecar and a client have in common. */
type Heard = Pick<Sidecar, "call" | "onAny">;

interface Said {
  answers: unknown[];
  told: unknown[];
}

/** A data folder to which the calendar of a file has been connected: its address is a secret that no transcript has. */
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
    (look) => sidecar.on("jobs.updated", ({ job }) => ((isSynced ||= job.status === "succeeded"), look())),
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

/** What the host of this test says, and all that it hears. */
async function conversation(sidecar: Heard, accountId: string): Promise<Said> {
  const said: Said = { answers: [], told: [] };
  const looks = new Set<() => void>();
  sidecar.onAny((name, params) => {
    said.told.push([name, params]);
    for (const look of looks) look();
  });
  const ask = async <Name extends RequestName>(name: Name, ...args: CallArguments<Name>): Result<Name> => {
    const answer = await sidecar.call(name, ...args);
    said.answers.push([name, answer]);
    return answer;
  };
  const ended = (jobId: string, status: string): Promise<unknown> =>
    until(
      (look) => (looks.add(look), () => void looks.delete(look)),
      () =>
        (said.told as Array<[string, Notifications["jobs.updated"]]>).some(
          ([name, params]) => name === "jobs.updated" && params.job.job_id === jobId && params.job.status === status,
        ),
    );
  const { job: exported } = await ask("jobs.create", { type: "activity.export" });
  await ended(exported.job_id, "succeeded");
  const { job: planned } = await ask("jobs.create", { type: "maintenance.backup", run_at: hoursLater(20) });
  await ask("jobs.cancel", { job_id: planned.job_id });
  await ended(planned.job_id, "cancelled");
  const sync = await ask("calendar.accounts.sync", { account_id: accountId });
  await ended(sync.job_id, "succeeded");
  await ask("calendar.events.list", RANGE);
  await ask("activity.search", { query: "cut-over", ...RANGE });
  await ask("jobs.list", { limit: 10 });
  return { ...said, told: [...said.told] }; // what the end of the process brings comes later
}

test("what Node has recorded is heard again of each stand-in, and verified against the sidecar", async (t) => {
  const { dataDir, accountId } = await folderWithCalendar(t);
  const before = join(newDataDir(), "..", "before");
  cpSync(dataDir, before, { recursive: true });
  const file = join(newDataDir(), "..", "recorded.jsonl");

  const live = start(t, { dataDir, command: [...COMMAND, "serve", "--record", file] });
  const said = await conversation(live, accountId);
  await live.stop();
  const text = readFileSync(file, "utf8");
  assert.ok(said.told.some((one) => JSON.stringify(one).includes('"jobs.progress"')));
  assert.ok(JSON.stringify(said.answers).includes("Rehearse the cut-over"));
  assert.match(text.trimEnd().split("\n").at(-1) ?? "", /"exit":0/);

  const standin = start(t, { command: [...COMMAND, "replay", file] });
  assert.deepEqual(await conversation(standin, accountId), said);

  const replay = new ReplayTransport(text);
  const client = new Client({ send: replay.send, onFault: (fault) => assert.fail(String(fault)) });
  replay.onData = (chunk) => client.receive(chunk);
  t.after(() => replay.close());
  const [, heard] = await Promise.all([client.initialize(HELLO), conversation(client, accountId)]);
  assert.deepEqual(heard, said);

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
