// What the bridge adds to a call: the same trivial request by the main process and by a page, one in flight.
//
// Preload script, page and main process are the package's own; between them stands a MessageChannel, which clones like
// Electron's IPC.  What Electron's own processes cost is not in it.
//
// One argument: JSON {command, dataDir, seconds}.  Prints medians in microseconds.
import type { SidecarBridge } from "../../protocol/typescript/channels.ts";
import { startSidecar } from "../../protocol/typescript/main.ts";
import { exposeSidecar } from "../../protocol/typescript/preload.ts";
import { connectSidecar } from "../../protocol/typescript/renderer.ts";
import { NodeWindow, FakeIpcMain } from "../electron/fake_electron/main_process.mts";

const { command, dataDir, seconds } = JSON.parse(process.argv[2] ?? "");
const WARM_UP = 200;
const BATCH = 50;

const ipc = new FakeIpcMain();
const sidecar = startSidecar({
  command,
  dataDir,
  electron: { ipcMain: ipc.typed },
});
const window = new NodeWindow(ipc);
const page = connectSidecar(window.load(exposeSidecar)["sidecar"] as SidecarBridge);

async function batch(call: () => Promise<unknown>, calls: number): Promise<number[]> {
  const took: number[] = [];
  for (let index = 0; index < calls; index += 1) {
    const begin = performance.now();
    await call();
    took.push(1e3 * (performance.now() - begin));
  }
  return took;
}

const median = (values: number[]): number => values.sort((one, other) => one - other)[values.length >> 1] ?? NaN;
const ways = {
  main: () => sidecar.system.health(),
  page: () => page.system.health(),
};
for (const call of Object.values(ways)) await batch(call, WARM_UP);

const took: Record<keyof typeof ways, number[]> = { main: [], page: [] };
for (const end = performance.now() + 1e3 * seconds; performance.now() < end;) {
  took.main.push(...(await batch(ways.main, BATCH)));
  took.page.push(...(await batch(ways.page, BATCH)));
}
const [main, through] = [median(took.main), median(took.page)];
console.log(
  JSON.stringify({
    main_p50: main,
    page_p50: through,
    added_p50: through - main,
  }),
);
window.close();
await sidecar.dispose();
