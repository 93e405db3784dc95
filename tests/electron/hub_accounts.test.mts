// Accounts in the example app: connected, synced, lost, connected again, removed.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { openHub, startFake } from "./hub_rig.mts";
import type { HubOptions } from "./hub_rig.mts";
import type { Page } from "./standin/browser.mts";

// Those of tests/fakes/google_oauth.py.
const CLIENT_ID = "sidecar-tests.apps.googleusercontent.com";
const CLIENT_SECRET = "GOCSPX-of-the-tests";

interface Site {
  base_url: string;
  email: string;
  api_token: string;
}

async function hubWithSite(t: TestContext) {
  const fake = await startFake(t, "tests.electron.site");
  const site = JSON.parse(fake.about) as Site;
  const hub = await openHub(t, {
    env: { ATLASSIAN_GATEWAY_URL: site.base_url },
  });
  t.after(() => assert.deepEqual(hub.complaints, []));
  await hub.page.getByRole("button", { name: "Accounts" }).click();
  const dialog = hub.page.getByRole("dialog", { name: "Accounts" });
  await dialog.getByText("No account is connected yet.").waitFor();
  return { ...hub, site, dialog, order: fake.order };
}

async function enter(
  page: Page,
  { base_url, email, api_token }: Site,
): Promise<void> {
  await page.getByRole("button", { name: "Jira and Confluence" }).click();
  await page.getByLabel("Name").fill("Tramline");
  await page.getByLabel("Site").fill(base_url);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("API token").fill(api_token);
}

/** Google on loopback, and a person's browser that follows wherever it is sent. */
async function hubWithGoogle(
  t: TestContext,
  openExternal: (url: string) => Promise<void> = browse,
  more: HubOptions = {},
) {
  const { about: url } = await startFake(t, "tests.fakes.google");
  const env = {
    GOOGLE_URL: url,
    GOOGLE_CLIENT_ID: CLIENT_ID,
    GOOGLE_CLIENT_SECRET: CLIENT_SECRET,
  };
  const hub = await openHub(t, {
    ...more,
    env,
    electron: { shell: { openExternal } },
  });
  t.after(() => assert.deepEqual(hub.complaints, []));
  await hub.page.getByRole("button", { name: "Accounts" }).click();
  await hub.page.getByRole("button", { name: "Google Calendar" }).click();
  const steer = (path: string, body: object): Promise<unknown> =>
    fetch(`${url}/fake/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
  return {
    ...hub,
    dialog: hub.page.getByRole("dialog", { name: "Accounts" }),
    steer,
  };
}

async function browse(url: string): Promise<void> {
  void fetch(url).then((response) => response.text());
}

test("a calendar comes by signing in with Google, and its day is seen", async (t) => {
  const { page, dialog, steer } = await hubWithGoogle(t);
  const [start, end] = [new Date(), new Date(Date.now() + 3_600_000)].map(
    (moment) => ({ dateTime: moment.toISOString() }),
  );
  await steer("events", {
    calendar_id: "ada@example.com",
    summary: "Rehearsal",
    start,
    end,
  });
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  const row = dialog
    .getByRole("listitem")
    .filter({ hasText: "ada@example.com" });
  await row.getByText(/synced just now/).waitFor();
  await page
    .getByRole("list", { name: "Today's events" })
    .getByText("Rehearsal")
    .waitFor();
  await row.getByText("Calendars", { exact: true }).click();
  await row.getByRole("checkbox", { name: "Ada" }).uncheck();
  await page.keyboard.press("Escape");
  await page.getByText("Nothing is planned today.").waitFor();
});

test("a sign-in that is refused says so, and can be tried again", async (t) => {
  const { dialog, steer } = await hubWithGoogle(t);
  await steer("consent", { error: "access_denied" });
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  await dialog.getByRole("alert").waitFor();
  await steer("consent", {});
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  await dialog
    .getByRole("listitem")
    .filter({ hasText: "ada@example.com" })
    .waitFor();
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
  const { page, dialog, steer } = await hubWithGoogle(t);
  await dialog.getByRole("button", { name: "Sign in with Google" }).click();
  const row = dialog
    .getByRole("listitem")
    .filter({ hasText: "ada@example.com" });
  await row.getByText(/synced just now/).waitFor();
  await steer("revoke", { email: "ada@example.com" });
  await row.getByRole("button", { name: "Sync now" }).click();
  await row.getByRole("button", { name: "Sign in with Google" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Connect again" }).click();
  await row.getByRole("button", { name: "Sign in with Google" }).click();
  await row.getByRole("button", { name: "Sync now" }).waitFor();
});

test("Jira and Confluence are connected by one token, synced, and told in the feed", async (t) => {
  const { page, dialog, site } = await hubWithSite(t);
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
  await feed
    .getByText("TRAM-1 Import skips the last stop of night lines")
    .first()
    .waitFor();
  await feed.getByText("How stops are matched").waitFor();
  await page
    .getByRole("list", { name: "Jobs" })
    .getByText("Sync Jira")
    .waitFor();
});

test("a wrong token is said, and what was entered stays", async (t) => {
  const { page, dialog, site } = await hubWithSite(t);
  await enter(page, { ...site, api_token: "wrong" });
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  await dialog
    .getByRole("alert")
    .getByText("The site does not accept this e-mail address and API token.")
    .waitFor();
  assert.equal(await page.getByLabel("Site").inputValue(), site.base_url);
  await page.getByLabel("API token").fill(site.api_token);
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  await dialog.getByRole("listitem").filter({ hasText: "Jira" }).waitFor();
});

test("an account whose token has ended asks for another, in a banner, and works again with it", async (t) => {
  const { page, dialog, site, order } = await hubWithSite(t);
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
  assert.equal(
    await page.getByText("Its token is not accepted any more.").count(),
    0,
  );
});

test("an account is removed when asked twice, with what it brought", async (t) => {
  const { page, dialog, site } = await hubWithSite(t);
  await enter(page, site);
  await page.getByLabel("Confluence").uncheck();
  await dialog.getByRole("button", { name: "Connect", exact: true }).click();
  const row = dialog.getByRole("listitem").filter({ hasText: "Jira" });
  await row.getByText(/synced just now/).waitFor();
  await row.getByRole("button", { name: "Remove" }).click();
  assert.equal(
    await page.evaluate(() => document.activeElement?.textContent),
    "Keep",
  );
  await row.getByRole("button", { name: "Remove it and its events?" }).click();
  await dialog.getByText("No account is connected yet.").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("What happens in your calendars").waitFor();
});
