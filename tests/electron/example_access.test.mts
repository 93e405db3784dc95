// The example app is accessible in a wide window: axe finds nothing in it, and its controls stand out from their
// background, in light, dark and forced colours.
import { test } from "node:test";
import { isAccessible, openStates } from "./accessible.mts";
import { openSession } from "./example_harness.mts";

/** Conversations of example_states.py, and a text that each shows. */
const STATES: ReadonlyArray<[number | null, string]> = [
  [4, "Allow Edit?"],
  [5, "Which feed first?"],
  [3, "The limit resets at 13:00."],
  [null, "Claude cannot work yet."],
];
const app = openStates();

test("a wide window is accessible", async () => {
  const { page } = await app;
  await openSession(page, 1);
  for (const text of ["What I found", "17 earlier events", "14 done"]) await page.getByText(text).first().waitFor();
  await page.getByRole("region", { name: "Daily" }).getByRole("button", { name: "Delete" }).first().click();
  await isAccessible(page, "wide", "body");
});

for (const [session, text] of STATES)
  test(`a conversation is accessible that says ${text}`, async () => {
    const { page } = await app;
    await openSession(page, session);
    await page.getByText(text).waitFor();
    await isAccessible(page, text, ".claude");
  });

test("dialogs are accessible", async () => {
  const { page } = await app;
  await openSession(page, null);
  await page.getByText("Claude cannot work yet.").waitFor();
  await page.keyboard.press("?");
  await isAccessible(page, "keys", "dialog[open]");
  await page.keyboard.press("Escape");
  for (const name of ["Accounts", "New schedule"]) {
    await page.getByRole("button", { name }).click();
    await isAccessible(page, name, "dialog[open]");
    await page.keyboard.press("Escape");
  }
});
