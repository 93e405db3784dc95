// The example app with everything about it real but Electron: its page in a browser, the sidecar, Claude's CLI.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import type { TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import type { ElectronParts, Sidecar } from "../../protocol/typescript/main.ts";
import { COMMAND, newDataDir, PYTHON, ROOT, start } from "./sidecar_harness.mts";
import { launch, openWindow } from "./fake_electron/chromium.mts";
import type { Page } from "./fake_electron/chromium.mts";
import { FakeIpcMain } from "./fake_electron/main_process.mts";

const TEMPORARY = process.env["SIDECAR_TEMPORARY"] ?? "";
/** The example as its own build makes it, and a browser: once for a file of tests. */
const built = mkdtempSync(join(TEMPORARY, "hub-"));
execFileSync(process.execPath, [join(ROOT, "protocol", "typescript", "example", "build.mjs"), built]);
const browser = launch({ after } as unknown as TestContext);

export interface ExampleOptions {
  command?: readonly string[];
  env?: Readonly<Record<string, string | undefined>>;
  electron?: ElectronParts;
  /** Whether there is half a year of the feed. */
  withFeed?: boolean;
  /** Of the person: `en-GB`, `Europe/Berlin`. */
  locale?: string;
  timeZone?: string;
}

export interface Hub {
  sidecar: Sidecar;
  page: Page;
  dataDir: string;
  /** What the page complained of; a test that leaves something here fails. */
  pageErrors: string[];
}

export async function openExample(
  t: TestContext,
  {
    command = COMMAND,
    env = {},
    electron = {},
    withFeed = false,
    locale = "en-GB",
    timeZone = "Europe/Berlin",
  }: ExampleOptions = {},
): Promise<Hub> {
  const ipc = new FakeIpcMain();
  const dataDir = newDataDir();
  if (withFeed)
    execFileSync(PYTHON, ["-m", "tests.electron.example_feed", dataDir], {
      cwd: ROOT,
      env: { ...process.env, TZ: timeZone },
    });
  const sidecar = start(t, {
    command,
    dataDir,
    env,
    electron: { ...electron, ipcMain: ipc.typed },
  });
  const { page } = await openWindow(await browser, ipc, "about:blank");
  t.after(() => page.close());
  const pageErrors: string[] = [];
  page.on("pageerror", (error) => pageErrors.push(error.message));
  page.on(
    "console",
    (message) => void (["error", "warning"].includes(message.type()) && pageErrors.push(message.text())),
  );
  await page.setViewportSize({ width: 1440, height: 900 });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Emulation.setLocaleOverride", { locale });
  await devtools.send("Emulation.setTimezoneOverride", { timezoneId: timeZone });
  await page.goto(pathToFileURL(join(built, "index.html")).href);
  return { sidecar, page, dataDir, pageErrors };
}

export interface FakeServices {
  google: string;
  site: { base_url: string; email: string; api_token: string };
  /** What points a sidecar at them. */
  environment: Record<string, string>;
  order(words: string): Promise<string>;
}

/** Google and an Atlassian site on loopback, as tests/electron/fake_services.py fills them. */
export async function startFakeServices(t: TestContext, timeZone = "Europe/Berlin"): Promise<FakeServices> {
  const { about, order } = await startFake(t, "tests.electron.fake_services", {
    TZ: timeZone,
  });
  return { ...(JSON.parse(about) as Omit<FakeServices, "order">), order };
}

/** A person's browser, which follows wherever it is sent. */
export async function browse(url: string): Promise<void> {
  void fetch(url).then((response) => response.text());
}

export type Script = Record<string, Array<Array<Record<string, unknown>>>>;

/** A program in Python of the tests' own, which says a line when it is ready and answers orders by lines. */
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
  const order = (words: string): Promise<string> => (program.stdin.write(`${words}\n`), line());
  return { about: await line(), order };
}

/** A Messages API that answers as the script says. */
export async function fakeApi(t: TestContext, script: Script = {}) {
  const file = join(mkdtempSync(join(TEMPORARY, "script-")), "script.json");
  writeFileSync(file, JSON.stringify(script));
  const { about: url, order } = await startFake(t, "tests.fakes.anthropic", {}, "--script", file);
  const home = newDataDir();
  mkdirSync(home);
  /** What makes the real CLI ask it, and nobody else. */
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
  return { environment, release: (words: number) => order(String(words)) };
}
