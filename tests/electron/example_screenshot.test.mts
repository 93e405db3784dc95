// The screenshots of the example app; the app itself creates all their content, with the tests' fakes.
import assert from "node:assert/strict";
import { copyFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { browse, fakeApi, openExample, startFakeServices } from "./example_harness.mts";
import { FIX, script, timetable, WHY } from "./claude_script.mts";
import { ROOT } from "./sidecar_harness.mts";

const SCREENSHOT = join(ROOT, "protocol", "typescript", "example", "screenshot.png");
const LARGEST_BYTES = 500_000;
/** GitHub shows the README about 830 pixels wide: in a window of this width, its text stays readable. */
const SHOWN = { width: 880, height: 760 };
const HOUR = 10;

/** Returns a time zone in which it is between 10 and 11 a.m., so that the screenshots are always of the same time. */
function morningTimeZone(): string {
  const ahead = HOUR - new Date().getUTCHours();
  // The signs in these names are inverted, and they end at 12.
  const offset = ahead < -12 ? ahead + 24 : ahead;
  return `Etc/GMT${offset > 0 ? "-" : "+"}${Math.abs(offset)}`;
}

test("the app in the README's screenshot, light and dark", async (t) => {
  const timeZone = morningTimeZone();
  const folder = timetable(tmpdir());
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const clouds = await startFakeServices(t, timeZone);
  const { environment } = await fakeApi(t, script(folder));
  const env = { ...environment, ...clouds.environment };
  const shell = { openExternal: browse };
  const { page, sidecar, pageErrors } = await openExample(t, {
    env,
    electron: { shell },
    withFeed: true,
    timeZone,
    scale: 2,
  });
  await page.setViewportSize({ width: 1440, height: 1030 });
  await sidecar.jobs.create({ type: "maintenance.backup" });
  await sidecar.jira.accounts.create({ org: "Tramline", ...clouds.site });
  await sidecar.confluence.accounts.create({ org: "Tramline", ...clouds.site });
  await sidecar.signIn("google", {}, { signal: AbortSignal.timeout(30_000) });
  // What the fake has of today has passed, at whatever time the test runs.
  await page.locator(".past-events:not([hidden])").evaluate((folded) => ((folded as HTMLDetailsElement).open = true));
  await page.getByRole("list", { name: "Earlier events" }).getByText("Retro").waitFor();

  const message = page.getByLabel("Message to Claude");
  await page.getByLabel("Folder").fill(folder);
  await message.fill(WHY);
  await page.keyboard.press("Enter");
  await page.getByRole("log").getByText("no stored time changes").waitFor();
  await page.getByRole("list", { name: "Jobs" }).getByText("just now").nth(4).waitFor();
  await message.fill(FIX);
  await page.keyboard.press("Enter");
  await page.getByRole("group", { name: "Allow Edit?" }).waitFor();
  await message.evaluate((field) => field.blur());
  await page.setViewportSize(SHOWN);

  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    const path = join(process.env["SIDECAR_TEMPORARY"] ?? "", `${scheme}.png`);
    await page.screenshot({ path });
    assert.ok(statSync(path).size < LARGEST_BYTES, `${scheme}: ${statSync(path).size} bytes`);
    if (scheme === "light" && process.env["SIDECAR_UPDATE"] === "1") copyFileSync(path, SCREENSHOT);
  }
  assert.deepEqual(pageErrors, []);
});
