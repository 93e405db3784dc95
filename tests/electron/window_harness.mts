// A supervised sidecar with windows in this process, for the tests of the bridge.
import type { TestContext } from "node:test";
import { REQUEST_NAMES } from "../../protocol/typescript/calls.ts";
import type { SidecarBridge } from "../../protocol/typescript/channels.ts";
import type { ElectronParts, WindowOptions } from "../../protocol/typescript/main.ts";
import { exposeSidecar } from "../../protocol/typescript/preload.ts";
import { connectSidecar } from "../../protocol/typescript/renderer.ts";
import { start } from "./sidecar_harness.mts";
import { NodeWindow, FakeIpcMain } from "./fake_electron/main_process.mts";

export function app(
  t: TestContext,
  windows: WindowOptions = {},
  command?: readonly string[],
  more: ElectronParts = {},
) {
  const ipc = new FakeIpcMain();
  const faults: unknown[] = [];
  const onFault = (fault: unknown): void => void faults.push(fault);
  const sidecar = start(t, {
    electron: { ipcMain: ipc.typed, ...more },
    windows: { folders: ["/app"], devServers: true, methods: REQUEST_NAMES, ...windows },
    onFault,
    ...(command ? { command } : {}),
  });
  const open = () => {
    const window = new NodeWindow(ipc);
    t.after(() => window.close());
    return { window, ...load(window) };
  };
  return { ipc, sidecar, open, faults };
}

export function load(window: NodeWindow) {
  const bridge = window.load(exposeSidecar)["sidecar"] as SidecarBridge;
  return { bridge, page: connectSidecar(bridge) };
}

export const backUp = { type: "maintenance.backup" } as const;
