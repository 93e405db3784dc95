// Accounts in the example app: connect, sync, expire, reconnect, remove.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { browse, openExample, startFakeServices } from "./example_harness.mts";
import type { FakeServices } from "./example_harness.mts";
import type { Page } from "./fake_electron/chromium.mts";

async function exampleWithServices(t: TestContext, openExternal = browse) {
  const { google, site, environment, command } = await startFakeServices(t);
  const example = await openExample(t, { env: environment, electron: { shell: { openExternal } } });
  t.after(() => assert.deepEqual(example.pageErrors, []));
  await example.page.getByRole("button", { name: "Accounts" }).click();
  const dialog = example.page.getByRole("dialog", { name: "Accounts" });
  await dialog.getByText("No account is connected yet.").waitFor();
  const steer = (path: string, body: object): Promise<unknown> =>
    fetch(`${google}/fake/${path}`, { method: "POST", body: JSON.stringify(body) });
  return { ...example, site, dialog, command, steer };
}

async function enter(page: Page, { base_url, email, api_token }: FakeServices["site"]): Promise<void> {
  await page.getByRole("button", { name: "Jira and Confluence" }).click();
  await page.getByLabel("Name").fill("Tramline");
  await page.getByLabel("Site").fill(base_url);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("API token").fill(api_token);
}

const MARA = "mara@tramline.example";

/** Opens the form for Google. */
async function exampleWithGoogle(t: TestContext, openExternal = browse) {
  const example = await exampleWithServices(t, openExternal);
  await example.dialog.getByRole("button", { name: "Google Calendar" }).click();
  return { ...example, row: example.dialog.getByRole("listitem").filter({ hasText: MARA }) };
}

test("after a sign-in with Google the agenda shows the events, and calendars can be deselected", async (t) => {
  const { page, dialog, row } = await exampleWithGoogle(t);
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  await row.getByText(/synced just now/).waitFor();
  const today = page.getByRole("region", { name: "Today" });
  const events = page.getByRole("list", { name: "Earlier events" }); // what the fake has of today has passed
  await today.locator(".past-events:not([hidden])").evaluate((folded) => ((folded as HTMLDetailsElement).open = true));
  await events.getByText("Retro").waitFor();
  await row.getByText("Calendars", { exact: true }).click();
  await row.getByRole("checkbox", { name: "Timetable team" }).uncheck();
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.querySelectorAll(".event").length === 3);
  assert.equal(await events.getByText("Retro").count(), 0);
  assert.equal(await today.locator(".now-line").count(), 1);
  const interview = events.locator(".event").filter({ hasText: "Interview" });
  assert.equal(await interview.getAttribute("data-answer"), "needsAction");
  await interview.getByText("not answered yet · 3 people").waitFor();
  const join = events.getByRole("link", { name: "Join Stop search: design review" });
  assert.deepEqual(
    [await join.getAttribute("href"), await join.getAttribute("target"), await join.getAttribute("rel")],
    ["https://meet.tramline.example/search", "_blank", "noreferrer noopener"],
  );
});

test("a denied sign-in shows an error and can be repeated", async (t) => {
  const { dialog, row, steer } = await exampleWithGoogle(t);
  await steer("consent", { error: "access_denied" });
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  await dialog.getByRole("alert").waitFor();
  await steer("consent", { email: MARA });
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  await row.waitFor();
});

test("an unfinished sign-in can be cancelled", async (t) => {
  const { dialog } = await exampleWithGoogle(t, async () => undefined);
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  await dialog.getByText("Waiting for your browser…").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.getByRole("button", { name: "Sign in with Google" }).waitFor();
  assert.equal(await dialog.getByRole("alert").count(), 0);
});

test("an account with a revoked sign-in asks to sign in again", async (t) => {
  const { page, dialog, row, steer } = await exampleWithGoogle(t);
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  await row.getByText(/synced just now/).waitFor();
  await steer("revoke", { email: MARA });
  await row.getByRole("button", { name: "Sync now" }).click();
  await row.getByRole("button", { name: "Sign in with Google" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Connect again" }).click();
  await row.getByRole("button", { name: "Sign in with Google" }).click();
  await row.getByRole("button", { name: "Sync now" }).waitFor();
});

test("Jira and Confluence are connected with one token, synced and shown in the feed", async (t) => {
  const { page, dialog, site } = await exampleWithServices(t);
  await enter(page, site);
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  for (const service of ["Jira", "Confluence"]) {
    await dialog
      .getByRole("listitem")
      .filter({ hasText: service })
      .getByText(/synced just now/)
      .waitFor();
  }
  assert.equal(await page.getByLabel("API token").count(), 0);
  await page.keyboard.press("Escape");
  const feed = page.getByRole("region", { name: "Activity" });
  await feed.getByText("SIGN-1 Order signs for the new stops").first().waitFor();
  await feed.getByText("Stops without a shelter").waitFor();
  await page.getByRole("list", { name: "Jobs" }).getByText("Sync Jira").waitFor();
});

test("a wrong token shows an error, and the form keeps its values", async (t) => {
  const { page, dialog, site } = await exampleWithServices(t);
  await enter(page, { ...site, api_token: "wrong" });
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  await dialog.getByRole("alert").waitFor();
  assert.equal(await page.getByLabel("Site").inputValue(), site.base_url);
  await page.getByLabel("API token").fill(site.api_token);
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  await dialog.getByRole("listitem").filter({ hasText: "Jira" }).waitFor();
});

test("an account whose token is rejected says when it is tried again, and takes a new token at once", async (t) => {
  const { page, dialog, site, command } = await exampleWithServices(t);
  await enter(page, site);
  await page.getByLabel("Confluence").uncheck();
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  const row = dialog.getByRole("listitem").filter({ hasText: "Jira" });
  await row.getByText(/synced just now/).waitFor();
  await command("expire");
  await row.getByRole("button", { name: "Sync now" }).click();
  await row.getByText(/Next try at/).waitFor();
  await row.getByLabel("API token").fill(await command("token"));
  await row.getByRole("button", { name: "Connect again" }).click();
  await row.getByText(/synced just now/).waitFor();
  assert.equal(await row.getByLabel("API token").count(), 0);
});

test("an account and its events are removed after a confirmation", async (t) => {
  const { page, dialog, site } = await exampleWithServices(t);
  await enter(page, site);
  await page.getByLabel("Confluence").uncheck();
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  const row = dialog.getByRole("listitem").filter({ hasText: "Jira" });
  await row.getByText(/synced just now/).waitFor();
  await row.getByRole("button", { name: "Remove" }).click();
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Keep");
  await row.getByRole("button", { name: "Remove account and events?" }).click();
  await dialog.getByText("No account is connected yet.").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("Activity in your calendars").waitFor();
});
