// Fake Electron windows in Chromium: the renderer's part of Electron runs in the page before the page's own scripts.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { buildSync } from "esbuild";
import { chromium } from "playwright-core";
import type { Browser, Frame as BrowserFrame, Page } from "playwright-core";
import { FakeWebContents } from "./main_process.mts";
import type { Frame, FakeIpcMain } from "./main_process.mts";
import type { ToMain, ToPage } from "./renderer_process.mts";

const TIMEOUT_MS = 60_000;
const COMPILED = process.env["SIDECAR_COMPILED"] ?? "";

// As strict as an app should be: no inline scripts, no connections, no foreign frames.
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; frame-src 'self'; base-uri 'none'";

/** Starts a browser that is closed after the test.  The flags disable its own network requests. */
export async function launch(t: TestContext): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: process.env["SIDECAR_CHROMIUM"] ?? "",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // As in Electron: a module script of a page that is a file.
      "--allow-file-access-from-files",
    ],
  });
  t.after(() => browser.close());
  return browser;
}

/** Serves pages, each with one module, and the compiled modules; returns the server's origin. */
export async function serve(t: TestContext): Promise<string> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://127.0.0.1").pathname;
    const isModule = /^\/[\w/]+\.m?js$/.test(path);
    const type = isModule ? "text/javascript" : "text/html";
    response.writeHead(200, { "Content-Type": `${type}; charset=utf-8`, "Content-Security-Policy": POLICY });
    const script = `/tests/electron/pages${path}.mjs`;
    const html = `<!doctype html><title>${path}</title><body>${path === "/empty" ? "" : `<script type="module" src="${script}"></script>`}`;
    response.end(isModule ? readFileSync(join(COMPILED, path)) : html);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface WindowParts {
  contents?: FakeWebContents;
  /** The text of the preload script, the package's own by default. */
  preload?: string;
  /** Pixels of a picture for each pixel of the page. */
  scale?: number;
}

/** Opens a window in a new browser context. */
export async function openWindow(browser: Browser, ipc: FakeIpcMain, url: string, parts: WindowParts = {}) {
  const { contents = new FakeWebContents(), preload = ownPreload(), scale = 1 } = parts;
  const page = await browser.newPage({ deviceScaleFactor: scale });
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.exposeBinding("__toMain", ({ frame }, message: ToMain) => {
    void ipc.receive(contents, frameOf(frame), message);
  });
  contents.connect((message: ToPage) => {
    // Fails if the page is being unloaded.
    page.evaluate((data) => (globalThis as any).__fromMain(data), message).catch(() => undefined);
  });
  page.on("close", () => contents.destroy());
  await page.addInitScript({ content: preloadScript(preload) });
  await page.goto(url);
  return { page, contents };
}

function frameOf(frame: BrowserFrame): Frame {
  const parent = frame.parentFrame();
  return { url: frame.url(), parent: parent && frameOf(parent) };
}

const ownPreload = (): string => bundled("protocol/typescript/preload_script.js", "cjs");

/** A preload script inside a function that provides a fake `electron`, so that the page sees nothing of it. */
function preloadScript(preload: string): string {
  const electron = bundled("tests/electron/fake_electron/renderer_process.mjs", "iife");
  return `(() => {
    const toMain = globalThis.__toMain;
    delete globalThis.__toMain;
    ${electron}
    const { ipcRenderer, receive } = fakeElectron.createIpcRenderer((message) => void toMain(message));
    Object.defineProperty(globalThis, "__fromMain", { value: receive });
    const electron = { ipcRenderer, contextBridge: fakeElectron.createContextBridge(globalThis) };
    const require = (name) => { if (name === "electron") return electron; throw new Error("a sandboxed preload cannot load " + name); };
    ((require, module, exports) => {${preload}
    })(require, { exports: {} }, {});
  })();`;
}

function bundled(path: string, format: "iife" | "cjs"): string {
  const built = buildSync({
    entryPoints: [join(COMPILED, path)],
    bundle: true,
    write: false,
    format,
    globalName: "fakeElectron",
    platform: "browser",
    external: ["electron"],
  });
  return built.outputFiles[0]?.text ?? "";
}

export type { Page };
