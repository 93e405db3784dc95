// Conversations in the example app, with the real Claude CLI and a fake Messages API on loopback.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { fakeApi, openExample } from "./example_harness.mts";
import type { Script } from "./example_harness.mts";
import { FIX, script, timetable, WHY } from "./claude_script.mts";
import { newDataDir } from "./sidecar_harness.mts";
import type { Page } from "./fake_electron/chromium.mts";

const text = (words: string) => ({ type: "text", text: words });
const use = (name: string, input: object) => ({ type: "tool_use", name, input });

async function conversation(t: TestContext, script: Script = {}, folder?: string) {
  const { environment, release } = await fakeApi(t, script);
  const example = await openExample(t, { env: environment });
  if (folder !== undefined) await example.page.getByLabel("Folder").fill(folder);
  const log = example.page.getByRole("log", { name: "Conversation" });
  t.after(() => assert.deepEqual(example.pageErrors, []));
  return { ...example, log, release };
}

async function send(page: Page, prompt: string): Promise<void> {
  await page.getByLabel("Message to Claude").fill(prompt);
  await page.keyboard.press("Enter");
}

const items = (page: Page): Promise<string[]> =>
  page
    .locator(".items:not(.queued) > .item")
    .evaluateAll((all) => all.map((one) => (one as HTMLElement).innerText.replace(/\s+/g, " ").trim()));

test("a turn shows its text and tools, and an edit can be allowed", async (t) => {
  const folder = timetable(newDataDir());
  const { page, log, sidecar } = await conversation(t, script(folder), folder);
  await send(page, WHY);
  await log.getByText("no stored time changes").waitFor();
  await page.waitForFunction(() => document.querySelector(".draft") === null);
  assert.deepEqual((await items(page)).slice(0, 2), [
    WHY,
    "I'll look at how the importer decides which stops belong to a trip.",
  ]);
  assert.deepEqual(
    await log.locator(".tool").evaluateAll((tools) => tools.map((tool) => tool.getAttribute("data-status"))),
    ["done", "done"],
  );
  await log.getByText("Read", { exact: true }).click();
  await log.getByText("def stops_of(trip)").waitFor();
  await send(page, FIX);
  const card = log.getByRole("group", { name: "Allow Edit?" });
  await card.getByText("return max(24 * 60, day_end)").waitFor();
  await page.getByRole("button", { name: "1 question from Claude" }).waitFor();
  await card.getByRole("button", { name: "Allow", exact: true }).click();
  await log.getByText("can go to review").waitFor();
  assert.equal(await card.count(), 0);
  assert.match(readFileSync(join(folder, "importer.py"), "utf-8"), /max\(24 \* 60, day_end\)/);
  const head = page.locator(".claude .panel-head");
  await head.getByText(/\d+% of the context left/).waitFor();
  await head.getByLabel("Model").selectOption("haiku");
  await head.getByLabel("Effort").selectOption("low");
  await page.waitForFunction(() => document.querySelector<HTMLSelectElement>("[aria-label=Effort]")?.value === "low");
  await head.getByText("· haiku ·").waitFor();
  const { sessions } = await sidecar.claude.sessions.list();
  assert.deepEqual(
    sessions.map(({ title, cwd, model, effort }) => [title, cwd, model, effort]),
    [[WHY, folder, "haiku", "low"]],
  );
});

test("an answer links its sources in the conversation, at once and after a reload", async (t) => {
  const { environment } = await fakeApi(t);
  const { page, pageErrors } = await openExample(t, { withFeed: true, env: environment });
  const log = page.getByRole("log", { name: "Conversation" });
  const call = (tool: string, params: object) => `[[call:mcp__hub__${tool}:${JSON.stringify(params)}]]`;
  const read = call("activity_events_list", { issue_key: "TRAM-431", limit: 1 });
  await send(page, `${read} [[say:You moved **TRAM-431** [1]. It rained [9]. See \`rows[1]\`.]]`);
  for (const begin of [() => null, () => page.reload()]) {
    await begin();
    const link = log.getByRole("link", { name: /^Source 1: TRAM-431 / });
    assert.equal(await link.getAttribute("href"), "https://tramline.example/browse/TRAM-431");
    assert.equal(await log.locator(".answer mark").textContent(), "9 (no such source)");
    await log.getByText("Source 9 does not exist: “It rained [9].”").waitFor();
    assert.equal(await log.locator(".answer code").textContent(), "rows[1]");
    assert.equal(await log.locator(".prompt .citation").count(), 0);
  }
  assert.deepEqual(pageErrors, []);
});

test("a denied tool does not run, and Claude gets the reason", async (t) => {
  const folder = timetable(newDataDir());
  const { page, log } = await conversation(
    t,
    {
      [FIX]: [[use("Bash", { command: "rm importer.py", description: "Remove it" })], [text("Then I will leave it.")]],
    },
    folder,
  );
  await send(page, FIX);
  const card = log.getByRole("group", { name: "Allow Bash?" });
  await card.locator("pre").getByText("rm importer.py").waitFor();
  await card.getByLabel("Why not, or what to do instead").fill("Keep the file, please.");
  await card.getByRole("button", { name: "Deny" }).click();
  await log.getByText("Then I will leave it.").waitFor();
  assert.equal(await log.locator('.tool[data-status="denied"]').count(), 1);
  await log.locator(".tool summary").click();
  await log.getByText("Keep the file, please.").waitFor();
  assert.ok(readFileSync(join(folder, "importer.py")).length > 0);
});

test("a question is answered by choosing an option", async (t) => {
  const question = {
    question: "Which feed first?",
    header: "Feed",
    multiSelect: false,
    options: [
      { label: "Trams", description: "Small" },
      { label: "Buses", description: "Large" },
    ],
  };
  const { page, log } = await conversation(t, {
    "Begin.": [[use("AskUserQuestion", { questions: [question] })], [text("Buses it is.")]],
  });
  await send(page, "Begin.");
  const card = log.getByRole("group", { name: "Claude has a question" });
  await card.getByLabel("Buses").check();
  await card.getByRole("button", { name: "Answer" }).click();
  await log.getByText("Buses it is.").waitFor();
  await log.locator(".tool summary").click();
  await log.locator(".tool-output").getByText("Buses").waitFor();
});

test("a reload during a turn loses no text", async (t) => {
  const { page, log, release } = await conversation(t);
  await send(page, "[[gate:4]]");
  await release(2);
  await log.locator(".draft").getByText("w0 w1").waitFor();
  await page.reload();
  await log.getByText("[[gate:4]]").waitFor();
  await release(1);
  await log.locator(".draft").getByText("… w2").waitFor();
  await release(1);
  await log.locator(".answer:not(.draft)").getByText("w0 w1 w2 w3").waitFor();
  assert.deepEqual(await items(page), ["[[gate:4]]", "w0 w1 w2 w3"]);
  assert.equal(await log.locator(".draft").count(), 0);
});

test("an open permission request survives a reload", async (t) => {
  const folder = timetable(newDataDir());
  const { page, log } = await conversation(t, script(folder), folder);
  await send(page, FIX);
  const card = log.getByRole("group", { name: "Allow Edit?" });
  await card.waitFor();
  await page.reload();
  await card.getByRole("button", { name: "Allow", exact: true }).click();
  await log.getByText("can go to review").waitFor();
  assert.match(readFileSync(join(folder, "importer.py"), "utf-8"), /max\(24 \* 60, day_end\)/);
});

test("a prompt that is sent during a turn waits for its own turn, and Stop ends the running one", async (t) => {
  const { page, log } = await conversation(t, { "Second.": [[text("And the second.")]] });
  await send(page, "[[hang]]");
  await page.getByText("Claude is working").first().waitFor();
  await send(page, "Second.");
  await page.getByRole("list", { name: "Queued messages" }).getByText("Second.").waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await log.getByText("And the second.").waitFor();
  assert.equal(await page.getByRole("list", { name: "Queued messages" }).getByRole("listitem").count(), 0);
});

test("a prompt can be sent into the running turn", async (t) => {
  const { page, sidecar } = await conversation(t);
  await send(page, "[[hang]]");
  await page.getByText("Claude is working").first().waitFor();
  await page.getByLabel("Message to Claude").fill("Be brief.");
  await page.getByRole("button", { name: "Send now" }).click();
  await page.getByRole("list", { name: "Queued messages" }).getByText("Be brief.").waitFor();
  const { jobs } = await sidecar.jobs.list({ type: "claude.turn", status: "queued" });
  assert.notEqual((jobs[0]?.payload as { steer?: unknown } | undefined)?.steer ?? null, null);
});

test("files are attached; one that Claude cannot read is named, and the prompt stays until it is removed", async (t) => {
  const { page, log } = await conversation(t, { "Read it.": [[text("Trams first, then.")]] });
  const [composer, attached] = [page.locator(".composer"), page.locator(".composer .attachment")];
  await page.getByLabel("Files", { exact: true }).setInputFiles([
    { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Trams first.") },
    { name: "data.bin", mimeType: "application/octet-stream", buffer: Buffer.from([0, 1, 2, 0]) },
  ]);
  await send(page, "Read it.");
  await composer.locator(".attachment[data-refused]").filter({ hasText: "data.bin" }).waitFor();
  assert.equal(await attached.count(), 2);
  assert.equal(await page.getByLabel("Message to Claude").inputValue(), "Read it.");
  await composer.getByRole("button", { name: "Remove data.bin" }).click();
  await page.getByLabel("Message to Claude").press("Enter");
  await log.getByRole("list", { name: "Attachments" }).getByText("notes.txt").waitFor();
  await log.getByText("Trams first, then.").waitFor();
  assert.equal(await attached.count(), 0);
});

test("pasted and dropped files are attached, and pasted text is not", async (t) => {
  const { page } = await conversation(t);
  await page.getByLabel("Message to Claude").evaluate((field) => {
    const files = new DataTransfer();
    files.items.add(new File(["a"], "pasted.txt", { type: "text/plain" }));
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: files, cancelable: true, bubbles: true }));
    const dropped = new DataTransfer();
    dropped.items.add(new File(["b"], "dropped.md", { type: "text/markdown" }));
    field.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, cancelable: true, bubbles: true }));
    const words = new DataTransfer();
    words.setData("text/plain", "just words");
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: words, cancelable: true, bubbles: true }));
  });
  assert.deepEqual(await page.locator(".composer .attachment > span:first-child").allTextContents(), [
    "pasted.txt",
    "dropped.md",
  ]);
});

test("Claude's text becomes text and web links, never markup", async (t) => {
  const hostile =
    'Look: <img src=x onerror="document.title=1"> <script>document.title=2</script>\n\n' +
    "[run](javascript:document.title=3) [file](file:///etc/passwd) ![spy](https://spy.example/p.png) [ok](https://example.com/?a=1&b=2)\n\n" +
    "<iframe src='https://spy.example'></iframe>";
  const { page, log } = await conversation(t, { "Be hostile.": [[text(hostile)]] });
  await send(page, "Be hostile.");
  await log.getByRole("link", { name: "ok" }).waitFor();
  await page.waitForFunction(() => document.querySelector(".draft") === null);
  assert.deepEqual(await log.locator("a").evaluateAll((links) => links.map((one) => one.getAttribute("href"))), [
    "https://spy.example/p.png",
    "https://example.com/?a=1&b=2",
  ]);
  assert.equal(await log.locator("img, script, iframe").count(), 0);
  assert.ok((await log.innerText()).includes("<script>document.title=2</script>"));
  assert.equal(await page.title(), "Hub");
});

test("conversations can be reopened, and deleted after a confirmation", async (t) => {
  const { page, log, sidecar } = await conversation(t, { "One.": [[text("First.")]], "Two.": [[text("Second.")]] });
  await send(page, "One.");
  await log.getByText("First.").waitFor();
  await page.getByRole("button", { name: "New conversation" }).click();
  await page.getByText("What should Claude do?").waitFor();
  await send(page, "Two.");
  await log.getByText("Second.").waitFor();
  await page.getByRole("button", { name: "Conversations", exact: true }).click();
  const menu = page.locator("#session-menu");
  await menu.getByRole("button", { name: /^One/ }).click();
  await log.getByText("First.").waitFor();
  await page.getByRole("button", { name: "Conversations", exact: true }).click();
  const row = menu.getByRole("listitem").filter({ hasText: "One." });
  await row.getByRole("button", { name: "Delete" }).click();
  await row.getByRole("button", { name: "Delete permanently?" }).click();
  await page.getByText("What should Claude do?").waitFor();
  assert.deepEqual(
    (await sidecar.claude.sessions.list()).sessions.map(({ title }) => title),
    ["Two."],
  );
});

test("without the Claude CLI the turn shows how to install it", async (t) => {
  const { page } = await openExample(t, { env: { CLAUDE_PATH: "/no/claude" } });
  await send(page, "Hello?");
  await page.getByRole("log").getByRole("group", { name: "Claude could not answer" }).waitFor();
  await page
    .getByText(/npm install -g/)
    .first()
    .waitFor();
});

test("a folder with hooks of its own is asked about, and nothing of it runs without them", async (t) => {
  const folder = timetable(newDataDir());
  const mark = join(folder, "hook-ran");
  mkdirSync(join(folder, ".claude"));
  const hooks = { SessionStart: [{ hooks: [{ type: "command", command: `touch '${mark}'` }] }] };
  writeFileSync(join(folder, ".claude", "settings.json"), JSON.stringify({ hooks }));
  const { page, log, sidecar } = await conversation(t, { hello: [[text("hi there")]] }, folder);
  const question = page.getByRole("group", { name: "This folder brings its own hooks, servers or settings" });
  await send(page, "hello");
  await question.getByText("SessionStart").waitFor();
  await question.getByRole("button", { name: "Cancel" }).click();
  await question.waitFor({ state: "detached" });
  await send(page, "hello");
  await question.getByRole("button", { name: "Trust" }).click();
  await page.getByText("A page may not trust a folder").waitFor(); // only the main process can ask for that
  assert.deepEqual((await sidecar.claude.sessions.list()).sessions, []);
  await send(page, "hello");
  await question.getByRole("button", { name: "Run without them" }).click();
  await log.getByText("hi there").waitFor();
  assert.ok(!existsSync(mark));
});
