// Uses the page of `sidecar inspect --html` as a person does: node inspect_in_chromium.mjs PAGE CHROMIUM MODULES SCREENSHOTS
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [file, executablePath, modules, screenshots] = process.argv.slice(2);
const { chromium } = createRequire(join(modules, "x.js"))("playwright-core");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  for (const [width, colorScheme] of [[1440, "light"], [1440, "dark"], [390, "light"], [390, "dark"]]) {
    const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme });
    const troubles = [];
    page.on("pageerror", (error) => troubles.push(String(error)));
    page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
    page.on("request", (request) => request.url().startsWith("file:") || troubles.push(request.url()));
    await page.goto(pathToFileURL(file).href);
    const shot = (name) => screenshots && page.screenshot({ path: join(screenshots, `${name}-${width}-${colorScheme}.png`) });
    const detail = page.locator("#detail"), search = page.locator("#search"), status = page.locator("#status");
    await shot("list");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, "nothing is wider than the window");
    assert.equal(await page.title(), "talk.jsonl");

    // A click shows the request and the response.
    await page.locator(".row", { hasText: "jobs.get" }).first().click();
    assert.match(await detail.innerText(), /Request[\s\S]*"job_id": "<\/script><img[\s\S]*Response[\s\S]*12345678901234567890/);
    await shot("call");

    // Everything by keyboard.
    await page.keyboard.press("Escape");
    assert.equal(await detail.isVisible(), false);
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    assert.match(await detail.innerText(), /exit code 0/);
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowUp");
    assert.match(await detail.innerText(), /not JSON[\s\S]*needle in the hay/);
    await page.keyboard.press("Escape");
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement.id), "search");

    // The search finds what only a response, a raw line or an error says.
    for (const [words, rows] of [["at the very end", 1], ["NEEDLE IN THE HAY", 1], ["why it failed", 1], ["onerror", 1], ["nowhere", 0]]) {
      await search.fill(words);
      await page.keyboard.press("Enter");
      assert.match(await status.innerText(), new RegExp(`^${rows} of`), words);
    }
    await search.fill("");
    await page.keyboard.press("Enter");

    // Notifications say what they say in the terminal; idle times are folded, and the axis names them.
    const row = page.locator(".row", { hasText: "jobs.updated" }).first();
    assert.match(await row.innerText(), /succeeded\s+calendar\.sync/);
    assert.match(await page.locator("#axis").textContent(), /⋯ 5 min 40 s/);
    assert.doesNotMatch(await page.locator("#list").textContent(), /\u202e|\u001b/);

    await page.keyboard.press("+");
    await page.keyboard.press("+");
    assert.equal(await page.locator("#whole").isVisible(), true);
    await page.keyboard.press("0");
    assert.equal(await page.locator("#whole").isVisible(), false);
    assert.equal(await page.title(), "talk.jsonl", "no text of the file was run");
    assert.deepEqual(troubles, []);
    await page.close();
  }
} finally {
  await browser.close();
}
