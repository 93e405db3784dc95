// The hooks with each release of React that they are for: in Chromium under StrictMode, and on a server.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { buildSync } from "esbuild";
import { launch } from "./fake_electron/chromium.mts";
import { ROOT } from "./sidecar_harness.mts";

const COMPILED = process.env["SIDECAR_COMPILED"] ?? "";
/** Where the releases of React are: the development dependency, and the older one that only tests need. */
const REACTS = { 19: join(ROOT, "protocol", "typescript", "node_modules"), 18: join(ROOT, ".ci", "node_modules") };

function bundled(entry: string, modules: string, platform: "browser" | "node"): string {
  const built = buildSync({
    entryPoints: [join(COMPILED, "tests", "electron", "pages", entry)],
    bundle: true,
    write: false,
    format: platform === "browser" ? "iife" : "cjs",
    platform,
    alias: { react: join(modules, "react"), "react-dom": join(modules, "react-dom") },
    define: { "process.env.NODE_ENV": '"development"' }, // whose StrictMode mounts twice
  });
  return built.outputFiles[0]?.text ?? "";
}

for (const [release, modules] of Object.entries(REACTS)) {
  const skip = existsSync(join(modules, "react", "package.json")) ? false : `React ${release} is not in ${modules}`;
  test(`React ${release}: lists, conversations and the state under StrictMode`, { skip }, async (t) => {
    const page = await (await launch(t)).newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => void (message.type() === "error" && problems.push(message.text())));
    await page.addScriptTag({ content: bundled("hooks.mjs", modules, "browser") });
    const version = new RegExp(`^${release}\\.`);
    const { react, ...seen } = (await page.evaluate("run()")) as Record<string, any>;
    assert.match(react, version);
    assert.deepEqual(seen, {
      strict: [1, 1], // the second load waits for the first, which it makes obsolete
      changed: ["own c: c1;", 1],
      unmounted: [0, 0],
      shared: [[], 1, 20],
      talk: 0,
      left: [],
    });
    assert.deepEqual(problems, []);
  });

  test(`React ${release}: a server renders that nothing is loaded yet`, { skip }, async () => {
    const module = { exports: {} as { html?: string } };
    new Function("module", "exports", "require", bundled("hooks_on_server.mjs", modules, "node"))(
      module,
      module.exports,
      process.getBuiltinModule("module").createRequire(join(modules, "x.js")),
    );
    assert.equal(module.exports.html, "<p>unknown true</p><p>0 false</p><p>false none</p>");
  });
}
