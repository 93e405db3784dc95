// The example app with a recorded transcript in place of a sidecar.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openExample } from "./example_harness.mts";
import { COMMAND, PYTHON, ROOT, status } from "./sidecar_harness.mts";
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
  const live = await openExample(t, { record: file, withFeed: true });
  await live.page.getByRole("button", { name: "Back up" }).click();
  await backedUp(live.page);
  const seen = await readFeed(live.page);
  await live.sidecar.stop();
  await live.page.close();

  // Without --wait-for, notifications would be sent before the window listens.
  const command = [...COMMAND, "replay", "--wait-for", "jobs.list", file];
  const { page, dataDir, pageErrors } = await openExample(t, { command });
  await page.getByRole("button", { name: "Back up" }).click(); // what followed it waits for it
  assert.deepEqual(await readFeed(page), seen);
  assert.equal(await page.getByRole("alert").count(), 0);
  assert.deepEqual(pageErrors, []);
  assert.ok(seen.all.length > 5);
  assert.equal(existsSync(join(dataDir, "sidecar.db")), false);
});

test("a recording of the app, restarted in between, can be inspected", async (t) => {
  const file = join(mkdtempSync(join(process.env["SIDECAR_TEMPORARY"] ?? "", "recorded-")), "the hub.jsonl");
  const env = { CLAUDE_PATH: join(ROOT, "tests", "fakes", "claude"), CLAUDE_CONFIG_DIR: join(file, "..", "claude") };
  const { page, sidecar } = await openExample(t, { record: file, env });
  const answer = page.getByRole("log", { name: "Conversation" }).locator(".answer:not(.draft)");
  const send = async (prompt: string): Promise<void> => {
    await page.getByLabel("Message to Claude").fill(prompt);
    await page.keyboard.press("Enter");
  };
  await page.locator(".claude-check:not([aria-busy])").waitFor({ state: "attached" }); // every call is answered
  await send("[[slow:3]]");
  await answer.getByText("w0 w1 w2").waitFor();
  await page.getByText("Claude is working").first().waitFor({ state: "detached" });
  const restarting = status(sidecar, "restarting");
  process.kill(sidecar.pid ?? 0, "SIGKILL");
  await restarting;
  await sidecar.ready();
  await send("[[text:After the crash.]]");
  await answer.getByText("After the crash.").waitFor();
  await page.getByRole("button", { name: "Back up" }).click();
  await backedUp(page);
  await sidecar.stop();

  const inspect = (...args: string[]): string =>
    execFileSync(PYTHON, ["-m", "sidecar", "inspect", file, ...args], { cwd: ROOT, encoding: "utf-8" });
  const { runs } = JSON.parse(inspect("--json")) as { runs: any[] };
  assert.deepEqual(
    runs.map((run) => [run.exit_code, run.unreadable, run.refused, run.methods["claude.sessions.send"].calls]),
    [
      [null, 0, 0, 1],
      [0, 0, 0, 1],
    ],
  );
  const [beforeCrash, afterCrash] = runs;
  assert.equal(beforeCrash.notification_counts["claude.delta"] > 0, true);
  assert.equal(afterCrash.methods["jobs.create"].calls, 1);
  assert.equal(
    afterCrash.notification_counts["claude.message_added"],
    2,
    "the turn before the crash is not sent again",
  );
  for (const { calls, methods } of runs) {
    assert.deepEqual(
      calls.filter((call: any) => call.error !== null || call.latency_ms === null),
      [],
    );
    // Of fewer than twenty calls, the longest is above the 95th percentile's rank.
    for (const totals of Object.values<any>(methods)) if (totals.calls < 20) assert.equal(totals.p95_ms, totals.max_ms);
  }
  const shown = inspect();
  assert.match(shown, /^run 1 of 2, .* killed or still running$/m);
  assert.match(shown, /^run 2 of 2, .* exit code 0$/m);
  assert.match(shown, /assistant_text: w0 w1 w2/);
  const html = join(file, "..", "the hub.html");
  inspect("--html", html);
  assert.match(readFileSync(html, "utf-8"), /claude\.sessions\.send/);
});
