// Opens the example app with its page in Chromium, the real sidecar and the real Claude CLI; only Electron is a fake.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import type { TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { serveRepairs } from "../../protocol/typescript/example/repairs.ts";
import { MORE_METHODS } from "../../protocol/typescript/example/window.ts";
import { PAGE_METHODS } from "../../protocol/typescript/main.ts";
import type { ElectronParts, Sidecar } from "../../protocol/typescript/main.ts";
import { COMMAND, COMMAND_WITH_TEST_JOBS, newDataDir, PYTHON, ROOT, start } from "./sidecar_harness.mts";
import { launch, openWindow } from "./fake_electron/chromium.mts";
import type { Page } from "./fake_electron/chromium.mts";
import { FakeIpcMain } from "./fake_electron/main_process.mts";

const TEMPORARY = process.env["SIDECAR_TEMPORARY"] ?? "";
/** The example's own build, and one browser for all tests of a file. */
const built = mkdtempSync(join(TEMPORARY, "example-"));
execFileSync(process.execPath, [join(ROOT, "protocol", "typescript", "example", "build.mjs"), built]);
const browser = launch({ after } as unknown as TestContext);

/** The moment of example_states.py. */
const STATES_NOW = Date.parse("2026-11-25T10:12:00Z");

export interface ExampleOptions {
  command?: readonly string[];
  env?: Readonly<Record<string, string | undefined>>;
  electron?: ElectronParts;
  /** The transcript that is recorded. */
  record?: string;
  /** Whether the database contains half a year of feed events. */
  withFeed?: boolean;
  /**
   * What the database contains: all that is hard to show (example_states.py), the same without rows that are like
   * others, a calendar without events, or nothing.
   * It is then always the same moment.
   */
  states?: "all" | "few" | "empty" | "none";
  /** The user's locale and time zone; `en-GB` and `Europe/Berlin` by default. */
  locale?: string;
  timeZone?: string;
  /** Pixels of a picture for each pixel of the page. */
  scale?: number;
}

export interface Example {
  sidecar: Sidecar;
  page: Page;
  dataDir: string;
  /** Errors and warnings from the page's console. */
  pageErrors: string[];
  /** The files that the page has had opened. */
  opened: string[];
}

export async function openExample(
  t: TestContext,
  {
    command = COMMAND,
    env = {},
    electron = {},
    record,
    withFeed = false,
    states,
    locale = "en-GB",
    timeZone = "Europe/Berlin",
    scale = 1,
  }: ExampleOptions = {},
): Promise<Example> {
  const ipc = new FakeIpcMain();
  const dataDir = newDataDir();
  if (withFeed)
    execFileSync(PYTHON, ["-m", "tests.electron.example_feed", dataDir], {
      cwd: ROOT,
      env: { ...process.env, TZ: timeZone },
    });
  if (states !== undefined && states !== "none")
    execFileSync(PYTHON, ["-m", "tests.electron.example_states", dataDir, states], { cwd: ROOT });
  if (states !== undefined) {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(join(dataDir, "clock"), String(STATES_NOW - Date.now()));
  }
  const sidecar = start(t, {
    command: states !== undefined ? [...COMMAND_WITH_TEST_JOBS, "stepped"] : command,
    dataDir,
    env,
    electron: { ...electron, ipcMain: ipc.typed },
    windows: { folders: [built], methods: [...PAGE_METHODS, ...MORE_METHODS] },
    restarts: { firstDelayMs: 1 },
    ...(record === undefined ? {} : { record }),
  });
  const pageUrl = pathToFileURL(join(built, "index.html")).href;
  const opened: string[] = [];
  const shell = { openPath: async (path: string): Promise<string> => (opened.push(path), "") };
  const logFile = join(dataDir, "logs", "sidecar.log");
  serveRepairs({ ipcMain: ipc.typed, shell, sidecar, logFile, pageUrl });
  const preload = readFileSync(join(built, "preload.cjs"), "utf-8");
  const { page } = await openWindow(await browser, ipc, "about:blank", { preload, scale });
  t.after(() => page.close());
  const pageErrors: string[] = [];
  page.on("pageerror", (error) => pageErrors.push(error.stack ?? error.message));
  page.on(
    "console",
    (message) => void (["error", "warning"].includes(message.type()) && pageErrors.push(message.text())),
  );
  await page.setViewportSize({ width: 1440, height: 900 });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Emulation.setLocaleOverride", { locale });
  await devtools.send("Emulation.setTimezoneOverride", { timezoneId: timeZone });
  if (states !== undefined) await page.clock.setFixedTime(STATES_NOW);
  await page.goto(pageUrl);
  return { sidecar, page, dataDir, pageErrors, opened };
}

/** Reloads the page with a conversation of example_states.py, or with the screen for a new one. */
export async function openSession(page: Page, session: number | null): Promise<void> {
  await page.evaluate((number) => {
    if (number === null) sessionStorage.removeItem("hub.session");
    else sessionStorage.setItem("hub.session", `session-${number}`);
  }, session);
  await page.reload();
}

export interface FakeServices {
  google: string;
  site: { base_url: string; email: string; api_token: string };
  /** The environment variables for a sidecar that uses the fakes. */
  environment: Record<string, string>;
  command(text: string): Promise<string>;
}

/** Starts fakes of Google and of an Atlassian site on loopback (fake_services.py). */
export async function startFakeServices(t: TestContext, timeZone = "Europe/Berlin"): Promise<FakeServices> {
  const { firstLine, command } = await startFake(t, "tests.electron.fake_services", { TZ: timeZone });
  return { ...(JSON.parse(firstLine) as Omit<FakeServices, "command">), command };
}

/** Takes the place of the user's browser: follows all redirects. */
export async function browse(url: string): Promise<void> {
  void fetch(url).then((response) => response.text());
}

export type Script = Record<string, Array<Array<Record<string, unknown>>>>;

/** Starts a Python program that writes one line when it is ready and then one line for each command. */
async function startFake(t: TestContext, module: string, env: Record<string, string>, ...args: string[]) {
  const program = spawn(PYTHON, ["-m", module, ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => program.stdin.end());
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${module} has ended`);
    return value;
  };
  const command = (text: string): Promise<string> => (program.stdin.write(`${text}\n`), line());
  return { firstLine: await line(), command };
}

/** Starts a fake Messages API that answers prompts as in the script. */
export async function fakeApi(t: TestContext, script: Script = {}) {
  const file = join(mkdtempSync(join(TEMPORARY, "script-")), "script.json");
  writeFileSync(file, JSON.stringify(script));
  const { firstLine: url, command } = await startFake(t, "tests.fakes.anthropic", {}, "--script", file);
  const home = newDataDir();
  mkdirSync(home);
  /** The environment variables with which the real CLI only uses the fake. */
  const environment = {
    CLAUDE_PATH: process.env["SIDECAR_REAL_CLAUDE"] ?? "",
    HOME: home,
    CLAUDE_CONFIG_DIR: join(home, ".claude"),
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_API_KEY: "dummy",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    CLAUDE_CODE_MAX_RETRIES: "0",
    DISABLE_AUTOUPDATER: "1",
    DISABLE_ERROR_REPORTING: "1",
    DISABLE_TELEMETRY: "1",
  };
  return { environment, release: (words: number) => command(String(words)) };
}
