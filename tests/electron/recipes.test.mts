// Projects made from README's snippets, built by pytest with their own tools: the main process runs with a fake Electron,
// its page in Chromium, both as they would in a packaged app.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { launch } from "./fake_electron/chromium.mts";
import { runApp } from "./fake_electron/app.mts";
import { newDataDir, PYTHON, ROOT } from "./sidecar_harness.mts";

/** The projects: their folder and main script, by the name of the recipe. */
const PROJECTS = JSON.parse(process.env["SIDECAR_PROJECTS"] ?? "{}") as Record<
  string,
  { folder: string; main: string }
>;
const SIDECAR = `'${PYTHON}' -m sidecar`;

process.env["CLAUDE_PATH"] = join(ROOT, "tests", "fakes", "claude");

for (const [name, project] of Object.entries(PROJECTS).filter(([name]) => name !== "react")) {
  test(`a page reaches the sidecar: ${name}`, async (t) => {
    const dataDir = newDataDir();
    const { page, problems, quit } = await runApp(t, await launch(t), { ...project, dataDir, sidecar: SIDECAR });
    await page.getByText("The sidecar is ready, with 0 jobs.").waitFor();
    assert.deepEqual(problems, []);
    await quit();
    assert.ok(existsSync(join(dataDir, "sidecar.db")), "the packaged program was started");
  });
}

test(
  "under StrictMode, React shows a live list and a conversation",
  { skip: PROJECTS["react"] === undefined },
  async (t) => {
    const project = PROJECTS["react"]!;
    const dataDir = newDataDir();
    process.env["CLAUDE_CONFIG_DIR"] = join(dataDir, "claude");
    const { page, problems } = await runApp(t, await launch(t), { ...project, dataDir, sidecar: SIDECAR });
    await page.getByRole("heading", { name: "The sidecar is ready" }).waitFor();
    const jobs = page.getByRole("list", { name: "Jobs" }).getByRole("listitem");
    await page.getByRole("button", { name: "Back up" }).click();
    await jobs.getByText("maintenance.backup: succeeded").waitFor();
    assert.equal(await jobs.count(), 1);

    await page.getByRole("button", { name: "New conversation" }).click();
    const send = async (prompt: string): Promise<void> => {
      await page.getByLabel("Prompt").fill(prompt);
      await page.getByRole("button", { name: "Send" }).click();
    };
    const messages = page.getByRole("list", { name: "Messages" }).getByRole("listitem");
    const texts = (): Promise<string[]> =>
      messages.evaluateAll((all) =>
        all
          .filter((one) => ["user", "assistant_text"].includes(one.getAttribute("data-kind") ?? ""))
          .map((one) => one.textContent ?? ""),
      );
    // The draft is shown for 400 ms.  A locator looks every 500 ms; this looks at each frame.
    const draft = page.waitForFunction(() => document.querySelector('p[data-kind="text"]') !== null);
    await send("[[slow:20]]");
    await draft;
    await messages.nth(1).waitFor();
    await send('[[ask:Bash:{"command":"ls"}]]');
    const request = page.getByRole("group", { name: "Allow Bash?" });
    await request.getByText('{"command":"ls"}').waitFor();
    await page.getByRole("button", { name: "Stop" }).waitFor();
    if (process.env["SIDECAR_SCREENSHOT"]) await page.screenshot({ path: process.env["SIDECAR_SCREENSHOT"] });
    await request.getByRole("button", { name: "Allow" }).click();
    await messages.nth(3).waitFor();
    await page.getByRole("button", { name: "Stop" }).waitFor({ state: "detached" });
    const [first, answer, second] = await texts();
    assert.deepEqual([first, second], ["[[slow:20]]", '[[ask:Bash:{"command":"ls"}]]']);
    assert.match(answer ?? "", /^w0 w1 .* w19/);
    assert.deepEqual([await request.count(), await page.locator('p[data-kind="text"]').count()], [0, 0]);
    await jobs.getByText("claude.turn: succeeded").nth(1).waitFor();
    assert.equal(await jobs.count(), 3);

    await page.reload();
    await page.getByRole("heading", { name: "The sidecar is ready" }).waitFor();
    await jobs.nth(2).waitFor();
    assert.deepEqual(problems, []);
  },
);
