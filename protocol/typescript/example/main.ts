// The main process of the example app: one sidecar and one window.
import { app, BrowserWindow, dialog, ipcMain, nativeTheme, powerMonitor, safeStorage, session, shell } from "electron";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  authorizePage,
  claimSingleInstance,
  guardNavigation,
  packagedCommand,
  PAGE_METHODS,
  startSidecar,
  trustsFolder,
} from "sidecar-electron/main";
import type { Sidecar, Verdict } from "sidecar-electron/main";
import { serveRepairs } from "./repairs.ts";
import { MORE_METHODS, refusePermissions, windowOptions } from "./window.ts";

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

/** Lets the user answer for a page that wants a folder to be trusted: a page could show anything. */
async function askTrust(sidecar: Sidecar, params: Readonly<Record<string, unknown>>): Promise<Verdict> {
  const { session_id: id, cwd } = params as { session_id?: string; cwd?: string | null };
  const place =
    cwd === undefined && id !== undefined ? (await sidecar.claude.sessions.get({ session_id: id })).cwd : cwd;
  const { folder, contents } = await sidecar.claude.trust.check({ cwd: place ?? null });
  const { response } = await dialog.showMessageBox({
    type: "warning",
    message: `Trust the folder ${folder}?`,
    detail: `It brings: ${Object.values(contents).flat().join(", ")}`,
    buttons: ["Trust", "Cancel"],
    defaultId: 1,
    cancelId: 1,
  });
  return response === 0 || "The folder was not trusted.";
}

if (claimSingleInstance(app, show)) {
  const sidecar: Sidecar = startSidecar({
    // Unpackaged, this file is in protocol/typescript/example/dist, four folders below the repository's root.
    command: app.isPackaged ? packagedCommand(process.resourcesPath) : ["uv", "run", "python", "-m", "sidecar"],
    ...(app.isPackaged ? {} : { cwd: join(here, "..", "..", "..", "..") }),
    dataDir: app.getPath("userData"),
    schemaMismatch: app.isPackaged ? "refuse" : "warn",
    electron: { app, ipcMain, powerMonitor, safeStorage, shell },
    windows: {
      methods: [...PAGE_METHODS, ...MORE_METHODS],
      authorize: (frame, method, params) => {
        const verdict = authorizePage(frame, method, { ...params, trust: false });
        return verdict === true && trustsFolder(method, params) ? askTrust(sidecar, params) : verdict;
      },
    },
    onFault,
  });
  serveRepairs({
    ipcMain,
    shell,
    sidecar,
    logFile: join(app.getPath("userData"), "logs", "sidecar.log"),
    pageUrl: pathToFileURL(join(here, "index.html")).href,
  });
  app.on("activate", show);
  app.on("window-all-closed", () => void (process.platform !== "darwin" && app.quit()));
  // Not awaited at the top level: Electron becomes ready only after this module was evaluated.
  app.whenReady().then(() => {
    refusePermissions(session.defaultSession);
    open();
  }, onFault);
}
