// The example app: jobs, the feed, the heatmap, the stand-up, errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import { refusePermissions, windowOptions } from "../../protocol/typescript/example/window.ts";
import { guardNavigation } from "../../protocol/typescript/trust.ts";
import { openExample } from "./example_harness.mts";
import { COMMAND_WITH_TEST_JOBS } from "./sidecar_harness.mts";
import type { Page } from "./fake_electron/chromium.mts";

const job = (page: Page, text: string) =>
  page.getByRole("list", { name: "Jobs" }).getByRole("listitem").filter({ hasText: text });

test("a job shows its progress and can be cancelled and run again", async (t) => {
  const { page, sidecar, pageErrors } = await openExample(t, { command: COMMAND_WITH_TEST_JOBS });
  await sidecar.jobs.create({ type: "test.hang", payload: { progress: 0.4 } } as never);
  const row = job(page, "test.hang");
  await row.getByText("40 % · on its way").waitFor();
  assert.equal(await row.getByRole("progressbar").getAttribute("aria-label"), "Progress of test.hang");
  assert.equal(await row.locator("progress").evaluate((bar: HTMLProgressElement) => bar.value), 0.4);
  await row.getByRole("button", { name: "Cancel: test.hang" }).click();
  await row.getByText(/^cancelled/).waitFor();
  assert.equal(await row.getByRole("progressbar").count(), 0);
  await row.getByText("Log").click();
  await row.getByText("hanging").waitFor();
  await row.getByRole("button", { name: "Run again: test.hang" }).click();
  await row.getByText("40 % · on its way").waitFor();
  assert.deepEqual(pageErrors, []);
});

test("a failed job shows its error and hint", async (t) => {
  const { page, sidecar } = await openExample(t, { command: COMMAND_WITH_TEST_JOBS });
  await sidecar.jobs.create({ type: "test.fail", max_attempts: 1 } as never);
  const row = job(page, "test.fail");
  await row.getByText("It did not work. Try something else.").waitFor();
  assert.equal(await row.getAttribute("data-status"), "failed");
});

test("the queue can be paused and resumed", async (t) => {
  const { page, sidecar } = await openExample(t);
  const jobs = page.getByRole("region", { name: "Jobs" });
  await jobs.getByRole("button", { name: "Pause" }).click();
  await jobs.getByRole("button", { name: "Resume" }).waitFor();
  await jobs.getByRole("button", { name: "Back up" }).click();
  await job(page, "Back up the database").getByText("queued").waitFor();
  assert.equal((await sidecar.jobs.queue.get()).paused, true);
  await jobs.getByRole("button", { name: "Resume" }).click();
  await job(page, "Back up the database").getByText("just now").waitFor();
});

test("empty panels describe what they will show", async (t) => {
  const { page, pageErrors } = await openExample(t);
  for (const words of [
    "Connect a calendar to see",
    "No jobs yet.",
    "What should Claude do?",
    "Activity in your calendars",
  ]) {
    await page.getByText(words).waitFor();
  }
  await page.getByText("0 events in 26 weeks").waitFor();
  assert.deepEqual(pageErrors, []);
});

test("the feed can be searched and filtered by source", async (t) => {
  const { page, pageErrors } = await openExample(t, { withFeed: true });
  const feed = page.getByRole("region", { name: "Activity" });
  await feed.getByText("TRAM-431 Import skips the last stop of night lines").first().waitFor();
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => (document.activeElement as HTMLInputElement).type), "search");
  await page.keyboard.type("night lines fixed");
  await page.waitForFunction(() => document.querySelectorAll(".feed-row").length === 1);
  await feed.locator(".feed-row").filter({ hasText: "Rehearse the cut-over" }).waitFor();
  assert.deepEqual(await feed.locator("mark").allTextContents(), ["night", "lines", "fixed"]);
  await page.getByLabel("Search the feed").fill("xyzzy");
  await feed.getByText("Nothing matches “xyzzy”.").waitFor();
  await page.getByLabel("Search the feed").fill("");
  await feed.getByRole("button", { name: "Confluence" }).click();
  await feed.getByText("Priya page edited · Timetable").waitFor();
  assert.equal(await feed.locator('.feed-row[data-source="jira"]').count(), 0);
  assert.deepEqual(pageErrors, []);
});

test("the heatmap has half a year of days, supports the arrow keys and filters the feed by a day", async (t) => {
  const { page } = await openExample(t, { withFeed: true });
  const feed = page.getByRole("region", { name: "Activity" });
  await feed.getByText(/^\d+ events in 26 weeks$/).waitFor();
  const days = feed.locator(".heat-day");
  assert.ok([176, 177, 178, 179, 180, 181, 182].includes(await days.count()));
  assert.ok((await feed.locator('.heat-day[data-level="4"]').count()) > 0);
  await days.last().focus();
  await page.keyboard.press("ArrowUp");
  const yesterday = (await page.evaluate(() => document.activeElement?.getAttribute("data-label"))) ?? "";
  assert.match(yesterday, /^\w+ \d+ \w+: 5 events$/);
  await feed.getByText(yesterday).waitFor();
  await page.keyboard.press("Enter");
  await feed.getByText("Only ").waitFor();
  await feed.getByRole("heading", { name: "Yesterday" }).waitFor();
  await page.waitForFunction(() => document.querySelectorAll(".feed-row").length === 5);
  await feed.getByRole("button", { name: "Show all days" }).click();
  await feed.getByRole("heading", { name: "Today" }).waitFor();
});

test("the stand-up lists the activity since the last working day", async (t) => {
  const { page } = await openExample(t, { withFeed: true });
  await page.getByRole("button", { name: "Stand-up", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Stand-up" });
  await dialog.getByText("Show delays next to the departure").first().waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
});

test("the app shows that the sidecar has stopped and works again after a restart", async (t) => {
  const { page, sidecar } = await openExample(t);
  await page.getByText("Ready").waitFor();
  await sidecar.stop();
  await page.getByText("Stopped", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Back up" }).click();
  await page.getByRole("region", { name: "Jobs" }).getByRole("alert").getByText("The sidecar was stopped.").waitFor();
  await sidecar.start();
  await page.getByText("Ready").waitFor();
  await page.getByRole("button", { name: "Back up" }).click();
  await job(page, "Back up the database").waitFor();
  await page.waitForFunction(() => document.querySelector("[role=alert]") === null);
});

test("every control has a name, every panel a heading and a keyboard shortcut", async (t) => {
  const { page } = await openExample(t, { withFeed: true });
  await page.getByText("TRAM-431").first().waitFor();
  assert.deepEqual(await controlsWithoutName(page), []);
  assert.deepEqual(await page.getByRole("heading", { level: 2 }).allTextContents(), [
    "Today",
    "Jobs",
    "Claude",
    "Activity",
    "Daily",
  ]);
  for (const [key, name] of [
    ["1", "Today"],
    ["2", "Jobs"],
    ["3", "Claude"],
    ["4", "Activity"],
    ["5", "Daily"],
  ] as const) {
    await page.keyboard.press(`Control+${key}`);
    assert.equal(await page.evaluate(() => document.activeElement?.querySelector("h2")?.textContent), name);
  }
  await page.setViewportSize({ width: 480, height: 700 });
  await page.getByRole("navigation", { name: "Panels" }).getByRole("button", { name: "Jobs" }).click();
  await page.getByText("No jobs yet.").waitFor();
  assert.equal(await page.getByLabel("Message to Claude").isVisible(), false);
});

function controlsWithoutName(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("button, a, input, select, textarea")]
      .filter((one) => one.checkVisibility())
      .filter(
        (one) =>
          !(one.textContent?.trim() || one.getAttribute("aria-label") || (one as HTMLInputElement).labels?.length),
      )
      .map((one) => one.outerHTML),
  );
}

test("a window is sandboxed, cannot navigate and opens only web addresses in the browser", async () => {
  const { webPreferences } = windowOptions("/preload.cjs", true);
  assert.deepEqual(webPreferences, {
    preload: "/preload.cjs",
    sandbox: true,
    contextIsolation: true,
    nodeIntegration: false,
    webviewTag: false,
  });
  const opened: string[] = [];
  const listeners = new Map<string, (event: { preventDefault: () => void }) => void>();
  let open: (details: { url: string }) => { action: string } = () => assert.fail();
  const contents = {
    setWindowOpenHandler: (handler: typeof open) => (open = handler),
    on: (name: string, listener: never) => listeners.set(name, listener),
  };
  guardNavigation(contents as never, {
    openExternal: async (url) => void opened.push(url),
    onFault: (fault) => assert.fail(String(fault)),
  });
  for (const url of [
    "https://example.com/a",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "ms-settings:",
    "not an address",
    "http://example.com/",
  ]) {
    assert.deepEqual(open({ url }), { action: "deny" });
  }
  assert.deepEqual(opened, ["https://example.com/a", "http://example.com/"]);
  let prevented = 0;
  for (const name of ["will-navigate", "will-redirect", "will-attach-webview"])
    listeners.get(name)?.({ preventDefault: () => (prevented += 1) });
  assert.equal(prevented, 3);
});

test("a page may write to the clipboard and has no other permission", () => {
  let request: (contents: null, permission: string, answer: (is: boolean) => void) => void = () => undefined;
  let check: (contents: null, permission: string) => boolean = () => true;
  refusePermissions({
    setPermissionRequestHandler: (handler: typeof request) => (request = handler),
    setPermissionCheckHandler: (handler: typeof check) => (check = handler),
  } as never);
  for (const permission of ["media", "geolocation", "clipboard-read", "notifications", "clipboard-sanitized-write"]) {
    const isWanted = permission === "clipboard-sanitized-write";
    request(null, permission, (is) => assert.equal(is, isWanted, permission));
    assert.equal(check(null, permission), isWanted, permission);
  }
});
