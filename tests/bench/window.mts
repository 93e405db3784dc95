// Measures what a user waits for: the example's page in Chromium and a sidecar, started side by side, up to the first list.
//
// Electron's own processes and the browser's start are not included.
//
// Argument: JSON {command, dataDir, built, rounds}.  Prints the times of each round in milliseconds as JSON.
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { startSidecar } from "../../protocol/typescript/main.ts";
import { launch, openWindow } from "../electron/fake_electron/chromium.mts";
import { FakeIpcMain } from "../electron/fake_electron/main_process.mts";

const { command, dataDir, built, rounds } = JSON.parse(process.argv[2] ?? "");
const closing: Array<() => unknown> = [];
const browser = await launch({ after: (close: () => unknown) => closing.push(close) } as unknown as TestContext);

/** Starts both and returns when each was ready; the first start creates the database. */
async function round(): Promise<Record<"sidecar" | "page" | "list", number>> {
  const ipc = new FakeIpcMain();
  const { page } = await openWindow(browser, ipc, "about:blank");
  const begin = performance.now();
  const elapsed = (): number => performance.now() - begin;
  const sidecar = startSidecar({
    command,
    dataDir,
    electron: { ipcMain: ipc.typed },
    windows: { folders: [built] },
    onLog: () => undefined,
  });
  const ready = sidecar.ready().then(elapsed);
  await page.goto(pathToFileURL(join(built, "index.html")).href);
  const loaded = elapsed();
  const jobs = page.getByRole("list", { name: "Jobs" }).getByRole("listitem");
  if (closing.length === 1) {
    closing.push(() => undefined);
    await sidecar.jobs.create({ type: "maintenance.backup", run_at: "2099-01-01T00:00:00Z" });
  }
  await jobs.first().waitFor();
  const listed = elapsed();
  const times = { sidecar: await ready, page: loaded, list: listed };
  await page.close();
  await sidecar.dispose();
  return times;
}

await round();
const found: Array<Record<string, number>> = [];
for (let number = 0; number < rounds; number += 1) found.push(await round());
console.log(JSON.stringify(found));
for (const close of closing) await close();
