// The checks between pages and the sidecar, in the preload script and in the main process.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PAGE_METHODS } from "../../protocol/typescript/main.ts";
import type { Authorize } from "../../protocol/typescript/authorize.ts";
import type { SidecarBridge } from "../../protocol/typescript/channels.ts";
import { exposeSidecar } from "../../protocol/typescript/preload.ts";
import { connectSidecar, RpcError } from "../../protocol/typescript/renderer.ts";
import { FakeApp } from "./fake_electron/main_process.mts";
import { failure, ROOT, scriptedSidecar, until } from "./sidecar_harness.mts";
import { app, backUp, load } from "./window_harness.mts";

test("a page cannot send initialize, shutdown or other methods of the main process", async (t) => {
  const { open, ipc } = app(t);
  const { bridge, window } = open();
  for (const name of ["initialize", "shutdown", "exit", "$/cancelRequest", "no.such", "__proto__", "secrets.rotate"]) {
    const response = await bridge.call(1, name, {});
    assert.deepEqual([response.ok, response.ok ? "" : response.error.data?.kind], [false, "not_allowed"], name);
  }
  assert.throws(() => bridge.subscribe(["$/progress"], null, () => undefined), /not_allowed/);
  assert.deepEqual(Object.keys(bridge).sort(), [
    "call",
    "cancel",
    "methods",
    "notifications",
    "onState",
    "position",
    "signIn",
    "state",
    "subscribe",
  ]);
  assert.ok(Object.isFrozen(bridge) && Object.isFrozen(bridge.methods));
  // A compromised page may send messages without the preload script.
  const forged: any[] = [];
  window.load(({ ipcRenderer }: any) => {
    ipcRenderer.send("sidecar:page-loaded", "me");
    for (const method of ["shutdown", "initialize"]) {
      forged.push(ipcRenderer.invoke("sidecar:call", { page: "me", call: 1, method, params: {} }));
    }
    forged.push(ipcRenderer.invoke("sidecar:call", { page: "other", call: 1, method: "system.health" }));
    forged.push(ipcRenderer.invoke("sidecar:call", { page: "me", call: 1, method: "jobs.list", params: "all" }));
    forged.push(ipcRenderer.invoke("sidecar:call"));
    for (const wrong of [undefined, 7, null, {}, ["x"]]) {
      for (const channel of ["page-loaded", "subscribe", "unsubscribe", "cancel"])
        ipcRenderer.send(`sidecar:${channel}`, wrong, wrong, wrong, wrong);
    }
    ipcRenderer.send("sidecar:subscribe", "me", 1, ["$/progress", "events.lag", 7], { epoch: 1 });
  });
  for (const response of forged) assert.equal((await response).error.data.kind, "not_allowed");
  assert.equal((await open().page.system.health()).status, "ok");
  assert.ok(ipc.channels.every((channel) => channel.startsWith("sidecar:")));
});

test("the app may restrict the methods and notifications of windows", async (t) => {
  const { open, faults } = app(t, { methods: ["jobs.list"], notifications: [] });
  const { page } = open();
  assert.deepEqual((await page.jobs.list()).jobs, []);
  assert.equal((await failure(page.jobs.create(backUp))).kind, "not_allowed");
  page.on("jobs.updated", () => undefined);
  page.on("events.resync", () => undefined); // always allowed, so that every page knows about losses
  await page.jobs.list();
  assert.deepEqual(faults.map(String), ["Error: a page may not listen to jobs.updated"]);
});

/** The options of an app that does not name the methods of its pages. */
const BY_DEFAULT = { methods: undefined } as never;

test("by default a page may call what the example's page needs, and nothing else", async (t) => {
  const folder = join(ROOT, "protocol", "typescript");
  const page = join(folder, "example", "page");
  const files = [...readdirSync(page).filter((name) => name.endsWith(".ts")), "../../conversation.ts"];
  const sources = files.map((name) => readFileSync(join(page, name), "utf-8")).join("\n");
  // The example chooses the accounts of a service by name: `accountsOf(sidecar, service).sync(…)`.
  const isCalled = (name: string): boolean =>
    sources.includes(`${name.split(".").slice(-2).join(".")}(`) ||
    (/accounts\.(sync|delete)$/.test(name) && sources.includes(`methods.${name.split(".").at(-1)}(`)) ||
    new RegExp(`${name.split(".").slice(-2).join("\\s*\\.")}\\(`).test(sources);
  assert.deepEqual(
    PAGE_METHODS.filter((name) => !isCalled(name)),
    [],
  );
  const own = app(t, BY_DEFAULT).open();
  assert.deepEqual((await own.page.jobs.list()).jobs, []);
  for (const [method, params] of [
    ["system.backups.restore", { name: "old.db" }],
    ["system.diagnostics", {}],
    ["system.status", {}],
    ["rpc.discover", {}],
    ["events.replay", { after_seq: 0 }],
    ["calendar.oauth.google.start", { redirect_uri: "http://127.0.0.1:1/" }],
    ["calendar.oauth.google.callback", { state: "x", code: "the code of a stranger" }],
    ["calendar.oauth.google.complete", { state: "x" }],
    ["claude.conversations.list", {}],
    ["claude.conversations.take", {}],
    ["claude.doctor", {}],
    ["claude.spawn", { prompt: "x" }],
    ["claude.trust.add", { cwd: "/" }],
    ["jobs.queue.wake", {}],
    ["jobs.schedules.update", {}],
  ] as const) {
    const error = await failure(own.page.call(method as "jobs.list", params as never));
    assert.match(`${error.kind}: ${error.message}`, /^not_allowed: .*windows\.methods/, method);
  }
});

test("a window without Claude's methods cannot start Claude as a job", async (t) => {
  const { page } = app(t, BY_DEFAULT).open();
  for (const type of ["claude.run", "claude.turn", "claude.export", "claude.anything"]) {
    const error = await failure(page.jobs.create({ type: type as "claude.run", payload: { prompt: "x" } }));
    assert.match(`${error.kind}: ${error.message}`, /^not_allowed: .*claude\.(spawn|sessions\.export)/);
  }
  assert.equal((await page.jobs.create(backUp)).job.type, "maintenance.backup");
});

test("a window without Claude's methods cannot start Claude by a schedule", async (t) => {
  const methods = ["jobs.schedules.create", "jobs.schedules.update"] as const;
  const { page } = app(t, { methods }).open();
  const { schedules } = page.jobs;
  const claude = { type: "claude.run", payload: { prompt: "x" } } as const;
  const backUps = await schedules.create({ title: "Back up", type: "maintenance.backup", rrule: "FREQ=DAILY" });
  const ofThis = { schedule_id: backUps.schedule_id };
  for (const refused of [
    () => schedules.create({ title: "x", ...claude, rrule: "FREQ=DAILY" }),
    () => schedules.update({ ...ofThis, ...claude }),
    () => schedules.update({ ...ofThis, payload: { prompt: "the prompt of another window's schedule" } }),
  ]) {
    const error = await failure(refused());
    assert.match(`${error.kind}: ${error.message}`, /^not_allowed: .*claude\.spawn/);
  }
  assert.equal((await schedules.update({ ...ofThis, enabled: false })).enabled, false);
});

test("only a page that may connect calendars can sign in, and its next sign-in ends the one before", async (t) => {
  const opened: string[] = [];
  const shell = { openExternal: async (url: string) => void opened.push(url) };
  const google = scriptedSidecar(`({ id, method }, send) => {
    const started = { state: "s", authorization_url: "https://accounts.example/", expires_at: "2999-01-01T00:00:00.000Z" };
    if (method === "calendar.oauth.google.start") send({ id, result: started });
  }`);
  const without = app(t, { methods: ["jobs.list"] }, google, { shell }).open();
  assert.equal((await failure(without.page.signIn("google"))).kind, "not_allowed");
  const asked: unknown[] = [];
  const authorize: Authorize = (_frame, method, params) => {
    asked.push([method, params]);
    return false;
  };
  const refused = app(t, { authorize }, google, { shell }).open();
  assert.equal((await failure(refused.page.signIn("google", { login_hint: "a@b.c" }))).kind, "not_allowed");
  assert.deepEqual(asked, [["calendar.accounts.create", { login_hint: "a@b.c", provider: "google" }]]);
  assert.deepEqual(opened, []);
  const { page } = app(t, {}, google, { shell }).open();
  const [first, second] = [failure(page.signIn("google")), failure(page.signIn("google"))];
  assert.equal((await first).kind, "aborted");
  const controller = new AbortController();
  const third = failure(page.signIn("google", {}, { signal: controller.signal }));
  assert.equal((await second).kind, "aborted");
  controller.abort();
  await third;
});

test("a preload script may restrict the methods and notifications of its page", async (t) => {
  const { open } = app(t);
  const { window } = open();
  const narrow = (electron: any): void =>
    exposeSidecar({ ...electron, methods: ["jobs.list"], notifications: [], key: "hub" });
  const bridge = window.load(narrow)["hub"] as SidecarBridge;
  const page = connectSidecar(bridge);
  assert.deepEqual([bridge.methods, bridge.notifications], [["jobs.list"], ["events.resync"]]);
  assert.deepEqual((await page.jobs.list()).jobs, []);
  assert.equal((await failure(page.jobs.create(backUp))).kind, "not_allowed");
  assert.throws(() => page.on("jobs.updated", () => undefined), /may not listen to jobs.updated/);
});

/** Returns whether a page with this address gets an answer. */
async function isTrusted({ window, page }: ReturnType<ReturnType<typeof app>["open"]>, url: string): Promise<boolean> {
  window.frame = { url, parent: null };
  return page.system.health().then(
    () => true,
    (error: RpcError) => {
      assert.equal(error.kind, "not_allowed");
      return false;
    },
  );
}

const FOREIGN = [
  "file:///home/u/Downloads/page.html",
  "file:///app",
  "file:///application/index.html",
  "file:///app/../home/page.html",
  "file:///app/%2e%2e/home/page.html",
  "file:///app/a%2Fb.html",
  "file://server.example/app/index.html",
  "file:////server/app/index.html",
  "file:///%2Fserver/app/index.html",
  "https://example.com/",
  "http://localhost.example.com/",
  "http://127.0.0.2/",
  "http://127.0.0.1.example.com/",
  "about:blank",
  "about:srcdoc",
  "blob:file:///app/1",
  "chrome-error://chromewebdata/",
  "chrome://gpu",
  "data:text/html,x",
  "evil-ext://x",
  "filesystem:file:///app/x",
  "intent://x",
  "javascript:1",
  "view-source:file:///app/index.html",
  "",
  "garbage",
];

test("a packaged app's own files may use the bridge, and nothing else", async (t) => {
  const opened = app(t, { folders: undefined, devServers: undefined } as never, undefined, {
    app: new FakeApp().typed,
  });
  const own = opened.open();
  assert.equal(await isTrusted(own, "file:///app/index.html"), true);
  assert.equal(await isTrusted(own, "file:///app/deep/er/page.html?q#h"), true);
  for (const url of [...FOREIGN, "app://hub/index.html", "http://localhost:5173/"])
    assert.equal(await isTrusted(own, url), false, url);
});

test("pages of a development server may use the bridge while the app is not packaged", async (t) => {
  const unpackaged = new FakeApp();
  unpackaged.isPackaged = false;
  const own = app(t, { folders: undefined, devServers: undefined } as never, undefined, {
    app: unpackaged.typed,
  }).open();
  for (const url of ["http://localhost:5173/", "https://127.0.0.1/x", "http://[::1]:3000/", "http://LOCALHOST/"])
    assert.equal(await isTrusted(own, url), true, url);
  for (const url of FOREIGN) assert.equal(await isTrusted(own, url), false, url);
});

test("other schemes may use the bridge by name, except those of foreign content", async (t) => {
  const own = app(t, { schemes: ["app", "data", "blob:", "view-source"] }).open();
  assert.equal(await isTrusted(own, "app://hub/index.html"), true);
  for (const url of FOREIGN) assert.equal(await isTrusted(own, url), false, url);
});

test("without the app's location no page may use the bridge", async (t) => {
  const own = app(t, { folders: undefined, devServers: undefined } as never).open();
  for (const url of ["file:///app/index.html", "http://localhost:5173/"])
    assert.equal(await isTrusted(own, url), false, url);
});

test("a frame inside an own page may not use the bridge, nor one that was destroyed", async (t) => {
  const { window, page } = app(t).open();
  window.frame = { url: "file:///app/frame.html", parent: { url: "file:///app/index.html", parent: null } };
  assert.equal((await failure(page.system.health())).kind, "not_allowed");
  window.frame = null; // Electron reports null for a frame that was destroyed
  assert.equal((await failure(page.system.health())).kind, "not_allowed");
  assert.match((await failure(page.state())).message, /not_allowed/);
});

test("a page may not switch off permission prompts, choose files or import tokens", async (t) => {
  const { page } = app(t).open();
  const bypass = { permission_mode: "bypassPermissions" } as const;
  const suggestion = { type: "setMode", mode: "bypassPermissions", destination: "session" };
  for (const [method, params] of [
    ["claude.spawn", { prompt: "x", ...bypass }],
    ["claude.sessions.create", bypass],
    ["claude.sessions.create", { cwd: "/tmp", trust: true }],
    ["claude.sessions.update", { session_id: "x", trust: true }],
    ["claude.spawn", { prompt: "x", trust: true }],
    ["claude.trust.add", { cwd: "/tmp" }],
    ["jobs.create", { type: "claude.run", payload: { prompt: "x", ...bypass } }],
    ["jobs.schedules.create", { title: "x", type: "activity.export", payload: { path: "/tmp/x" }, period_s: 60 }],
    ["claude.permissions.respond", { request_id: "x", decision: "allow", updated_permissions: [suggestion] }],
    ["claude.spawn", { prompt: "x", allowed_tools: ["Bash"] }],
    ["claude.sessions.create", { allowed_tools: ["Bash(*)"] }],
    ["claude.sessions.update", { session_id: "x", allowed_tools: ["Write"] }],
    ["claude.sessions.update", { session_id: "x", allowed_tools: "Write" }],
    ["jobs.create", { type: "claude.run", payload: { prompt: "x", allowed_tools: ["Bash"] } }],
    ["calendar.accounts.create", { provider: "ics", email: "a@b.c", credentials: { address: "/home/me/.ssh/id" } }],
    ["calendar.accounts.create", { provider: "ics", email: "a@b.c", credentials: { address: "C:\\\\a.ics" } }],
    ["calendar.accounts.update", { account_id: "x", credentials: { address: " FILE:///etc/passwd" } }],
    ["jobs.create", { type: "activity.export", payload: { path: "/home/me/.bashrc", overwrite: true } }],
    ["calendar.accounts.create", { provider: "google", email: "a@b.c", credentials: { refresh_token: "x" } }],
  ] as const) {
    const error = await failure(page.call(method as "jobs.list", params as never));
    assert.equal(error.kind, "not_allowed", JSON.stringify(params));
  }
  assert.equal((await page.jobs.create({ type: "activity.export", payload: {} })).job.type, "activity.export");
});

test("the app may decide what a page may do", async (t) => {
  const seen: unknown[] = [];
  const authorize: Authorize = ({ url }, method, params) => {
    seen.push([url, method, params]);
    return method === "jobs.list" ? "Ask somebody else." : method === "system.health";
  };
  const { page } = app(t, { authorize }).open();
  assert.equal((await page.system.health()).status, "ok");
  const refusal = await failure(page.jobs.list({ limit: 3 }));
  assert.deepEqual([refusal.kind, refusal.message], ["not_allowed", "Ask somebody else."]);
  assert.equal((await failure(page.jobs.create(backUp))).kind, "not_allowed");
  assert.deepEqual(seen[1], ["file:///app/index.html", "jobs.list", { limit: 3 }]);
});

test("the app may ask the user before it decides what a page may do", async (t) => {
  const answers: Array<(verdict: boolean | Error) => void> = [];
  const authorize: Authorize = (_frame, method) =>
    method === "system.health"
      ? true
      : new Promise((resolve, reject) => answers.push((one) => (one instanceof Error ? reject(one) : resolve(one))));
  const { open, faults } = app(t, { authorize });
  const { page } = open();
  await page.system.health();
  const answered = async (verdict: boolean | Error): Promise<unknown> => {
    const response = page.jobs.list().then(
      ({ jobs }) => jobs,
      (error: { kind: string }) => error.kind,
    );
    while (answers.length === 0) await new Promise((resolve) => setImmediate(resolve));
    answers.shift()?.(verdict);
    return response;
  };
  assert.deepEqual(await answered(true), []);
  assert.equal(await answered(false), "not_allowed");
  assert.equal(faults.length, 0);
  assert.equal(await answered(new Error("no dialog")), "not_allowed");
  assert.match(String(faults), /no dialog/);
});

/** Answers `jobs.list` at once and nothing else after the handshake. */
const SILENT = `(message, send) => {
  if (message.method === "jobs.list") send({ id: message.id, result: { jobs: [], meta: message.params?._meta ?? null } });
}`;

test("a page that makes too many calls does not keep other pages from theirs, nor does reloading help it", async (t) => {
  const { open } = app(t, {}, scriptedSidecar(SILENT));
  const [greedy, other] = [open(), open()];
  await other.page.jobs.list();
  for (let count = 0; count < 64 + 1_000; count += 1) void failure(greedy.page.system.health());
  assert.equal((await failure(greedy.page.system.health())).kind, "too_many_calls");
  const reloaded = load(greedy.window).page;
  assert.equal((await failure(reloaded.system.health())).kind, "too_many_calls");
  assert.deepEqual((await other.page.jobs.list()).jobs, []);
});

test("one number does not stand for several calls", async (t) => {
  const { open } = app(t, {}, scriptedSidecar(SILENT));
  const { window, bridge, page } = open();
  await page.jobs.list();
  void bridge.call(1, "system.health", {});
  const response = await bridge.call(1, "jobs.list", {});
  assert.equal(response.ok ? "" : response.error.data?.kind, "not_allowed");
  void window;
});

test("_meta of a page does not reach the sidecar", async (t) => {
  const { page } = app(t, {}, scriptedSidecar(SILENT)).open();
  const meta = { progress_token: "of another page", timeout_ms: 1 };
  const result = await page.jobs.list({ _meta: meta } as never);
  assert.equal(JSON.stringify((result as unknown as { meta: unknown }).meta).includes("another"), false);
});

test("nothing that a page sends ends the main process or fills its log", async (t) => {
  const { open, ipc, faults } = app(t);
  const { window, page } = open();
  await page.system.health();
  const event = { sender: window.contents, senderFrame: window.frame };
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  ipc.emit("sidecar:page-loaded", event, "z".repeat(10_000_000));
  ipc.emit("sidecar:page-loaded", event, "me");
  for (const names of [
    [{ toString: 1, valueOf: 1 }],
    cyclic,
    [null, undefined, 1, 2n],
    Array(2_000_000).fill("x".repeat(500)),
  ])
    ipc.emit("sidecar:subscribe", event, "me", 3, names, null);
  for (const wrong of [{ toString: 1 }, cyclic, null, 2n, Number.NaN]) {
    for (const channel of ["cancel", "subscribe", "unsubscribe", "page-loaded"])
      ipc.emit(`sidecar:${channel}`, event, wrong, wrong, wrong, wrong);
    ipc.emit("sidecar:cancel", event, "me", wrong);
    ipc.emit("sidecar:unsubscribe", event, "me", wrong);
    ipc.emit("sidecar:subscribe", event, "me", wrong, ["jobs.updated"], wrong);
    ipc.emit("sidecar:subscribe", event, "me", 4, ["jobs.updated"], null, wrong);
  }
  assert.ok(faults.every((fault) => String(fault).length < 500));
  assert.equal((await open().page.system.health()).status, "ok");
});

test("a page that asks for a thousand replays neither keeps others waiting nor fills the log", async (t) => {
  const { open, sidecar, faults } = app(t);
  const [greedy, other] = [open(), open()];
  const created = new Promise((resolve) => sidecar.on("jobs.updated", resolve));
  await sidecar.jobs.create({ ...backUp, run_at: "2999-01-01T00:00:00Z" });
  await created;
  const { epoch = "" } = (await other.page.position()) ?? {};
  let received = 0;
  const replayed = new Promise<void>((resolve) => {
    const onEvent = (): void => void ((received += 1) === 500 && resolve());
    for (let number = 0; number < 999; number += 1)
      greedy.bridge.subscribe(["jobs.updated"], { epoch, seq: number % 2 === 0 ? 0 : -1e9 }, onEvent);
  });
  assert.equal((await other.page.system.health()).status, "ok");
  await replayed;
  await greedy.page.system.health();
  assert.equal(received, 500, "a position that does not exist is not replayed");
  assert.deepEqual(faults, []);
});

test("an invalid filter does not let everything through", async (t) => {
  const { open, ipc, sidecar, faults } = app(t);
  const { bridge, page, window } = open();
  await page.system.health();
  const wrong: unknown[] = [
    "s1",
    ["s1"],
    { session_id: 1 },
    { session_id: { toString: 1 } },
    { job_id: "x".repeat(1_000_000) },
    { session_id: "s1", other: "x" },
  ];
  for (const filter of wrong) {
    const subscribe = () => bridge.subscribe(["jobs.updated"], null, () => assert.fail(), filter as never);
    assert.throws(subscribe, /invalid_params: a filter/);
  }
  let crossings = 0;
  const send = window.contents.send.bind(window.contents);
  window.contents.send = (channel, ...args) => {
    if (args[2] === "jobs.updated") crossings += 1;
    if (channel !== "sidecar:notification") send(channel, ...args);
  };
  // A compromised page also reaches the main process past the preload script's checks.
  let [id] = [""];
  ipc.once("sidecar:subscribe", (_event: unknown, page: string) => (id = page));
  bridge.subscribe(["jobs.log_added"], null, () => undefined);
  await page.system.health();
  const event = { sender: window.contents, senderFrame: window.frame };
  wrong.forEach((filter, number) =>
    ipc.emit("sidecar:subscribe", event, id, 100 + number, ["jobs.updated"], null, filter),
  );
  ipc.emit("sidecar:subscribe", event, id, 200, ["jobs.updated"], null, { job_id: "another" });
  await sidecar.jobs.create({ ...backUp, run_at: "2999-01-01T00:00:00Z" });
  await page.system.health();
  assert.equal(crossings, 0);
  assert.equal(faults.length, wrong.length);
  assert.ok(faults.every((fault) => String(fault).length < 200));
});

test("a page that only listens to the state learns of changes", async (t) => {
  const { open, sidecar } = app(t);
  const { page } = open();
  const seen: string[] = [];
  page.onState(({ status }) => seen.push(status));
  await sidecar.ready();
  await sidecar.stop();
  await until(
    (check) => page.onState(check),
    () => seen.includes("stopped"),
  );
});

test("a notification crosses once per window, for all its subscriptions", async (t) => {
  const { open, sidecar } = app(t);
  const { bridge, page, window } = open();
  const received: string[] = [];
  bridge.subscribe(["jobs.updated"], null, () => received.push("bridge"));
  page.on("jobs.updated", () => received.push("page"));
  await page.system.health();
  let crossings = 0;
  const send = window.contents.send.bind(window.contents);
  window.contents.send = (channel, ...args) => {
    if (args[2] === "jobs.updated") crossings += 1;
    send(channel, ...args);
  };
  await sidecar.jobs.create({ ...backUp, run_at: "2999-01-01T00:00:00Z" });
  await until(
    (check) => page.on("jobs.updated", check),
    () => received.length === 2,
  );
  assert.deepEqual([crossings, received.sort()], [1, ["bridge", "page"]]);
});

test("the app may decide which pages may use the bridge", async (t) => {
  const { open } = app(t, { trust: ({ url }) => url.startsWith("https://hub.example/") });
  const { window } = open();
  window.frame = { url: "https://hub.example/index.html", parent: null };
  assert.equal(
    (
      await open()
        .page.system.health()
        .catch((error) => error)
    ).kind,
    "not_allowed",
  );
  assert.equal((await load(window).page.system.health()).status, "ok");
});

test("a foreign page receives neither notifications nor the sidecar's state", async (t) => {
  const { open, sidecar } = app(t);
  const [own, foreign] = [open(), open()];
  foreign.window.frame = { url: "https://example.com/", parent: null };
  const received: string[] = [];
  foreign.page.on("jobs.updated", () => received.push("event"));
  foreign.page.onState(() => received.push("state"));
  await failure(foreign.page.state());
  own.page.onState(({ status }) => received.push(status));
  await own.page.state();
  await own.page.jobs.create(backUp);
  await sidecar.stop();
  await until(
    (check) => own.page.onState(check),
    () => received.includes("stopped"),
  );
  assert.deepEqual(
    received.filter((what) => what === "event" || what === "state"),
    [],
  );
});

test("a frame inside a page does not replace the page", async (t) => {
  const { page, window } = app(t).open();
  const inner = { url: "file:///app/frame.html", parent: { url: "file:///app/index.html", parent: null } };
  const event = { sender: window.contents, senderFrame: inner };
  window.ipc.emit("sidecar:page-loaded", event, "the frame's page");
  assert.equal((await page.system.health()).status, "ok");
});

test("params that cannot be cloned are refused in the page", async (t) => {
  const { page } = app(t).open();
  const error = await failure(page.jobs.create({ type: "maintenance.backup", payload: { run: () => 1 } as object }));
  assert.match(error.message, /could not be cloned/);
});

test("connecting a page without a preload script throws", () => {
  assert.throws(() => connectSidecar(), { kind: "bridge_missing", message: /webPreferences.preload/ });
});

test("what a page gets when the bridge fails is an error with a kind, too", async () => {
  const broken = async (): Promise<never> => {
    throw new Error("No handler registered for 'sidecar:call'");
  };
  const bridge = {
    methods: [],
    notifications: ["events.resync"],
    call: broken,
    signIn: broken,
    state: async () => Promise.reject(new Error("Error invoking remote method: Error: not_allowed")),
    position: broken,
    cancel: () => undefined,
    subscribe: () => () => undefined,
    onState: () => () => undefined,
  };
  const page = connectSidecar(bridge);
  const health = await failure(page.system.health());
  assert.deepEqual([health.kind, health.method], ["bridge_failed", "system.health"]);
  const kinds = [await failure(page.position()), await failure(page.signIn("google")), await failure(page.state())];
  assert.deepEqual(
    kinds.map(({ kind }) => kind),
    ["bridge_failed", "bridge_failed", "not_allowed"],
  );
  assert.throws(() => page.on("jobs.updated", () => undefined), { kind: "not_allowed" });
  assert.throws(() => page.events("jobs.updated"), { kind: "not_allowed" });
  assert.equal((await failure(page.once("jobs.updated"))).kind, "not_allowed");
});
