// The example app with content that is hard to show: long edits, many rules, 300 events, crashes, other languages.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openExample, openSession } from "./example_harness.mts";
import { status } from "./sidecar_harness.mts";
import type { TestContext } from "node:test";
import type { Page } from "./fake_electron/chromium.mts";

/** One app for all tests of this file: its database takes a while to fill. */
const app = openExample({ after } as unknown as TestContext, {
  states: "all",
  timeZone: "UTC",
  env: { CLAUDE_PATH: "/no/claude" },
});

async function reopened(session: number | null = null, size = { width: 1440, height: 900 }) {
  const { page, pageErrors, ...rest } = await app;
  await page.setViewportSize(size);
  await openSession(page, session);
  return { page, pageErrors, ...rest };
}

const focused = (page: Page): Promise<string> =>
  page.evaluate(() => document.activeElement?.closest("[aria-labelledby], [aria-label]")?.className ?? "");

test("a permission card shows a long edit as a diff, with its file, Allow and Deny always in sight", async () => {
  const { page, pageErrors } = await reopened(4);
  const card = page.getByRole("group", { name: "Allow Edit?" });
  const diff = card.getByRole("group", { name: "2 lines added, 1 line removed" });
  await diff.waitFor();
  assert.deepEqual(
    (await diff.locator("del, ins").allTextContents()).map((line) => line.replace(/\s+/g, " ")),
    ["- stop_7 = read_stop(feed, 7)", "+ stop_7 = read_stop(feed, 7, past_midnight=True)", "+ check(stop_120)"],
  );
  assert.deepEqual(await diff.locator(".diff-skipped").allTextContents(), [
    "4 unchanged lines",
    "107 unchanged lines",
    "76 unchanged lines",
  ]);
  await card.getByText("Always allow…").click();
  const rules = await card.getByRole("list").getByRole("listitem").allTextContents();
  assert.equal(rules.length, 12);
  assert.equal(rules[11], "Bash(npm run build --workspace packages/application-11 --if-present:*)");
  await card.getByText("Always allow…").click();
  for (const size of [
    { width: 1440, height: 900 },
    { width: 390, height: 844 },
    { width: 640, height: 700 },
  ]) {
    await page.setViewportSize(size);
    const isInSight = (control: ReturnType<Page["getByText"]>): Promise<boolean> =>
      control.evaluate((one) => {
        const { left, top, right, bottom } = one.getBoundingClientRect();
        return [
          [left + 2, top + 2],
          [right - 2, bottom - 2],
        ].every(([x = 0, y = 0]) => one.contains(document.elementFromPoint(x, y)));
      });
    for (const control of [
      card.getByRole("heading"),
      card.locator(".permission-file"),
      card.getByRole("button", { name: "Allow", exact: true }),
      card.getByRole("button", { name: "Deny" }),
    ])
      assert.ok(await isInSight(control), `${size.width}: ${await control.textContent()}`);
  }
  assert.deepEqual(pageErrors, []);
});

test("keys lead to a question and answer it, and the focus stays in the conversation", async () => {
  const { page, sidecar } = await reopened();
  await page.getByRole("button", { name: "2 questions from Claude" }).waitFor();
  await page.keyboard.press("Control+j");
  const card = page.getByRole("group", { name: "Claude has a question" });
  await page.waitForFunction(() => document.activeElement?.classList.contains("permission"));
  await page.keyboard.press("2");
  assert.ok(await card.getByLabel("Buses").isChecked());
  await page.keyboard.press("d");
  await card.waitFor({ state: "detached" });
  assert.equal(await focused(page), "conversation");
  await page.keyboard.press("Control+j");
  await page.getByRole("group", { name: "Allow Edit?" }).waitFor();
  await page.waitForFunction(() => document.activeElement?.classList.contains("permission"));
  const reason = page.getByLabel("Why not, or what to do instead");
  await reason.fill("a"); // a letter of a text is no answer
  assert.equal((await sidecar.claude.permissions.list({ status: "open" })).requests.length, 1);
  await page.keyboard.press("Escape");
  await page.getByRole("log").focus();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).getByText("Go to Claude's question").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  assert.equal(await page.evaluate(() => (document.activeElement as HTMLInputElement).type), "search");
});

test("a day with 300 events shows them all, those that have passed folded, and begins at the current time", async () => {
  const { page, pageErrors } = await reopened();
  const today = page.getByRole("region", { name: "Today" });
  await today.getByText("117 earlier events").waitFor();
  assert.equal(await today.locator(".event").count(), 300);
  const line = today.locator(".now-line");
  const distance = () =>
    line.evaluate((one) => one.getBoundingClientRect().top - one.closest(".panel-body")!.getBoundingClientRect().top);
  const height = await today.locator(".panel-body").evaluate((body) => body.clientHeight);
  assert.ok((await distance()) > 0 && (await distance()) < height / 2);
  assert.deepEqual(await overflowing(page), []);
  for (const width of [320, 390, 760, 900, 1040]) {
    await page.setViewportSize({ width, height: 800 });
    assert.deepEqual(await overflowing(page), [], String(width));
    const isBeside = width >= 760;
    const tabs = page.getByRole("navigation", { name: "Panels" });
    await tabs.getByRole("button", { name: "Today" }).click();
    assert.ok(await today.isVisible());
    assert.equal(await page.getByRole("region", { name: "Claude" }).isVisible(), isBeside, String(width));
    await tabs.getByRole("button", { name: "Jobs" }).click();
    assert.equal(await today.isVisible(), false);
  }
  assert.deepEqual(pageErrors, []);
});

/** Returns the elements that the window does not contain, except those that can be scrolled. */
function overflowing(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    document.documentElement.scrollWidth > innerWidth
      ? [...document.querySelectorAll("body *")]
          .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
          .map((one) => one.outerHTML.slice(0, 100))
      : [],
  );
}

test("answers have tables that scroll, coloured code that is copied, and a denied tool is no failure", async () => {
  const { page, pageErrors } = await reopened(1, { width: 390, height: 844 });
  const log = page.getByRole("log");
  await log.getByText("What I found").waitFor();
  const code = log.getByRole("group", { name: "Code, python" });
  assert.deepEqual(await code.locator(".hljs-keyword").allTextContents(), ["def", "return"]);
  const isScrolled = (area: ReturnType<Page["locator"]>) => area.evaluate((one) => one.scrollWidth > one.clientWidth);
  assert.ok(await isScrolled(code.locator("pre")));
  assert.ok(await isScrolled(log.getByRole("group", { name: "Table" })));
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await code.getByRole("button", { name: "Copy" }).click();
  await code.getByText("Copied", { exact: true }).waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^def last_service_minute/);
  assert.deepEqual(
    await log.locator(".tool").evaluateAll((tools) => tools.map((one) => one.getAttribute("data-status"))),
    ["done", "denied", "failed"],
  );
  const sizes = await log
    .locator(".prose :is(h3, h4, h5)")
    .evaluateAll((all) => all.map((one) => parseFloat(getComputedStyle(one).fontSize)));
  assert.deepEqual(
    sizes,
    [...sizes].sort((one, other) => other - one),
  );
  assert.equal(new Set(sizes).size, 3);
  assert.deepEqual(pageErrors, []);
});

test("a tool of the hub is shown by its name, with its result folded", async () => {
  const { page } = await reopened(2);
  const call = page.getByRole("log").locator(".tool").filter({ hasText: "Hub: activity search" });
  await call.getByText("야간 노선", { exact: true }).waitFor();
  const answer = call.locator(".tool-output");
  assert.equal(await answer.isVisible(), false);
  await call.getByText("Hub: activity search").click();
  await answer.getByText("jira:tram:0").waitFor();
});

test("Arabic text runs from right to left, beside text that does not", async () => {
  const { page } = await reopened(2);
  const direction = (text: string) =>
    page
      .getByRole("log")
      .getByText(text)
      .first()
      .evaluate((one) => getComputedStyle(one).direction);
  await page.getByRole("log").getByText("افحص").waitFor();
  assert.equal(await direction("افحص"), "rtl");
  assert.equal(await direction("نهاية"), "rtl");
  assert.equal(await direction("야간"), "ltr");
});

/** Kills a sidecar and waits until it is ready again. */
async function crash(sidecar: Awaited<typeof app>["sidecar"]): Promise<void> {
  const isEnded = new Promise<void>((resolve) => {
    const stop = sidecar.onState(({ status: now }) => void (now === "restarting" && (stop(), resolve())));
  });
  process.kill(sidecar.pid ?? 0, "SIGKILL");
  await isEnded;
  await status(sidecar, "ready");
}

test("from the second crash on one banner shows the log and restarts; a stopped sidecar can be started", async () => {
  const { page, sidecar, opened, dataDir } = await reopened();
  const banners = page.locator(".banner");
  for (const shown of [0, 1]) {
    await status(sidecar, "ready");
    await crash(sidecar);
    await page.getByText("Ready").waitFor();
    assert.equal(await banners.count(), shown);
  }
  await banners.getByText("The sidecar has crashed 2 times in a row. It was killed.").waitFor();
  await banners.getByText(`${dataDir}/logs/sidecar.log`).waitFor();
  await banners.getByRole("button", { name: "Open the log" }).click();
  assert.deepEqual(opened, [`${dataDir}/logs/sidecar.log`]);
  await banners.getByRole("button", { name: "Restart" }).click();
  await banners.waitFor({ state: "detached" });
  await sidecar.stop();
  await banners.getByText("The sidecar was stopped.").waitFor();
  assert.equal(await page.getByRole("alert").count(), 1);
  await banners.getByRole("button", { name: "Start" }).click();
  await page.getByText("Ready").waitFor();
  assert.equal(await banners.count(), 0);
});

test("a page that loads while the sidecar crashes shows no error, and loads again once it is ready", async () => {
  const { page, sidecar } = await reopened();
  await page.getByText("Claude cannot work yet.").waitFor();
  process.kill(sidecar.pid ?? 0, "SIGSTOP"); // so that no call of the page is answered
  await openSession(page, null);
  await crash(sidecar);
  await page.getByText("Claude cannot work yet.").waitFor();
  await page.getByText("117 earlier events").waitFor();
  assert.deepEqual(await page.getByRole("alert").allTextContents(), []);
});

test("a failed turn shows the job's reason, hint and reset time, and can be tried again", async () => {
  const { page, sidecar } = await reopened();
  await page.getByText("Claude cannot work yet.").waitFor();
  await page.getByText("To install it: npm install -g @anthropic-ai/claude-code").waitFor();
  await openSession(page, 3);
  const failures = page.getByRole("group", { name: "Claude could not answer" });
  await failures.filter({ hasText: "usage limit" }).getByText("The limit resets at 13:00.").waitFor();
  const auth = failures.filter({ hasText: "not signed in" });
  await auth.getByText("use /login").waitFor();
  assert.deepEqual(await auth.locator(".notice-hint code").allTextContents(), ["claude"]);
  await auth.getByRole("button", { name: "Try again" }).click();
  await auth.getByRole("button").waitFor({ state: "detached" });
  assert.notEqual((await sidecar.jobs.get({ job_id: "job-2" })).error?.kind, "auth");
});
