// The bridge in Chromium, with the real sidecar.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { TestContext } from "node:test";
import { REQUEST_NAMES } from "../../protocol/typescript/calls.ts";
import type { BridgeResponse, SidecarBridge } from "../../protocol/typescript/channels.ts";
import { COMMAND_WITH_TEST_JOBS, start, status, until } from "./sidecar_harness.mts";
import { launch, openWindow, serve } from "./fake_electron/chromium.mts";
import type { Page } from "./fake_electron/chromium.mts";
import { FakeIpcMain } from "./fake_electron/main_process.mts";
import type { ToPage } from "./fake_electron/renderer_process.mts";

/** One browser for all tests of this file; each window is a context of its own. */
const browser = launch({ after } as unknown as TestContext);

async function app(t: TestContext, command?: readonly string[]) {
  const ipc = new FakeIpcMain();
  const sidecar = start(t, {
    electron: { ipcMain: ipc.typed },
    windows: { devServers: true, methods: REQUEST_NAMES },
    ...(command === undefined ? {} : { command }),
  });
  const origin = await serve(t);
  const open = async (path: string) => {
    const window = await openWindow(await browser, ipc, `${origin}${path}`);
    t.after(() => window.page.close());
    const failures: string[] = [];
    window.page.on("pageerror", (error) => failures.push(error.message));
    t.after(() => assert.deepEqual(failures, []));
    return window;
  };
  return { sidecar, open, origin };
}

/** Runs in the page: the client over the bridge, as the package ships it. */
function inPage<T>(page: Page, work: string): Promise<T> {
  return page.evaluate<T>(`(async () => {
    const { connectSidecar } = await import("/protocol/typescript/renderer.js");
    const sidecar = connectSidecar();
    ${work}
  })()`);
}

const isReady = (page: Page): Promise<unknown> => page.waitForSelector("[data-ready]", { state: "attached" });
const items = (page: Page): Promise<string[]> => page.locator("li").allTextContents();
const notifications = async (page: Page): Promise<string[]> =>
  ((await page.locator("p").textContent()) ?? "").trim().split(" ");

test("a page calls methods, receives errors and listens", async (t) => {
  const { open } = await app(t);
  const { page } = await open("/empty");
  const seen = await inPage<Record<string, unknown>>(
    page,
    `
    const error = await sidecar.jobs.list({ cursor: "x" }).catch((error) => error);
    const succeeded = new Promise((resolve) => sidecar.on("jobs.updated", ({ job }) => job.status === "succeeded" && resolve(job.type)));
    await sidecar.jobs.create({ type: "maintenance.backup" });
    return {
      health: (await sidecar.system.health()).status,
      error: [error.name, error instanceof Error, error.code, error.kind, error.data.retryable],
      succeeded: await succeeded,
      state: (await sidecar.state()).status,
    };
  `,
  );
  assert.deepEqual(seen, {
    health: "ok",
    error: ["RpcError", true, 4001, "invalid_cursor", false],
    succeeded: "maintenance.backup",
    state: "ready",
  });
});

test("a megabyte of text passes through IPC and the bridge unchanged", async (t) => {
  const { open } = await app(t, COMMAND_WITH_TEST_JOBS);
  const { page } = await open("/empty");
  const isSame = await inPage<boolean>(
    page,
    `
    const text = "ü\\u2028数据\\u{1f600}".repeat(170_000);
    const { job } = await sidecar.call("jobs.create", { type: "test.echo", payload: { text } });
    return (await sidecar.jobs.get({ job_id: job.job_id })).payload.text === text;
  `,
  );
  assert.equal(isSame, true);
});

test("a page gets functions of plain values and no part of Electron", async (t) => {
  const { open } = await app(t);
  const { page } = await open("/empty");
  const found = await page.evaluate(async () => {
    const bridge = (window as unknown as { sidecar: SidecarBridge }).sidecar;
    const outcomes = [];
    for (const name of ["shutdown", "initialize", "exit"]) outcomes.push(await bridge.call(1, name, {}));
    const tries = [
      () => Object.assign(bridge, { call: () => undefined }),
      () => Object.assign(window, { sidecar: {} }),
      () => bridge.call(1, "jobs.list", { run: () => 1 }),
    ];
    const refused = await Promise.all(
      tries
        .map(async (run) => run())
        .map((done) =>
          done.then(
            () => "done",
            (error: Error) => error.message,
          ),
        ),
    );
    return {
      names: ["require", "process", "ipcRenderer", "electron", "module", "Buffer"].filter((name) => name in window),
      kinds: outcomes.map((outcome) => (outcome.ok ? "ok" : outcome.error.data?.kind)),
      refused,
      types: [...new Set(Object.values(bridge).map((value) => typeof value))].sort(),
    };
  });
  assert.deepEqual(found.names, []);
  assert.deepEqual(found.kinds, ["not_allowed", "not_allowed", "not_allowed"]);
  assert.match(found.refused[0] ?? "", /read only/);
  assert.match(found.refused[1] ?? "", /read only/);
  assert.match(found.refused[2] ?? "", /could not be cloned/);
  assert.deepEqual(found.types, ["function", "object"]);
});

test("a live list in a page works under a strict content security policy", async (t) => {
  const { open, sidecar } = await app(t);
  await sidecar.jobs.create({ type: "maintenance.backup", run_at: "2999-01-01T00:00:00Z" });
  const { page } = await open("/jobs");
  await page.waitForSelector("li");
  assert.deepEqual(await items(page), ["maintenance.backup: queued"]);
  await page.evaluate(() => void dispatchEvent(new Event("back up")));
  await page.waitForFunction(
    () => document.querySelectorAll("li").length === 2 && document.body.textContent?.includes("succeeded"),
  );
  assert.deepEqual(await items(page), ["maintenance.backup: succeeded", "maintenance.backup: queued"]);
});

test("a page that is reloaded receives every notification once", async (t) => {
  const { open, sidecar } = await app(t);
  const { page } = await open("/jobs");
  await isReady(page);
  const received: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    await sidecar.jobs.create({ type: "maintenance.backup" });
    await page.reload();
    await isReady(page);
    await sidecar.jobs.create({ type: "maintenance.backup" });
    const all = 6 * (round + 1);
    const { events } = await jobsAreDone(sidecar, all);
    const last = Math.max(...events);
    await page.waitForFunction((seq) => document.querySelector("p")?.textContent?.includes(`${seq}:`), last);
    received.push(...(await notifications(page)));
    assert.equal((await items(page)).length, 2 * (round + 1));
  }
  const seqs = received.map((text) => Number(text.split(":")[0]));
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((one, other) => one - other),
  );
});

async function jobsAreDone(sidecar: Awaited<ReturnType<typeof app>>["sidecar"], count: number) {
  const seqs = async (): Promise<number[]> => {
    const { events } = await sidecar.events.replay({ after_seq: 0, limit: 1_000 });
    return events
      .filter(({ method }) => method === "jobs.updated")
      .map(({ params }) => (params as { seq: number }).seq);
  };
  let events: number[] = await seqs();
  await until(
    (check) => sidecar.on("jobs.updated", () => void seqs().then((found) => ((events = found), check()))),
    () => events.length === count,
  );
  return { events };
}

test("windows share the sidecar, and closing one does not affect the others", async (t) => {
  const { open, sidecar } = await app(t);
  const [one, other] = await Promise.all([open("/jobs"), open("/jobs")]);
  await Promise.all([one, other].map(({ page }) => isReady(page)));
  await one.page.close();
  await sidecar.jobs.create({ type: "maintenance.backup" });
  await other.page.waitForFunction(() => document.body.textContent?.includes("succeeded"));
  assert.deepEqual(await items(other.page), ["maintenance.backup: succeeded"]);
});

test("a page keeps working after the sidecar has crashed", async (t) => {
  const { open, sidecar } = await app(t);
  const { page } = await open("/jobs");
  await isReady(page);
  const restarting = status(sidecar, "restarting");
  process.kill(sidecar.pid ?? 0, "SIGKILL");
  await restarting; // an earlier call would be rejected
  await page.evaluate(() => void dispatchEvent(new Event("back up")));
  await page.waitForFunction(() => document.body.textContent?.includes("succeeded"));
  assert.deepEqual(await items(page), ["maintenance.backup: succeeded"]);
});

test("a frame inside a page may not use the bridge", async (t) => {
  const { open, origin } = await app(t);
  const { page, contents } = await open("/empty");
  const frame = await page.evaluateHandle((src) => {
    const iframe = Object.assign(document.createElement("iframe"), { src });
    document.body.append(iframe);
    return new Promise<HTMLIFrameElement>((resolve) => iframe.addEventListener("load", () => resolve(iframe)));
  }, `${origin}/empty?frame`);
  const inner = await frame.asElement()?.contentFrame();
  // The fake sends the response to the window's main frame, so it is read in the main process.
  const response = new Promise<ToPage>((resolve) => {
    const respond = contents.respond.bind(contents);
    contents.respond = (message) => (resolve(message), respond(message));
  });
  await inner?.evaluate(() => {
    void (window as unknown as { sidecar: SidecarBridge }).sidecar.call(1, "system.health", {});
  });
  const { value } = (await response) as { value?: BridgeResponse };
  assert.deepEqual([value?.ok, value?.ok ? "" : value?.error.data?.kind], [false, "not_allowed"]);
  assert.equal((await inPage<{ status: string }>(page, "return sidecar.system.health()")).status, "ok");
});
