// Runs the built main process of an app in this process: its module "electron" is a fake, its windows are in Chromium.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { EventEmitter } from "node:events";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { openWindow } from "./chromium.mts";
import type { Page } from "./chromium.mts";
import { FakeApp, FakeIpcMain, FakePowerMonitor, FakeSafeStorage, FakeWebContents } from "./main_process.mts";

interface AppOptions {
  /** The project, which is the app's path. */
  folder: string;
  /** The main script, relative to the folder. */
  main: string;
  dataDir: string;
  /** The program that the packaged app would start as its sidecar. */
  sidecar: string;
}

/** Starts a packaged app and returns its first window's page, once that has loaded. */
export async function runApp(t: TestContext, browser: Browser, options: AppOptions) {
  const { folder, main, dataDir, sidecar } = options;
  const app = Object.assign(new FakeApp(), { getAppPath: () => folder, getPath: () => dataDir });
  const ipcMain = new FakeIpcMain();
  const opened = new EventEmitter();
  const problems: string[] = [];

  class BrowserWindow {
    static getAllWindows = (): BrowserWindow[] => [];
    readonly webContents = Object.assign(new FakeWebContents(), { setWindowOpenHandler: () => undefined });
    readonly #preload: string;

    constructor({ webPreferences: { preload, sandbox } }: { webPreferences: { preload: string; sandbox: boolean } }) {
      if (!sandbox) throw new Error("the window is not sandboxed");
      this.#preload = preload;
    }

    loadFile = (file: string): Promise<void> => this.loadURL(pathToFileURL(resolve(folder, file)).href);

    loadURL = async (url: string): Promise<void> => {
      const preload = readFileSync(this.#preload, "utf-8");
      const { page } = await openWindow(browser, ipcMain, "about:blank", { contents: this.webContents, preload });
      page.on("pageerror", (error) => problems.push(error.message));
      page.on(
        "console",
        (message) => void (["error", "warning"].includes(message.type()) && problems.push(message.text())),
      );
      await page.goto(url);
      opened.emit("page", page);
    };
  }

  const resources = join(folder, "resources");
  mkdirSync(join(resources, "sidecar"), { recursive: true });
  writeFileSync(join(resources, "sidecar", "sidecar"), `#!/bin/sh\nexec ${sidecar} "$@"\n`);
  chmodSync(join(resources, "sidecar", "sidecar"), 0o755);
  Object.assign(process, { resourcesPath: resources });
  Object.assign(globalThis, {
    fakeElectron: {
      app,
      BrowserWindow,
      ipcMain,
      powerMonitor: new FakePowerMonitor(),
      safeStorage: new FakeSafeStorage("test"),
      shell: { openExternal: () => Promise.reject(new Error("no browser")) },
    },
  });
  installFake(join(folder, "node_modules", "electron"));
  const [page] = await Promise.all([
    new Promise<Page>((resolve) => opened.once("page", resolve)),
    import(pathToFileURL(join(folder, main)).href),
  ]);
  const quit = async (): Promise<void> => {
    await page.close();
    app.quit();
    await app.exited;
  };
  t.after(quit);
  return { app, page, problems, quit };
}

/** Writes a package that is "electron" for the app's modules, for `import` and for `require`. */
function installFake(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const names = "app, BrowserWindow, ipcMain, powerMonitor, safeStorage, shell";
  writeFileSync(join(folder, "index.mjs"), `export const { ${names} } = globalThis.fakeElectron;\n`);
  writeFileSync(join(folder, "index.cjs"), "module.exports = globalThis.fakeElectron;\n");
  const exports = { import: "./index.mjs", require: "./index.cjs" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "electron", exports }));
}
