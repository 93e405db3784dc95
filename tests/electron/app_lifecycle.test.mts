// The app's and the machine's life, and the key, with Electron's parts stood in for and the real sidecar.
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KEY_FILE } from "../../protocol/typescript/keys.ts";
import { claimSingleInstance } from "../../protocol/typescript/main.ts";
import type { ElectronParts } from "../../protocol/typescript/main.ts";
import { isAlive, newDataDir, start } from "./sidecar_harness.mts";
import { FakeApp, FakePowerMonitor, FakeSafeStorage } from "./fake_electron/main_process.mts";

test("the app quits when the sidecar has, not before, and asks once", async (t) => {
  const app = new FakeApp();
  const sidecar = start(t, { electron: { app: app.typed } });
  await sidecar.ready();
  const { pid = 0 } = sidecar;
  app.quit();
  assert.equal(isAlive(pid), true);
  await app.exited;
  assert.deepEqual([isAlive(pid), app.quits, sidecar.state.status], [false, 2, "stopped"]);
});

test("an app that has stopped its sidecar, as before an update, quits at once", async (t) => {
  const app = new FakeApp();
  const sidecar = start(t, { electron: { app: app.typed } });
  await sidecar.ready();
  await sidecar.stop();
  app.quit();
  await app.exited;
  assert.equal(app.quits, 1);
  await sidecar.dispose();
  assert.deepEqual(app.eventNames(), []);
});

test("the app's name is in the log", async (t) => {
  const sidecar = start(t, { electron: { app: new FakeApp().typed } });
  await sidecar.ready();
  assert.ok((await sidecar.system.diagnostics()).log_tail.some((line) => line.includes("Stand-in 1.2.3 shook hands")));
});

test("a machine that wakes makes the sidecar look at the clock", async (t) => {
  const power = new FakePowerMonitor();
  const sidecar = start(t, { electron: { powerMonitor: power.typed } });
  power.emit("resume"); // before it is ready there is nobody to tell
  await sidecar.ready();
  const { requests: before } = await sidecar.system.status();
  power.emit("resume");
  assert.equal((await sidecar.system.status()).requests, before + 2);
  await sidecar.dispose();
  assert.deepEqual(power.eventNames(), []);
});

test("the second instance shows the first one and goes", () => {
  const [first, second] = [new FakeApp(), new FakeApp()];
  second.isLocked = true;
  let shown = 0;
  assert.equal(
    claimSingleInstance(first.typed, () => (shown += 1)),
    true,
  );
  assert.equal(
    claimSingleInstance(second.typed, () => (shown += 10)),
    false,
  );
  first.emit("second-instance", {}, []);
  assert.deepEqual([shown, first.quits, second.quits], [1, 0, 1]);
});

const keyOf = (dataDir: string): string => join(dataDir, KEY_FILE);

test("credentials are under a key that the keyring guards, in this life and in the next", async (t) => {
  const [dataDir, safeStorage] = [newDataDir(), new FakeSafeStorage("keyring")];
  const electron: ElectronParts = { app: new FakeApp().typed, safeStorage };
  const first = start(t, { dataDir, electron });
  await first.ready();
  assert.equal(first.state.secrets, "protected");
  const wrapped = readFileSync(keyOf(dataDir), "utf-8");
  const { result: key } = await safeStorage.decryptStringAsync(Buffer.from(wrapped));
  assert.equal(Buffer.from(key, "base64").length, 32);
  if (process.platform !== "win32") assert.equal(statSync(keyOf(dataDir)).mode & 0o777, 0o600);
  await first.stop();
  await first.start();
  await first.ready();
  assert.deepEqual([first.state.secrets, readFileSync(keyOf(dataDir), "utf-8")], ["protected", wrapped]);
  const said = JSON.stringify([await first.bugReport(), await first.rpc.discover()]);
  assert.equal(said.includes(key), false);
});

test("a key that cannot be read is neither used nor replaced", async (t) => {
  const dataDir = newDataDir();
  const own = start(t, {
    dataDir,
    electron: { safeStorage: new FakeSafeStorage("keyring") },
  });
  await own.ready();
  await own.stop();
  const wrapped = readFileSync(keyOf(dataDir), "utf-8");
  const faults: unknown[] = [];
  const other = { safeStorage: new FakeSafeStorage("another keyring") };
  const foreign = start(t, {
    dataDir,
    electron: other,
    onFault: (fault) => faults.push(fault),
  });
  await foreign.ready();
  assert.notEqual(foreign.state.secrets, "protected");
  assert.deepEqual([faults.length, readFileSync(keyOf(dataDir), "utf-8")], [1, wrapped]);
});

test("a file that holds no key is left as it is", async (t) => {
  const dataDir = newDataDir();
  const safeStorage = new FakeSafeStorage("keyring");
  const made = start(t, { dataDir });
  await made.ready();
  await made.stop();
  writeFileSync(keyOf(dataDir), await safeStorage.encryptStringAsync("a short key"));
  const faults: unknown[] = [];
  const sidecar = start(t, {
    dataDir,
    electron: { safeStorage },
    onFault: (fault) => faults.push(fault),
  });
  await sidecar.ready();
  assert.match(String(faults[0]), /does not hold a key/);
  assert.equal((await safeStorage.decryptStringAsync(readFileSync(keyOf(dataDir)))).result, "a short key");
});

test("a key that should be wrapped anew is", async (t) => {
  const [dataDir, safeStorage] = [newDataDir(), new FakeSafeStorage("keyring")];
  const sidecar = start(t, { dataDir, electron: { safeStorage } });
  await sidecar.ready();
  await sidecar.stop();
  const { result: key } = await safeStorage.decryptStringAsync(readFileSync(keyOf(dataDir)));
  let wrapped = "";
  const encryptStringAsync = (text: string): Promise<Buffer> => {
    wrapped = text;
    return new FakeSafeStorage("keyring").encryptStringAsync(text);
  };
  Object.assign(safeStorage, { shouldReEncrypt: true, encryptStringAsync });
  await sidecar.start();
  await sidecar.ready();
  assert.deepEqual([wrapped, sidecar.state.secrets], [key, "protected"]);
});

for (const [why, change] of [
  ["there is no keyring", { isAvailable: false }],
  ["the password would be one that everybody knows", { backend: "basic_text" }],
] as const) {
  test(`no key is made where ${why}`, { skip: process.platform !== "linux" && "a matter of Linux" }, async (t) => {
    const dataDir = newDataDir();
    const safeStorage = Object.assign(new FakeSafeStorage("keyring"), change);
    const sidecar = start(t, { dataDir, electron: { safeStorage } });
    await sidecar.ready();
    assert.equal(sidecar.state.secrets, "unprotected");
    assert.throws(() => statSync(keyOf(dataDir)), { code: "ENOENT" });
  });
}
