// The example app with a recorded transcript in place of a sidecar.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openExample } from "./example_harness.mts";
import { COMMAND } from "./sidecar_harness.mts";
import type { Page } from "./fake_electron/chromium.mts";

const backedUp = (page: Page): Promise<void> =>
  page
    .getByRole("list", { name: "Jobs" })
    .getByRole("listitem")
    .filter({ hasText: "Back up the database" })
    .getByText("just now")
    .waitFor();

/** Reads the feed before and after a search. */
async function readFeed(page: Page): Promise<{ all: string[]; weeks: string[]; found: string[] }> {
  const feed = page.getByRole("region", { name: "Activity" });
  await backedUp(page);
  await feed.getByText("TRAM-431 Import skips the last stop of night lines").first().waitFor();
  await feed.getByText(/^\d+ events in 26 weeks$/).waitFor();
  const all = await feed.locator(".feed-row").allTextContents();
  const weeks = await feed.getByText(/^\d+ events in 26 weeks$/).allTextContents();
  await page.getByLabel("Search the feed").fill("night lines fixed");
  await page.waitForFunction(() => document.querySelectorAll(".feed-row").length === 1);
  const found = await feed.locator(".feed-row").allTextContents();
  return { all, weeks, found };
}

test("with a transcript the app shows the same as with the recorded sidecar, without a database or account", async (t) => {
  const file = join(mkdtempSync(join(process.env["SIDECAR_TEMPORARY"] ?? "", "recorded-")), "the_hub.jsonl");
  const live = await openExample(t, { command: [...COMMAND, "serve", "--record", file], withFeed: true });
  await live.page.getByRole("button", { name: "Back up" }).click();
  await backedUp(live.page);
  const seen = await readFeed(live.page);
  await live.sidecar.stop();
  await live.page.close();

  // Without --wait-for, notifications would be sent before the window listens.
  const command = [...COMMAND, "replay", "--wait-for", "jobs.list", file];
  const { page, dataDir, pageErrors } = await openExample(t, { command });
  assert.deepEqual(await readFeed(page), seen);
  assert.equal(await page.getByRole("alert").count(), 0);
  assert.deepEqual(pageErrors, []);
  assert.ok(seen.all.length > 5);
  assert.equal(existsSync(join(dataDir, "sidecar.db")), false);
});
