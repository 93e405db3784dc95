// Quit, wake-up, second instances and the key, with fakes of Electron's modules and the real sidecar.
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KEY_FILE } from "../../protocol/typescript/keys.ts";
import { claimSingleInstance } from "../../protocol/typescript/main.ts";
import type { ElectronParts } from "../../protocol/typescript/main.ts";
import { isAlive, newDataDir, start } from "./sidecar_harness.mts";
import { FakeApp, FakePowerMonitor, FakeSafeStorage } from "./fake_electron/main_process.mts";

test("the app quits after the sidecar has stopped, not before", async (t) => {
  const app = new FakeApp();
  const sidecar = start(t, { electron: { app: app.typed } });
  await sidecar.ready();
  const { pid = 0 } = sidecar;
  app.quit();
  assert.equal(isAlive(pid), true);
  await app.exited;
  assert.deepEqual([isAlive(pid), app.quits, sidecar.state.status], [false, 2, "stopped"]);
});

test("an app that has stopped its sidecar quits at once", async (t) => {
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

test("the app's name and version are in the log", async (t) => {
  const sidecar = start(t, { electron: { app: new FakeApp().typed } });
  await sidecar.ready();
  assert.ok(
    (await sidecar.system.diagnostics()).log_tail.some((line) => line.includes("client Fake App 1.2.3 connected")),
  );
});

test("when the machine wakes up, the sidecar looks for due jobs", async (t) => {
  const power = new FakePowerMonitor();
  const sidecar = start(t, { electron: { powerMonitor: power.typed } });
  power.emit("resume"); // ignored, because the sidecar is not ready yet
  await sidecar.ready();
  const { requests: before } = await sidecar.system.status();
  power.emit("resume");
  assert.equal((await sidecar.system.status()).requests, before + 2);
  await sidecar.dispose();
  assert.deepEqual(power.eventNames(), []);
});

test("a second instance shows the first one and quits", () => {
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

test("credentials are encrypted with a key from the keyring, also after a restart", async (t) => {
  const [dataDir, safeStorage] = [newDataDir(), new FakeSafeStorage("keyring")];
  const electron: ElectronParts = { app: new FakeApp().typed, safeStorage };
  const first = start(t, { dataDir, electron });
  await first.ready();
  assert.equal(first.state.secrets, "protected");
  const encrypted = readFileSync(keyOf(dataDir), "utf-8");
  const { result: key } = await safeStorage.decryptStringAsync(Buffer.from(encrypted));
  assert.equal(Buffer.from(key, "base64").length, 32);
  if (process.platform !== "win32") assert.equal(statSync(keyOf(dataDir)).mode & 0o777, 0o600);
  await first.stop();
  await first.start();
  await first.ready();
  assert.deepEqual([first.state.secrets, readFileSync(keyOf(dataDir), "utf-8")], ["protected", encrypted]);
  const published = JSON.stringify([await first.bugReport(), await first.rpc.discover()]);
  assert.equal(published.includes(key), false);
});

test("a key that cannot be decrypted is neither used nor replaced", async (t) => {
  const dataDir = newDataDir();
  const original = start(t, { dataDir, electron: { safeStorage: new FakeSafeStorage("keyring") } });
  await original.ready();
  await original.stop();
  const encrypted = readFileSync(keyOf(dataDir), "utf-8");
  const faults: unknown[] = [];
  const other = { safeStorage: new FakeSafeStorage("another keyring") };
  const sidecar = start(t, { dataDir, electron: other, onFault: (fault) => faults.push(fault) });
  await sidecar.ready();
  assert.notEqual(sidecar.state.secrets, "protected");
  assert.deepEqual([faults.length, readFileSync(keyOf(dataDir), "utf-8")], [1, encrypted]);
});

test("a file that does not contain a key is left unchanged", async (t) => {
  const dataDir = newDataDir();
  const safeStorage = new FakeSafeStorage("keyring");
  const first = start(t, { dataDir });
  await first.ready();
  await first.stop();
  writeFileSync(keyOf(dataDir), await safeStorage.encryptStringAsync("a short key"));
  const faults: unknown[] = [];
  const sidecar = start(t, { dataDir, electron: { safeStorage }, onFault: (fault) => faults.push(fault) });
  await sidecar.ready();
  assert.match(String(faults[0]), /does not contain a key/);
  assert.equal((await safeStorage.decryptStringAsync(readFileSync(keyOf(dataDir)))).result, "a short key");
});

test("a key is encrypted again if safeStorage asks for it", async (t) => {
  const [dataDir, safeStorage] = [newDataDir(), new FakeSafeStorage("keyring")];
  const sidecar = start(t, { dataDir, electron: { safeStorage } });
  await sidecar.ready();
  await sidecar.stop();
  const { result: key } = await safeStorage.decryptStringAsync(readFileSync(keyOf(dataDir)));
  let encrypted = "";
  const encryptStringAsync = (text: string): Promise<Buffer> => {
    encrypted = text;
    return new FakeSafeStorage("keyring").encryptStringAsync(text);
  };
  Object.assign(safeStorage, { shouldReEncrypt: true, encryptStringAsync });
  await sidecar.start();
  await sidecar.ready();
  assert.deepEqual([encrypted, sidecar.state.secrets], [key, "protected"]);
});

for (const [why, change] of [
  ["if there is no keyring", { isAvailable: false }],
  ["if it would be encrypted with a hard-coded password", { backend: "basic_text" }],
] as const) {
  test(`no key is created ${why}`, { skip: process.platform !== "linux" && "only on Linux" }, async (t) => {
    const dataDir = newDataDir();
    const safeStorage = Object.assign(new FakeSafeStorage("keyring"), change);
    const sidecar = start(t, { dataDir, electron: { safeStorage } });
    await sidecar.ready();
    assert.equal(sidecar.state.secrets, "unprotected");
    assert.throws(() => statSync(keyOf(dataDir)), { code: "ENOENT" });
  });
}
