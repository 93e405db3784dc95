// The example app under Electron's own binary, where it is installed (`npx install-electron` in protocol/typescript).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { _electron } from "playwright-core";
import { ROOT } from "./sidecar_harness.mts";

const EXAMPLE = join(ROOT, "protocol", "typescript", "example");

test("the example app connects its window to a sidecar", async () => {
  execFileSync(process.execPath, [join(EXAMPLE, "build.mjs"), join(EXAMPLE, "dist")]);
  const userData = mkdtempSync(join(process.env["SIDECAR_TEMPORARY"] ?? "", "electron-"));
  const app = await _electron.launch({
    executablePath: process.env["SIDECAR_ELECTRON"] ?? "",
    args: ["--no-sandbox", `--user-data-dir=${userData}`, join(EXAMPLE, "dist", "main.js")],
  });
  try {
    const page = await app.firstWindow();
    const state = await page.evaluate(() => {
      const bridge = (globalThis as unknown as { sidecar: { state(): Promise<{ status: string }> } }).sidecar;
      return bridge.state();
    });
    assert.ok(["starting", "ready"].includes(state.status), state.status);
    await page.getByText("Jobs").first().waitFor();
  } finally {
    await app.close();
  }
});
