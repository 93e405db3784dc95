// The main process of the example app: one sidecar and one window.
import { app, BrowserWindow, ipcMain, nativeTheme, powerMonitor, safeStorage, session, shell } from "electron";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { claimSingleInstance, guardNavigation, packagedCommand, startSidecar } from "sidecar-electron/main";
import { refusePermissions, windowOptions } from "./window.ts";

const here = dirname(fileURLToPath(import.meta.url));
const onFault = (fault: unknown): void => console.error(fault);

function open(): void {
  const window = new BrowserWindow(windowOptions(join(here, "preload.cjs"), nativeTheme.shouldUseDarkColors));
  guardNavigation(window.webContents, { openExternal: (url) => shell.openExternal(url), onFault });
  window.loadFile(join(here, "index.html")).catch(onFault);
}

function show(): void {
  const [window] = BrowserWindow.getAllWindows();
  if (window === undefined) return open();
  if (window.isMinimized()) window.restore();
  window.focus();
}

if (claimSingleInstance(app, show)) {
  startSidecar({
    // Unpackaged, this file is in protocol/typescript/example/dist, four folders below the repository's root.
    command: app.isPackaged ? packagedCommand(process.resourcesPath) : ["uv", "run", "python", "-m", "sidecar"],
    ...(app.isPackaged ? {} : { cwd: join(here, "..", "..", "..", "..") }),
    dataDir: app.getPath("userData"),
    schemaMismatch: app.isPackaged ? "refuse" : "warn",
    electron: { app, ipcMain, powerMonitor, safeStorage, shell },
    onFault,
  });
  app.on("activate", show);
  app.on("window-all-closed", () => void (process.platform !== "darwin" && app.quit()));
  // Not awaited at the top level: Electron becomes ready only after this module was evaluated.
  app.whenReady().then(() => {
    refusePermissions(session.defaultSession);
    open();
  }, onFault);
}
