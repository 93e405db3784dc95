// startSidecar in plain Node: every kind of failure and its message.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeApp, FakeIpcMain } from "./fake_electron/main_process.mts";
import { failure, newDataDir, PYTHON, scriptedSidecar, start } from "./sidecar_harness.mts";

const FAST = { firstDelayMs: 1, maxDelayMs: 5, maxFailures: 3 };

test("a database that another process has open is a failure that names the process", async (t) => {
  const dataDir = newDataDir();
  const first = start(t, { dataDir });
  await first.ready();
  const second = start(t, { dataDir, restarts: { ...FAST, maxFailures: 10 } });
  const error = await failure(second.system.health());
  assert.deepEqual([second.state.status, second.state.failure, second.state.exitCode], ["failed", "locked", 73]);
  assert.match(second.state.message ?? "", new RegExp(`\\b${first.pid}\\b`));
  assert.equal(error.kind, "sidecar_ended");
  await first.stop();
  await second.start();
  assert.equal((await second.system.health()).status, "ok");
});

for (const [code, expected] of [
  [2, "usage"],
  [78, "newer_database"],
  [70, "crashing"],
  [74, "crashing"],
  [0, "crashing"],
] as const) {
  test(`exit code ${code} becomes the failure ${expected}, after restarts only if they can help`, async (t) => {
    const sidecar = start(t, {
      command: [process.execPath, "-e", `console.error("sidecar: words for a person"); process.exit(${code})`],
      restarts: FAST,
    });
    let starts = 1;
    sidecar.onState(({ status: now }) => void (now === "restarting" && (starts += 0.5)));
    const error = await failure(sidecar.ready());
    assert.match(error.message, /words for a person/);
    assert.deepEqual([sidecar.state.failure, sidecar.state.exitCode], [expected, code]);
    assert.equal(starts, expected === "crashing" ? FAST.maxFailures : 1);
  });
}

test("the message of an earlier exit is not used for a later one", async (t) => {
  const script = `const fs = require("node:fs"); const been = process.argv[1];
    if (!fs.existsSync(been)) { fs.writeFileSync(been, ""); console.error("sidecar: the first reason"); } process.exit(70)`;
  const sidecar = start(t, { command: [process.execPath, "-e", script, `${newDataDir()} been`], restarts: FAST });
  const messages: Array<string | null> = [];
  sidecar.onState(
    ({ status: now, exitCode, message }) => void (now !== "starting" && exitCode && messages.push(message)),
  );
  await failure(sidecar.ready());
  assert.deepEqual([messages[0], messages.at(-1)], ["the first reason", null]);
});

test("an invalid command is not startable", async (t) => {
  for (const command of [[""], ["no\0such"]]) {
    const sidecar = start(t, { command });
    await failure(sidecar.ready());
    assert.equal(sidecar.state.failure, "not_startable");
  }
});

test("a missing program fails at once with its name", async (t) => {
  const sidecar = start(t, { command: ["/no/such/sidecar"] });
  assert.match((await failure(sidecar.ready())).message, /\/no\/such\/sidecar/);
  assert.equal(sidecar.state.failure, "not_startable");
});

test("a sidecar with another contract is refused or reported, as the options say", async (t) => {
  const other = scriptedSidecar(
    `({ method }, send, initialized) => { if (method === "initialize") initialized.schema_match = false; }`,
  );
  const refusing = start(t, { command: other, schemaMismatch: "refuse" });
  assert.match((await failure(refusing.ready())).message, /another contract/);
  assert.equal(refusing.state.failure, "protocol_mismatch");
  const faults: unknown[] = [];
  const warned = start(t, { command: other, onFault: (fault) => faults.push(fault) });
  await warned.ready();
  assert.deepEqual([warned.state.schemaMatch, faults.length], [false, 1]);
});

test("a sidecar with another protocol version is not used", async (t) => {
  const other = scriptedSidecar(
    `({ method }, send, initialized) => { if (method === "initialize") initialized.protocol_version = 2; }`,
  );
  const sidecar = start(t, { command: other });
  assert.match((await failure(sidecar.ready())).message, /protocol version 2/);
  assert.equal(sidecar.state.failure, "protocol_mismatch");
});

test("a refused handshake is not a crash and is not retried", async (t) => {
  let starts = 0;
  const sidecar = start(t, {
    command: scriptedSidecar(`({ id, method }, send) => {
    if (method === "initialize") send({ id, error: { code: 4010, message: "Not with this token.", data: { kind: "unauthorized" } } });
    return true;
  }`),
  });
  sidecar.onState(({ status: now }) => void (now === "restarting" && (starts += 1)));
  assert.match((await failure(sidecar.ready())).message, /Not with this token/);
  assert.deepEqual([sidecar.state.failure, starts], ["refused", 0]);
});

test("the token in the environment is sent", async (t) => {
  const sidecar = start(t, { env: { BACKEND_TOKEN: "hunter2" } });
  assert.equal((await sidecar.jobs.list()).jobs.length, 0);
});

test("the variables with which an AppImage starts its own Python do not reach the sidecar", async (t) => {
  process.env["PYTHONHOME"] = process.env["PYTHONPATH"] = "/mnt/hub/usr";
  t.after(() => {
    delete process.env["PYTHONHOME"];
    delete process.env["PYTHONPATH"];
  });
  await start(t).ready();
});

test("a missing folder and a missing program are named", async (t) => {
  for (const [options, expected] of [
    [{ cwd: "/no/such/folder" }, "The folder /no/such/folder (cwd) does not exist."],
    [{ command: ["no-such-program"] }, "The program no-such-program was not found."],
  ] as const) {
    const sidecar = start(t, options);
    await failure(sidecar.ready());
    assert.deepEqual([sidecar.state.failure, sidecar.state.message], ["not_startable", expected]);
  }
});

test("without a message for the user, the last line of stderr is the reason", async (t) => {
  const sidecar = start(t, { command: [PYTHON, "-I", "-S", "-m", "sidecar"], restarts: FAST });
  await failure(sidecar.ready());
  assert.match(sidecar.state.message ?? "", /No module named '?sidecar'?$/);
});

test("a second sidecar for the same windows is refused and leaves nothing behind", async (t) => {
  const ipc = new FakeIpcMain();
  const app = new FakeApp();
  const first = start(t, { electron: { ipcMain: ipc.typed, app: app.typed } });
  await first.ready();
  const listeners = app.listenerCount("will-quit");
  assert.throws(() => start(t, { electron: { ipcMain: ipc.typed, app: app.typed } }), /dispose\(\) it before/);
  assert.equal(app.listenerCount("will-quit"), listeners);
  assert.equal((await first.system.health()).status, "ok");
});
