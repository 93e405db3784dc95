// Opens the states of the example app for the tests of access, which share them between their files.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import type { TestContext } from "node:test";
import { openExample } from "./example_harness.mts";
import type { Example } from "./example_harness.mts";
import { lowContrasts } from "./page_contrast.mts";
import { ROOT } from "./sidecar_harness.mts";
import type { Page } from "./fake_electron/chromium.mts";

const AXE = readFileSync(join(ROOT, "protocol", "typescript", "node_modules", "axe-core", "axe.min.js"), "utf-8");
export const SCHEMES = {
  light: { colorScheme: "light", forcedColors: "none" },
  dark: { colorScheme: "dark", forcedColors: "none" },
  forced: { colorScheme: "light", forcedColors: "active" },
} as const;
export type Scheme = keyof typeof SCHEMES;

/** Opens one app for all tests of a file: its database takes a while to fill. */
export const openStates = (): Promise<Example> =>
  openExample({ after } as unknown as TestContext, {
    states: "few", // axe reads the whole page, whatever it checks
    timeZone: "UTC",
    env: { CLAUDE_PATH: "/no/claude" },
  });

/**
 * Checks what is in sight in all colours, one after another: a change of colours costs less than a new state.
 *
 * Names, roles and the like do not depend on colours, so that all rules are applied once, and then those about colours.
 */
export async function isAccessible(page: Page, state: string, within: string): Promise<void> {
  const faults: string[] = [];
  for (const [name, scheme] of Object.entries(SCHEMES)) {
    await page.emulateMedia({ ...scheme, reducedMotion: "reduce" });
    const rules = name === "light" ? null : COLOR_RULES;
    for (const fault of [...(await violations(page, within, rules)), ...(await lowContrasts(page, within))])
      faults.push(`${name}: ${fault}`);
  }
  assert.deepEqual(faults, [], state);
}

const COLOR_RULES = ["color-contrast", "link-in-text-block"];

/** Runs axe, with all of its rules or some, on what is in sight within the elements of a selector. */
async function violations(page: Page, within: string, rules: readonly string[] | null): Promise<string[]> {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  return page.evaluate(
    async ({ selector, only }) => {
      const found = await (globalThis as any).axe.run([...document.querySelectorAll(selector)], {
        resultTypes: ["violations"],
        ...(only === null ? {} : { runOnly: only }),
      });
      return found.violations.map(({ id, nodes }: any) => {
        const [{ target, any, all, none }] = nodes;
        return `${id} ×${nodes.length}: ${target}: ${[...any, ...all, ...none][0]?.message}`;
      });
    },
    { selector: within, only: rules },
  );
}
