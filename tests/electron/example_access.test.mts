// The example app is accessible: axe finds nothing in it, in light, dark and forced colours, wide, narrow and enlarged.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { TestContext } from "node:test";
import { openExample, openSession } from "./example_harness.mts";
import { ROOT } from "./sidecar_harness.mts";
import type { Page } from "./fake_electron/chromium.mts";

const AXE = readFileSync(join(ROOT, "protocol", "typescript", "node_modules", "axe-core", "axe.min.js"), "utf-8");
const SCHEMES = {
  light: { colorScheme: "light", forcedColors: "none" },
  dark: { colorScheme: "dark", forcedColors: "none" },
  forced: { colorScheme: "light", forcedColors: "active" },
} as const;
/** Conversations of example_states.py, and a text that each shows. */
const STATES: ReadonlyArray<[number | null, string]> = [
  [4, "Allow Edit?"],
  [5, "Which feed first?"],
  [3, "The limit resets at 13:00."],
  [null, "Claude cannot work yet."],
];
/** The second is a window of 1440 by 900 pixels at 200 %. */
const NARROW = [
  { width: 390, height: 844 },
  { width: 720, height: 450 },
];

/** One app for all tests of this file: its database takes a while to fill. */
const app = openExample({ after } as unknown as TestContext, {
  withStates: true,
  timeZone: "UTC",
  env: { CLAUDE_PATH: "/no/claude" },
});

for (const [name, scheme] of Object.entries(SCHEMES))
  test(`axe finds nothing to complain about in ${name} colours`, async () => {
    const { page } = await app;
    const faults: string[] = [];
    const check = async (state: string, within: string): Promise<void> =>
      void faults.push(...(await violations(page, within)).map((one) => `${state}: ${one}`));
    await page.emulateMedia({ ...scheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width: 1440, height: 900 });
    await openSession(page, 1);
    await page.getByText("What I found").waitFor();
    await page.getByText("117 earlier events").waitFor();
    await check("wide", "body");
    for (const [session, text] of STATES) {
      await openSession(page, session);
      await page.getByText(text).waitFor();
      await check(text, ".claude");
    }
    await page.keyboard.press("?");
    await check("keys", "dialog[open]");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Accounts" }).click();
    await check("accounts", "dialog[open]");
    await page.keyboard.press("Escape");
    for (const size of NARROW) {
      await page.setViewportSize(size);
      await check(String(size.width), ".head, .tabs");
      for (const tab of ["Today", "Jobs", "Activity", "Claude"]) {
        await page.getByRole("navigation", { name: "Panels" }).getByRole("button", { name: tab }).click();
        await check(`${tab} ${size.width}`, `.${tab.toLowerCase()}`);
      }
    }
    assert.deepEqual(faults, []);
  });

/** Runs axe on what is in sight within the elements of a selector. */
async function violations(page: Page, within: string): Promise<string[]> {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  return page.evaluate(async (selector) => {
    const found = await (globalThis as any).axe.run([...document.querySelectorAll(selector)], {
      resultTypes: ["violations"],
    });
    return found.violations.map(({ id, nodes }: any) => {
      const [{ target, any, all, none }] = nodes;
      return `${id} ×${nodes.length}: ${target}: ${[...any, ...all, ...none][0]?.message}`;
    });
  }, within);
}
