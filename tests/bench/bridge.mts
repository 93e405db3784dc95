// Measures what the bridge adds to a call: the same trivial request from the main process and from a page, one at a time.
//
// Preload script, page and main process are the package's own, connected by a MessageChannel, which clones like
// Electron's IPC.  The cost of Electron's processes is not included.
//
// Argument: JSON {command, dataDir, seconds}.  Prints medians in microseconds as JSON.
import type { SidecarBridge } from "../../protocol/typescript/channels.ts";
import { startSidecar } from "../../protocol/typescript/main.ts";
import { exposeSidecar } from "../../protocol/typescript/preload.ts";
import { connectSidecar } from "../../protocol/typescript/renderer.ts";
import { NodeWindow, FakeIpcMain } from "../electron/fake_electron/main_process.mts";

const { command, dataDir, seconds } = JSON.parse(process.argv[2] ?? "");
const WARM_UP = 200;
const BATCH = 50;

const ipc = new FakeIpcMain();
const windows = { folders: ["/app"], methods: ["system.health"] } as const;
const sidecar = startSidecar({ command, dataDir, electron: { ipcMain: ipc.typed }, windows });
const window = new NodeWindow(ipc);
const page = connectSidecar(window.load(exposeSidecar)["sidecar"] as SidecarBridge);

async function batch(call: () => Promise<unknown>, calls: number): Promise<number[]> {
  const durations: number[] = [];
  for (let index = 0; index < calls; index += 1) {
    const begin = performance.now();
    await call();
    durations.push(1e3 * (performance.now() - begin));
  }
  return durations;
}

const median = (values: number[]): number => values.sort((one, other) => one - other)[values.length >> 1] ?? NaN;
const callers = { main: () => sidecar.system.health(), page: () => page.system.health() };
for (const call of Object.values(callers)) await batch(call, WARM_UP);

const durations: Record<keyof typeof callers, number[]> = { main: [], page: [] };
for (const end = performance.now() + 1e3 * seconds; performance.now() < end;) {
  durations.main.push(...(await batch(callers.main, BATCH)));
  durations.page.push(...(await batch(callers.page, BATCH)));
}
const [main, throughPage] = [median(durations.main), median(durations.page)];
console.log(JSON.stringify({ main_p50: main, page_p50: throughPage, added_p50: throughPage - main }));
window.close();
await sidecar.dispose();
