// The daily panel of the example app: schedules, what became of their times, and changes while it is shown.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import type { TestContext } from "node:test";
import { openExample } from "./example_harness.mts";
import { misplaced } from "./page_facts.mts";
import { newDataDir, ROOT, status } from "./sidecar_harness.mts";
import type { Page } from "./fake_electron/chromium.mts";

const open = (states: "all" | "none") =>
  openExample({ after } as unknown as TestContext, { states, timeZone: "UTC", env: { CLAUDE_PATH: "/no/claude" } });
/** An app with 30 schedules, and one without any. */
const [many, none] = [open("all"), open("none")];

const daily = (page: Page) => page.getByRole("region", { name: "Daily" });
const STRIP = "Last 30 days of My stand-up, one button per day";

test("each time of the last 30 days has a state by a shape and a name, and says why it did not happen", async () => {
  const { page, pageErrors } = await many;
  const panel = daily(page);
  await panel.getByText("In 30 days: 1 failed, 1 interrupted, 1 no answer, 2 missed").waitFor();
  const strip = panel.getByRole("group", { name: STRIP });
  const days = strip.getByRole("button");
  assert.equal(await days.count(), 30);
  for (const words of [
    "Friday 20 November, 9:00: missed: the app was closed from 8:10 to 10:00",
    "Thursday 19 November, 9:00: missed: the computer was asleep from 8:10 to 10:00",
    "Thursday 12 November, 9:00: skipped: the previous run had not ended",
    "Wednesday 25 November, 9:00: done",
    "Tuesday 24 November, 9:00: no answer",
    "Sunday 22 November: nothing was due",
  ])
    assert.equal(await strip.getByRole("button", { name: words }).count(), 1, words);
  const looks = await days.evaluateAll((all) =>
    all.map((one) => {
      const { width, height, clipPath, borderTopWidth, borderRadius } = getComputedStyle(one.firstElementChild!);
      return [one.getAttribute("data-state"), [width, height, clipPath, borderTopWidth, borderRadius].join(" ")];
    }),
  );
  const shapes = new Map(looks as Array<[string, string]>);
  const told = ["succeeded", "empty", "failed", "missed", "skipped", "none"].map((state) => shapes.get(state));
  assert.equal(new Set(told).size, told.length, JSON.stringify([...shapes]));
  assert.deepEqual(pageErrors, []);
});

test("keys move between the days, and Enter shows the times of one", async () => {
  const { page } = await many;
  const strip = daily(page).getByRole("group", { name: STRIP });
  await strip.getByRole("button", { name: "Wednesday 25 November" }).focus();
  for (const key of ["ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft"]) await page.keyboard.press(key);
  const label = "Friday 20 November, 9:00: missed: the app was closed from 8:10 to 10:00";
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), label);
  await daily(page).locator(".strip-caption").getByText(label).waitFor();
  await page.keyboard.press("Enter");
  const list = daily(page).getByRole("list", { name: "Friday 20 November" });
  await list.getByText("missed: the app was closed from 8:10 to 10:00").waitFor();
  await page.keyboard.press("Enter");
  await list.waitFor({ state: "hidden" });
  await page.keyboard.press("Control+5");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "daily");
});

test("30 schedules stay in their panel in a narrow and in a wide window", async () => {
  const { page } = await many;
  assert.equal(await daily(page).locator(".schedule").count(), 30);
  for (const width of [320, 390, 760, 1440]) {
    await page.setViewportSize({ width, height: 800 });
    const tabs = page.getByRole("navigation", { name: "Panels" });
    if (width < 1040) await tabs.getByRole("button", { name: "Daily" }).click();
    assert.deepEqual(await misplaced(page), [], String(width));
  }
});

test("a schedule is created, paused, run, seen to fail and deleted without a reload", async () => {
  const { page, sidecar, pageErrors } = await none;
  const panel = daily(page);
  await panel.getByRole("button", { name: "Every weekday at nine: my stand-up" }).click();
  const dialog = page.getByRole("dialog", { name: "New schedule" });
  await dialog.getByLabel("Title").fill("스탠드업");
  await dialog.getByLabel("At", { exact: true }).fill("09:30");
  await page.keyboard.press("Enter");
  const row = panel.getByRole("listitem").filter({ hasText: "스탠드업" });
  await row.getByText("Every weekday at 9:30 · next tomorrow at 9:30").waitFor();
  await row.getByText("Nothing was due in 30 days").waitFor();
  const [schedule] = (await sidecar.jobs.schedules.list()).schedules.filter(({ fixed }) => !fixed);
  assert.deepEqual(
    [schedule?.rrule, schedule?.time_zone, (schedule?.payload as { hub: string }).hub],
    ["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=30", "UTC", "read"],
  );
  await row.getByRole("button", { name: "Pause: 스탠드업" }).click();
  await row.getByText("Every weekday at 9:30 · paused").waitFor();
  await row.getByRole("button", { name: "Resume: 스탠드업" }).click();
  await row.getByText("next tomorrow").waitFor();
  await row.getByRole("button", { name: "Run now: 스탠드업" }).click();
  await row.getByText("Last: failed, just now").click();
  await row.getByText("claude", { exact: false }).last().waitFor();
  await row.getByRole("button", { name: /^Wednesday 25 November, .*run on request, failed: / }).waitFor();
  for (const width of [390, 1440]) {
    await page.setViewportSize({ width, height: 800 });
    if (width < 1040)
      await page.getByRole("navigation", { name: "Panels" }).getByRole("button", { name: "Daily" }).click();
    assert.deepEqual(await misplaced(page), [], String(width));
  }
  await row.getByRole("button", { name: "Delete" }).click();
  await row.getByRole("button", { name: "Delete with its record" }).click();
  await panel.getByText("Claude can work by itself").waitFor();
  assert.deepEqual(pageErrors, []);
});

test("an answer links its sources, and marks one that does not exist, in the panel and in the feed", async (t) => {
  const configDir = newDataDir();
  const env = { CLAUDE_PATH: join(ROOT, "tests", "fakes", "claude"), CLAUDE_CONFIG_DIR: configDir };
  const { page, sidecar, pageErrors } = await openExample(t, { withFeed: true, env });
  const reads = [
    ["activity_events_list", { issue_key: "TRAM-431", limit: 1 }],
    ["activity_search", { query: "Stand-up", limit: 1 }],
  ].map(([tool, params]) => `[[call:mcp__hub__${tool}:${JSON.stringify(params)}]]`);
  const answer = "You moved **TRAM-431** [1] after the stand-up [2].\n\nIt rained. <b>Bob</b> left [9]. See `rows[1]`.";
  const prompt = `${reads.join(" ")} [[say:${answer}]]`;
  const schedule = await sidecar.jobs.schedules.create({
    title: "My stand-up",
    type: "claude.run",
    payload: { prompt },
    period_s: 86_400,
  });
  const row = daily(page).getByRole("listitem").filter({ hasText: "My stand-up" });
  await row.getByRole("button", { name: "Run now: My stand-up" }).click();
  await row.getByText("Last: done, just now").click();
  const link = row.getByRole("link", { name: /^Source 1: TRAM-431 / });
  assert.equal(await link.getAttribute("href"), "https://tramline.example/browse/TRAM-431");
  assert.equal(await link.textContent(), "1");
  await row.getByRole("button", { name: /^Source 2: Stand-up/ }).click();
  assert.match((await page.evaluate(() => document.activeElement?.textContent)) ?? "", /^\[2\] Stand-up/);
  assert.equal(await row.locator(".schedule-text mark").textContent(), "9 (no such source)");
  await row.getByText("Source 9 does not exist: “<b>Bob</b> left [9].”").waitFor();
  assert.equal(await row.locator("code").textContent(), "rows[1]");
  assert.equal(await row.locator("b").count(), 0);
  const feed = page.getByRole("region", { name: "Activity" });
  await feed.getByText("2 sources, 1 missing").click();
  const sources = feed.getByRole("group", { name: "Sources", exact: true }).last();
  await sources.getByRole("link", { name: "TRAM-431 Import skips the last stop of night lines" }).waitFor();
  await sources.getByText("Source 9 does not exist").waitFor();
  for (const width of [320, 1440]) {
    await page.setViewportSize({ width, height: 800 });
    assert.deepEqual(await misplaced(page), [], String(width));
  }
  await sidecar.jobs.schedules.delete({ schedule_id: schedule.schedule_id });
  assert.deepEqual(pageErrors, []);
});

test("the panel stays as it is while the sidecar is down, and goes on when it is back", async () => {
  const { page, sidecar } = await many;
  await daily(page).getByText("In 30 days: 1 failed").waitFor();
  await sidecar.stop();
  await page.getByText("The sidecar was stopped.").waitFor();
  assert.equal(await daily(page).locator(".schedule").count(), 30);
  assert.deepEqual(await daily(page).getByRole("alert").allTextContents(), []);
  await sidecar.start();
  await status(sidecar, "ready");
  await sidecar.jobs.schedules.update({ schedule_id: "schedule-00", title: "Another name" });
  await daily(page).getByRole("heading", { name: "Another name" }).waitFor();
  assert.deepEqual(await daily(page).getByRole("alert").allTextContents(), []);
});
