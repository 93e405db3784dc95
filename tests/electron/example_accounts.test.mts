// Accounts in the example app: connected, synced, lost, connected again, removed.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { browse, openExample, startFakeServices } from "./example_harness.mts";
import type { FakeServices } from "./example_harness.mts";
import type { Page } from "./fake_electron/chromium.mts";

async function hubWithClouds(t: TestContext, openExternal = browse) {
  const { google, site, environment, order } = await startFakeServices(t);
  const hub = await openExample(t, {
    env: environment,
    electron: { shell: { openExternal } },
  });
  t.after(() => assert.deepEqual(hub.pageErrors, []));
  await hub.page.getByRole("button", { name: "Accounts" }).click();
  const dialog = hub.page.getByRole("dialog", { name: "Accounts" });
  await dialog.getByText("No account is connected yet.").waitFor();
  const steer = (path: string, body: object): Promise<unknown> =>
    fetch(`${google}/fake/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
  return { ...hub, site, dialog, order, steer };
}

async function enter(page: Page, { base_url, email, api_token }: FakeServices["site"]): Promise<void> {
  await page.getByRole("button", { name: "Jira and Confluence" }).click();
  await page.getByLabel("Name").fill("Tramline");
  await page.getByLabel("Site").fill(base_url);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("API token").fill(api_token);
}

const MARA = "mara@tramline.example";

/** Opens the choice of Google, and is the person's browser. */
async function hubWithGoogle(t: TestContext, openExternal = browse) {
  const hub = await hubWithClouds(t, openExternal);
  await hub.dialog.getByRole("button", { name: "Google Calendar" }).click();
  return {
    ...hub,
    row: hub.dialog.getByRole("listitem").filter({ hasText: MARA }),
  };
}

test("a day comes by signing in with Google, and calendars can be left out of it", async (t) => {
  const { page, dialog, row } = await hubWithGoogle(t);
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  await row.getByText(/synced just now/).waitFor();
  const events = page.getByRole("list", { name: "Today's events" });
  await events.getByText("Retro").waitFor();
  await row.getByText("Calendars", { exact: true }).click();
  await row.getByRole("checkbox", { name: "Timetable team" }).uncheck();
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.querySelectorAll(".event").length === 3);
  assert.equal(await events.getByText("Retro").count(), 0);
  assert.equal(await events.locator(".now-line").count(), 1);
  const interview = events.locator(".event").filter({ hasText: "Interview" });
  assert.equal(await interview.getAttribute("data-answer"), "needsAction");
  await interview.getByText("not answered yet · 3 people").waitFor();
  const join = events.getByRole("link", {
    name: "Join Stop search: design review",
  });
  assert.deepEqual(
    [await join.getAttribute("href"), await join.getAttribute("target"), await join.getAttribute("rel")],
    ["https://meet.tramline.example/search", "_blank", "noreferrer noopener"],
  );
});

test("a sign-in that is refused says so, and can be tried again", async (t) => {
  const { dialog, row, steer } = await hubWithGoogle(t);
  await steer("consent", { error: "access_denied" });
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  await dialog.getByRole("alert").waitFor();
  await steer("consent", { email: MARA });
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  await row.waitFor();
});

test("a sign-in that nobody finishes can be given up", async (t) => {
  const { dialog } = await hubWithGoogle(t, async () => undefined);
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  await dialog.getByText("Waiting for your browser…").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.getByRole("button", { name: "Sign in with Google" }).waitFor();
  assert.equal(await dialog.getByRole("alert").count(), 0);
});

test("an account whose sign-in was taken back asks to sign in again", async (t) => {
  const { page, dialog, row, steer } = await hubWithGoogle(t);
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

test("Jira and Confluence are connected by one token, synced, and told in the feed", async (t) => {
  const { page, dialog, site } = await hubWithClouds(t);
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

test("a wrong token is said, and what was entered stays", async (t) => {
  const { page, dialog, site } = await hubWithClouds(t);
  await enter(page, { ...site, api_token: "wrong" });
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  await dialog.getByRole("alert").getByText("The site does not accept this e-mail address and API token.").waitFor();
  assert.equal(await page.getByLabel("Site").inputValue(), site.base_url);
  await page.getByLabel("API token").fill(site.api_token);
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  await dialog.getByRole("listitem").filter({ hasText: "Jira" }).waitFor();
});

test("an account whose token has ended asks for another, in a banner, and works again with it", async (t) => {
  const { page, dialog, site, order } = await hubWithClouds(t);
  await enter(page, site);
  await page.getByLabel("Confluence").uncheck();
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  const row = dialog.getByRole("listitem").filter({ hasText: "Jira" });
  await row.getByText(/synced just now/).waitFor();
  await order("expire");
  await row.getByRole("button", { name: "Sync now" }).click();
  await row.getByLabel("API token").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("Its token is not accepted any more.").first().waitFor();
  await page.getByRole("button", { name: "Connect again" }).first().click();
  await row.getByLabel("API token").fill(await order("token"));
  await row.getByRole("button", { name: "Connect again" }).click();
  await row.getByRole("button", { name: "Sync now" }).waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.getByText("Its token is not accepted any more.").count(), 0);
});

test("an account is removed when asked twice, with what it brought", async (t) => {
  const { page, dialog, site } = await hubWithClouds(t);
  await enter(page, site);
  await page.getByLabel("Confluence").uncheck();
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  const row = dialog.getByRole("listitem").filter({ hasText: "Jira" });
  await row.getByText(/synced just now/).waitFor();
  await row.getByRole("button", { name: "Remove" }).click();
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Keep");
  await row.getByRole("button", { name: "Remove it and its events?" }).click();
  await dialog.getByText("No account is connected yet.").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("What happens in your calendars").waitFor();
});
