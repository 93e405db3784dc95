// Pictures of what is hard to show in the example app: other languages, long titles, nothing yet, loading, 10,000 rows.
//
// Each state is made again, in both themes, and must have its landmarks and nothing that sticks out or is cut off.
// Chromium's versions and a system's fonts draw letters differently.  Therefore the stored pictures are compared only
// where Chromium's major version and the installed fonts are those of `pictures/made_with.txt`, and then with a tolerance.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { TestContext } from "node:test";
import { openExample, openSession } from "./example_harness.mts";
import type { Example } from "./example_harness.mts";
import { misplaced } from "./page_facts.mts";
import { decoded, differing, smallPng } from "./picture.mts";
import { ROOT, status } from "./sidecar_harness.mts";
import type { Page } from "./fake_electron/chromium.mts";

const PICTURES = join(ROOT, "tests", "electron", "pictures");
const MADE_WITH = join(PICTURES, "made_with.txt");
const IS_UPDATE = process.env["SIDECAR_UPDATE"] === "1";
/** Share of the pixels that may differ: less than a line of text. */
const TOLERANCE = 0.002;
/** Time in which a page must look as it did; it takes no second on a computer that has nothing else to do. */
const PATIENCE_MS = 60_000;
const LARGEST_TOTAL_BYTES = 1_500_000;
const WIDE = { width: 1100, height: 700 };
const NARROW = { width: 390, height: 700 };
const THEMES = ["light", "dark"] as const;

type App = "all" | "few" | "empty" | "none";
interface State {
  name: string;
  app: App;
  size: { width: number; height: number };
  /** Brings the page, which shows no conversation, into the state. */
  arrange: (example: Example) => Promise<unknown>;
  /** Texts that are in sight. */
  landmarks: readonly string[];
}

const tab = (page: Page, name: string): Promise<void> =>
  page.getByRole("navigation", { name: "Panels" }).getByRole("button", { name }).click();

const session =
  (number: number) =>
  ({ page }: Example): Promise<void> =>
    openSession(page, number);

const STATES: readonly State[] = [
  {
    name: "first run",
    app: "none",
    size: WIDE,
    arrange: async () => undefined,
    landmarks: ["Connect a calendar", "No jobs yet.", "Claude cannot work yet.", "will appear here."],
  },
  {
    name: "nothing today",
    app: "empty",
    size: NARROW,
    arrange: ({ page }) => tab(page, "Today"),
    landmarks: ["No events today."],
  },
  {
    name: "loading",
    app: "empty",
    size: WIDE,
    arrange: async ({ page, sidecar }) => {
      await status(sidecar, "ready");
      assert.ok(sidecar.pid !== undefined);
      const { pid } = sidecar;
      process.kill(pid, "SIGSTOP"); // so that no call of the page is answered
      await page.reload();
    },
    landmarks: ["Loading…"],
  },
  { name: "languages", app: "few", size: WIDE, arrange: session(2), landmarks: ["確認しました", "وجدت الخطأ"] },
  {
    name: "languages narrow",
    app: "few",
    size: NARROW,
    arrange: session(2),
    landmarks: ["確認しました", "وجدت الخطأ"],
  },
  {
    name: "titles",
    app: "few",
    size: NARROW,
    arrange: ({ page }) => tab(page, "Today"),
    landmarks: ["주간 동기화", "夜行路線", "مراجعة", "Donaudampfschifffahrts"],
  },
  {
    name: "conversations",
    app: "few",
    size: NARROW,
    arrange: async ({ page }) => {
      await tab(page, "Claude");
      await page.getByRole("button", { name: "Conversations" }).click();
    },
    landmarks: ["A long conversation", "مراجعة"],
  },
  { name: "answers", app: "few", size: NARROW, arrange: session(1), landmarks: ["The feed's specification"] },
  { name: "edit", app: "few", size: WIDE, arrange: session(4), landmarks: ["Allow Edit?", "Always allow…", "Deny"] },
  { name: "question", app: "few", size: NARROW, arrange: session(5), landmarks: ["Which feed first?", "Buses"] },
  {
    name: "failed turns",
    app: "few",
    size: NARROW,
    arrange: session(3),
    landmarks: ["The limit resets at 13:00.", "use /login"],
  },
  {
    name: "rows",
    app: "all",
    size: WIDE,
    arrange: async ({ page }) => {
      await openSession(page, 6);
      await page.getByText("Answer 1000").waitFor();
      for (const rows of [120, 180]) {
        await page.getByRole("button", { name: "Show older" }).click();
        await page
          .locator(".feed-row")
          .nth(rows - 1)
          .waitFor();
      }
      await page.locator(".feed-row").last().scrollIntoViewIfNeeded();
    },
    landmarks: ["Answer 1000"],
  },
  {
    name: "daily",
    app: "all",
    size: NARROW,
    arrange: async ({ page }) => {
      await tab(page, "Daily");
      await page.getByText(/^Last: done/).click();
    },
    landmarks: ["Every weekday at 9:00", "14 done", "TRAM-431: the import"],
  },
  {
    name: "daily wide",
    app: "all",
    size: WIDE,
    arrange: async ({ page }) => {
      const strip = page.getByRole("group", { name: "Last 30 days of My stand-up" });
      await strip.getByRole("button", { name: "20 November" }).click();
    },
    landmarks: ["the app was closed from 8:10 to 10:00", "Every weekday at 9:00"],
  },
  {
    name: "new schedule",
    app: "none",
    size: NARROW,
    arrange: async ({ page }) => {
      await tab(page, "Daily");
      await page.getByRole("button", { name: "New schedule" }).click();
    },
    landmarks: ["What Claude does", "Every weekday"],
  },
  {
    name: "stopped",
    app: "few",
    size: NARROW,
    arrange: ({ sidecar }) => sidecar.stop(),
    landmarks: ["The sidecar was stopped.", "Start"],
  },
];

/** One app for all states of a database.  It is opened here, because what a test opens is closed when the test ends. */
const apps = new Map<App, Promise<Example>>();
for (const states of ["none", "empty", "few", "all"] as const)
  apps.set(
    states,
    openExample({ after } as unknown as TestContext, { states, timeZone: "UTC", env: { CLAUDE_PATH: "/no/claude" } }),
  );

const opened = (app: App): Promise<Example> => apps.get(app)!;

/** Chromium's major version and a digest of the names of the installed fonts; null where those are not known. */
function tools(page: Page): string | null {
  const [chromium] = page.context().browser()!.version().split(".");
  const { stdout, status: code } = spawnSync("fc-list", [":", "family", "style"], { encoding: "utf-8" });
  const fonts = createHash("sha256").update(stdout?.split("\n").sort().join("\n") ?? "");
  return code === 0 ? `Chromium ${chromium}, fonts ${fonts.digest("hex").slice(0, 12)}` : null;
}

const made = new Map<string, Buffer>();

/** A page without the app's policy, which compares pictures. */
const judge = opened("none").then(({ page }) => page.context().browser()!.newPage());
after(async () => (await judge).close());

/** Returns the stored picture that this computer can make as well, or null. */
async function stored(file: string): Promise<Buffer | null> {
  const path = join(PICTURES, file);
  const { page } = await opened("none");
  const isComparable = !IS_UPDATE && existsSync(path) && readFileSync(MADE_WITH, "utf-8").trim() === tools(page);
  return isComparable ? readFileSync(path) : null;
}

/** Takes a picture, repeatedly while it differs from the stored one: a list may still be loading. */
async function taken(page: Page, file: string): Promise<Buffer> {
  const kept = await stored(file);
  for (const until = Date.now() + PATIENCE_MS; ;) {
    const picture = await page.screenshot({ caret: "hide" });
    const isDone = kept === null || Date.now() > until;
    if (isDone || (await differing(await judge, kept, picture)) <= TOLERANCE) return picture;
  }
}

for (const { name, app, size, arrange, landmarks } of STATES)
  test(`${name}: in its place, in both themes`, async () => {
    const example = await opened(app);
    const { page, pageErrors } = example;
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    await openSession(page, null);
    await arrange(example);
    for (const text of landmarks) await page.getByText(text).filter({ visible: true }).first().waitFor();
    await page.evaluate(() => document.fonts.ready);
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    // The only text that is another one each time: the folder's path.
    for (const log of await page.locator(".banner-log").all())
      await log.evaluate((one) => (one.textContent = "Log: /home/mara/.local/share/hub/logs/sidecar.log"));
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      assert.deepEqual(await misplaced(page), [], colorScheme);
      const file = `${name.replaceAll(" ", "-")}-${colorScheme}.png`;
      made.set(file, await taken(page, file));
    }
    assert.deepEqual(pageErrors, []);
  });

test("the pictures are those that are stored, if the same Chromium and fonts have made them", async (t) => {
  const page = await judge;
  const now = tools(page);
  if (IS_UPDATE) {
    rmSync(PICTURES, { recursive: true, force: true });
    mkdirSync(PICTURES);
    for (const [file, picture] of made) writeFileSync(join(PICTURES, file), smallPng(await decoded(page, picture)));
    writeFileSync(MADE_WITH, `${now}\n`);
  }
  const madeWith = readFileSync(MADE_WITH, "utf-8").trim();
  const files = readdirSync(PICTURES).filter((file) => file.endsWith(".png"));
  assert.deepEqual(files.sort(), [...made.keys()].sort(), "UPDATE=1 makes the pictures again");
  const sizes = [...made.keys()].map((file) => readFileSync(join(PICTURES, file)).length);
  const total = sizes.reduce((one, other) => one + other, 0);
  assert.ok(total < LARGEST_TOTAL_BYTES, `the pictures have ${total} bytes`);
  if (now !== madeWith) return t.skip(`made with ${madeWith}, not ${now}`);
  const others: string[] = [];
  for (const [file, picture] of made) {
    const share = await differing(page, readFileSync(join(PICTURES, file)), picture);
    if (share <= TOLERANCE) continue;
    const path = join(process.env["SIDECAR_TEMPORARY"] ?? "", file);
    writeFileSync(path, picture);
    others.push(`${file}: ${(100 * share).toFixed(1)} % differ, see ${path}`);
  }
  assert.deepEqual(others, [], "UPDATE=1 makes the pictures again");
});
