// Several windows, one sidecar: the whole way from a page through preload and main to the real process and back.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { SidecarBridge } from "../../protocol/typescript/channels.ts";
import { exposeSidecar } from "../../protocol/typescript/preload.ts";
import {
  connectSidecar,
  RpcError,
} from "../../protocol/typescript/renderer.ts";
import type {
  ElectronParts,
  WindowOptions,
} from "../../protocol/typescript/main.ts";
import { failure, scripted, start, until } from "./rig.mts";
import { NodeWindow, StandinIpcMain } from "./standin/main.mts";

function app(
  t: TestContext,
  windows: WindowOptions = {},
  command?: readonly string[],
) {
  const ipc = new StandinIpcMain();
  const faults: unknown[] = [];
  const onFault = (fault: unknown): void => void faults.push(fault);
  const sidecar = start(t, {
    electron: { ipcMain: ipc.typed, ...more },
    windows,
    onFault,
    ...(command ? { command } : {}),
  });
  const open = () => {
    const window = new NodeWindow(ipc);
    t.after(() => window.close());
    return { window, ...load(window) };
  };
  return { ipc, sidecar, open, faults };
}

function load(window: NodeWindow) {
  const bridge = window.load(exposeSidecar)["sidecar"] as SidecarBridge;
  return { bridge, page: connectSidecar(bridge) };
}

const backUp = { type: "maintenance.backup" };

test("a page calls and listens as the main process does", async (t) => {
  const { page } = app(t).open();
  assert.deepEqual(await page.calendar.accounts.list(), { accounts: [] });
  const statuses: string[] = [];
  const end = page.on("jobs.updated", ({ job }) => statuses.push(job.status));
  await page.jobs.create(backUp);
  await until(
    (look) => page.on("jobs.updated", look),
    () => statuses.length === 3,
  );
  assert.deepEqual(statuses, ["queued", "running", "succeeded"]);
  end();
  assert.equal((await page.state()).status, "ready");
});

test("an error keeps its kind and its data on the way into the page", async (t) => {
  const { page } = app(t).open();
  const error = await failure(page.jobs.get({ job_id: "none" }));
  assert.ok(error instanceof RpcError);
  assert.deepEqual(
    [error.code, error.kind, error.message],
    [4041, "job_not_found", "No job has this id."],
  );
  const wrong = await failure(page.jobs.list({ limit: 0 }));
  assert.deepEqual((wrong.data.details as any[])[0].path, "limit");
});

test("each window hears what it asked for, as often as it asked, until it does not", async (t) => {
  const { open, sidecar } = app(t);
  const [one, other] = [open(), open()];
  const heard: string[] = [];
  const ends = [
    one.page.on("jobs.updated", () => heard.push("one a")),
    one.page.on("jobs.updated", () => heard.push("one b")),
    other.page.on("jobs.event", () => heard.push("other")),
  ];
  await Promise.all([one.page.system.health(), other.page.system.health()]);
  const sent: string[] = [];
  for (const { window } of [one, other]) {
    const send = window.contents.send.bind(window.contents);
    window.contents.send = (channel, ...args) => {
      sent.push(
        `${window.contents.id === one.window.contents.id ? "one" : "other"} ${String(args[2])}`,
      );
      send(channel, ...args);
    };
  }
  const { job } = await sidecar.jobs.create({
    ...backUp,
    run_at: "2999-01-01T00:00:00Z",
  });
  await until(
    (look) => other.page.on("jobs.event", look),
    () => heard.includes("other"),
  );
  assert.deepEqual(sent, ["one jobs.updated", "other jobs.event"]);
  assert.deepEqual(
    heard.filter((who) => who !== "other"),
    ["one a", "one b"],
  );
  ends.forEach((end) => end());
  await one.page.system.health();
  await sidecar.jobs.cancel({ job_id: job.job_id });
  await Promise.all([one.page.system.health(), other.page.system.health()]);
  assert.deepEqual(
    [
      sent.filter((what) => what.startsWith("one")).length,
      heard.filter((who) => who !== "other").length,
    ],
    [1, 2],
  );
});

test("initialize, shutdown and what else belongs to the host is out of reach", async (t) => {
  const { open, ipc } = app(t);
  const { bridge, page, window } = open();
  for (const name of [
    "initialize",
    "shutdown",
    "exit",
    "$/cancelRequest",
    "no.such",
    "__proto__",
    "secrets.rotate",
  ]) {
    const outcome = await bridge.call(1, name, {});
    assert.deepEqual(
      [outcome.ok, outcome.ok ? "" : outcome.error.data?.kind],
      [false, "not_allowed"],
      name,
    );
  }
  assert.throws(
    () => bridge.subscribe(["$/progress"], null, () => undefined),
    /not_allowed/,
  );
  assert.deepEqual(Object.keys(bridge).sort(), [
    "call",
    "cancel",
    "methods",
    "notifications",
    "onState",
    "position",
    "schemaHash",
    "signIn",
    "state",
    "subscribe",
  ]);
  assert.ok(Object.isFrozen(bridge) && Object.isFrozen(bridge.methods));
  // A page that was taken over speaks to the main process past its preload script.
  const forged: any[] = [];
  window.load(({ ipcRenderer }: any) => {
    ipcRenderer.send("sidecar:hello", "me");
    for (const method of ["shutdown", "initialize"]) {
      forged.push(
        ipcRenderer.invoke("sidecar:call", {
          page: "me",
          call: 1,
          method,
          params: {},
        }),
      );
    }
    forged.push(
      ipcRenderer.invoke("sidecar:call", {
        page: "other",
        call: 1,
        method: "system.health",
      }),
    );
    forged.push(
      ipcRenderer.invoke("sidecar:call", {
        page: "me",
        call: 1,
        method: "jobs.list",
        params: "all",
      }),
    );
    forged.push(ipcRenderer.invoke("sidecar:call"));
    for (const wrong of [undefined, 7, null, {}, ["x"]]) {
      for (const channel of ["hello", "subscribe", "unsubscribe", "cancel"])
        ipcRenderer.send(`sidecar:${channel}`, wrong, wrong, wrong, wrong);
    }
    ipcRenderer.send(
      "sidecar:subscribe",
      "me",
      1,
      ["$/progress", "events.lagged", 7],
      { epoch: 1 },
    );
  });
  for (const answer of forged)
    assert.equal((await answer).error.data.kind, "not_allowed");
  assert.equal((await open().page.system.health()).status, "ok");
  assert.ok(ipc.channels.every((channel) => channel.startsWith("sidecar:")));
  void page;
});

test("a host may narrow what windows can do", async (t) => {
  const { open, faults } = app(t, {
    methods: ["jobs.list"],
    notifications: [],
  });
  const { page } = open();
  assert.deepEqual((await page.jobs.list()).jobs, []);
  assert.equal((await failure(page.jobs.create(backUp))).kind, "not_allowed");
  page.on("jobs.updated", () => undefined);
  page.on("events.resync", () => undefined); // that something was lost is never kept from a page
  await page.jobs.list();
  assert.deepEqual(faults.map(String), [
    "Error: a page may not hear jobs.updated",
  ]);
});

test("a preload script may narrow what its page can do", async (t) => {
  const { open } = app(t);
  const { window } = open();
  const narrow = (electron: any): void =>
    exposeSidecar({
      ...electron,
      methods: ["jobs.list"],
      notifications: [],
      key: "hub",
    });
  const bridge = window.load(narrow)["hub"] as SidecarBridge;
  const page = connectSidecar(bridge);
  assert.deepEqual(
    [bridge.methods, bridge.notifications],
    [["jobs.list"], ["events.resync"]],
  );
  assert.deepEqual((await page.jobs.list()).jobs, []);
  assert.equal((await failure(page.jobs.create(backUp))).kind, "not_allowed");
  assert.throws(
    () => page.on("jobs.updated", () => undefined),
    /jobs.updated is not for pages/,
  );
});

test("only the app's own pages may use the bridge", async (t) => {
  const { open } = app(t);
  const { window, page } = open();
  const may = async (
    url: string,
    parent: { url: string; parent: null } | null = null,
  ): Promise<boolean> => {
    window.frame = { url, parent };
    return page.system.health().then(
      () => true,
      (error: RpcError) => error.kind !== "not_allowed",
    );
  };
  for (const url of [
    "file:///app/index.html",
    "app://hub/index.html",
    "http://localhost:5173/",
    "http://127.0.0.1:8080/",
  ]) {
    assert.equal(await may(url), true, url);
  }
  for (const url of [
    "https://example.com/",
    "http://localhost.example.com/",
    "data:text/html,x",
    "about:blank",
    "blob:null/1",
    "",
  ]) {
    assert.equal(await may(url), false, url);
  }
  assert.equal(
    await may("file:///app/frame.html", {
      url: "file:///app/index.html",
      parent: null,
    }),
    false,
  );
  window.frame = null; // it was read after the frame had gone
  assert.equal((await failure(page.system.health())).kind, "not_allowed");
  assert.match((await failure(page.state())).message, /not_allowed/);
});

test("a host may say itself which pages may use the bridge", async (t) => {
  const { open } = app(t, {
    trust: ({ url }) => url.startsWith("https://hub.example/"),
  });
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

test("a page of others is told nothing, not even how the sidecar is", async (t) => {
  const { open, sidecar } = app(t);
  const [own, foreign] = [open(), open()];
  foreign.window.frame = { url: "https://example.com/", parent: null };
  const heard: string[] = [];
  foreign.page.on("jobs.updated", () => heard.push("event"));
  foreign.page.onState(() => heard.push("state"));
  await failure(foreign.page.state());
  own.page.onState(({ status }) => heard.push(status));
  await own.page.state();
  await own.page.jobs.create(backUp);
  await sidecar.stop();
  await until(
    (look) => own.page.onState(look),
    () => heard.includes("stopped"),
  );
  assert.deepEqual(
    heard.filter((what) => what === "event" || what === "state"),
    [],
  );
});

test("a frame inside a page does not take its place", async (t) => {
  const { page, window } = app(t).open();
  const inner = {
    url: "file:///app/frame.html",
    parent: { url: "file:///app/index.html", parent: null },
  };
  const event = { sender: window.contents, senderFrame: inner };
  window.ipc.emit("sidecar:hello", event, "the frame's page");
  assert.equal((await page.system.health()).status, "ok");
});

test("a window that crashes again and again is watched once", async (t) => {
  const { window } = app(t).open();
  for (let crash = 0; crash < 3; crash += 1) {
    window.contents.emit("render-process-gone", {}, { reason: "crashed" });
    assert.equal((await load(window).page.system.health()).status, "ok");
  }
  assert.equal(window.contents.listenerCount("render-process-gone"), 1);
});

test("what a page cannot send is refused in the page", async (t) => {
  const { page } = app(t).open();
  const error = await failure(
    page.jobs.create({ type: "maintenance.backup", payload: { run: () => 1 } }),
  );
  assert.match(error.message, /could not be cloned/);
});

test("a call can be given up from the page", async (t) => {
  const { open, sidecar } = app(
    t,
    {},
    scripted(`({ id, method, params }, say) => {
    if (method === "$/cancelRequest") say({ id: params.id, error: { code: -32800, message: "", data: { kind: "cancelled" } } });
  }`),
  );
  const { page } = open();
  const controller = new AbortController();
  const call = page.system.diagnostics({}, { signal: controller.signal });
  await page.state();
  controller.abort();
  assert.equal((await failure(call)).name, "AbortError");
  const aborted = await failure(
    page.system.diagnostics({}, { signal: controller.signal }),
  );
  assert.equal(aborted.name, "AbortError");
  await sidecar.stop();
});

test("deadlines and progress cross the bridge", async (t) => {
  const { page } = app(
    t,
    {},
    scripted(`({ id, method, params }, say) => {
    if (method !== "system.health") return;
    const { progress_token: token, timeout_ms: ms } = params._meta;
    say({ method: "$/progress", params: { token, value: { kind: "report", fraction: ms / 1000, message: null } } });
    say({ id, result: { status: "ok", version: "", checks: [] } });
  }`),
  ).open();
  await page.position(); // it is ready: waiting for that would count
  const heard: unknown[] = [];
  await page.system.health(
    {},
    { timeoutMs: 250, onProgress: ({ fraction }) => void heard.push(fraction) },
  );
  assert.deepEqual(heard, [0.25]);
});

test("a page that is loaded again hears nothing that was meant for the one before", async (t) => {
  const { open, sidecar } = app(t);
  const { window, page } = open();
  const old: unknown[] = [];
  page.on("jobs.updated", (params) => old.push(params));
  await page.system.health();
  const again = load(window).page;
  const heard: string[] = [];
  again.on("jobs.updated", ({ job }) => heard.push(job.status));
  await again.system.health();
  await sidecar.jobs.create(backUp);
  await until(
    (look) => again.on("jobs.updated", look),
    () => heard.length === 3,
  );
  assert.deepEqual(old, []);
});

test("a page that is loaded again can hear what happened meanwhile, once, in order", async (t) => {
  const { open, sidecar } = app(t);
  const { window, page } = open();
  const seen: number[] = [];
  const since = await page.position();
  assert.ok(since !== null);
  const leave = page.on(
    "jobs.updated",
    ({ seq }) => void seen.push((since.seq = seq)),
  );
  await page.jobs.create(backUp);
  await until(
    (look) => page.on("jobs.updated", look),
    () => seen.length === 3,
  );
  leave(); // nobody listens while the page is away
  const first = await sidecar.jobs.create({
    ...backUp,
    run_at: "2999-01-01T00:00:00Z",
  });
  await sidecar.jobs.cancel({ job_id: first.job.job_id });
  const again = load(window).page;
  const told: Array<[number, string]> = [];
  const all = new Promise<void>((resolve) => {
    again.onSince(since, {
      "jobs.updated": ({ seq, job }) =>
        void (told.push([seq, job.status]) === 3 && resolve()),
    });
  });
  await sidecar.jobs.create({ ...backUp, run_at: "2999-01-01T00:00:00Z" });
  await all;
  assert.deepEqual(
    told.map(([, status]) => status),
    ["queued", "cancelled", "queued"],
  );
  const seqs = told.map(([seq]) => seq);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((one, other) => one - other),
  );
  assert.ok(Math.min(...seqs) > Math.max(...seen));
});

test("a page that comes back to another database is told to load anew", async (t) => {
  const { page } = app(t).open();
  const reasons: string[] = [];
  page.onSince(
    { epoch: "another", seq: 3 },
    { "events.resync": ({ reason }) => void reasons.push(reason) },
  );
  await page.system.health();
  assert.deepEqual(reasons, ["The database is another one."]);
});

test("a page that has caught up in one database hears of the next one, whose numbers begin anew", async (t) => {
  const { open, sidecar } = app(
    t,
    {},
    scripted(`({ id, method, params }, say, greeting) => {
      if (method === "initialize") greeting.events.latest_seq = 5;
      if (method === "initialize" && params.resume) greeting.events = { epoch: "f", oldest_seq: 1, latest_seq: 1, resume: "resync" };
      if (method === "events.replay") say({ id, result: { events: [{ method: "jobs.updated", params: { seq: 5 } }], latest_seq: 5, epoch: "e", truncated: false } });
      if (method === "jobs.list") say({ method: "jobs.updated", params: { seq: 2 } });
      if (method === "jobs.list") say({ id, result: { jobs: [], next_cursor: null } });
      if (method === "system.status") process.exit(70);
    }`),
  );
  const { page } = open();
  const heard: number[] = [];
  page.onSince(
    { epoch: "e", seq: 4 },
    { "jobs.updated": ({ seq }) => void heard.push(seq) },
  );
  await page.position();
  await until(
    (look) => sidecar.onState(look),
    () => sidecar.position?.epoch === "e",
  );
  await failure(page.system.status());
  await page.jobs.list();
  await page.jobs.list();
  assert.deepEqual(heard, [5, 2]);
});

test("a page signs in through the person's browser, and can give that up", async (t) => {
  const visits: string[] = [];
  let browse: (url: string) => Promise<unknown> = fetch;
  const openExternal = async (url: string): Promise<void> => {
    visits.push(url);
    const { searchParams } = new URL(url);
    void browse(`${searchParams.get("redirect_uri")}?state=s&code=c`);
  };
  const sidecar = scripted(`({ id, method, params }, say) => {
    const step = method.split(".").at(-1);
    if (step === "start") {
      const authorization_url = "https://accounts.example/?" + new URLSearchParams(params);
      say({ id, result: { state: "s", authorization_url, expires_at: "2999-01-01T00:00:00.000Z" } });
    }
    if (step === "callback") say({ id, result: { state: "s", status: params.url.includes("code=c") ? "authorized" : "refused" } });
    if (step === "complete") say({ id, result: { account_id: params.state } });
  }`);
  const { page } = app(t, {}, sidecar, { shell: { openExternal } }).open();
  const account = await page.signIn("google", {
    login_hint: "ada@example.com",
  });
  assert.equal(account.account_id, "s");
  assert.equal(
    new URL(visits[0] ?? "").searchParams.get("login_hint"),
    "ada@example.com",
  );
  const controller = new AbortController();
  browse = async () => controller.abort(); // the person changes their mind
  assert.equal(
    (await failure(page.signIn("google", {}, { signal: controller.signal })))
      .name,
    "AbortError",
  );
  const unknown = await failure(page.signIn("outlook" as never));
  assert.equal(unknown.kind, "sign_in_unavailable");
});

test("a window that goes is forgotten, and the others hear on", async (t) => {
  const { open, sidecar, faults } = app(t);
  const [gone, crashed, stays] = [open(), open(), open()];
  const heard: string[] = [];
  gone.page.on("jobs.updated", () => heard.push("gone"));
  crashed.page.on("jobs.updated", () => heard.push("crashed"));
  stays.page.on("jobs.updated", () => heard.push("stays"));
  await Promise.all([
    gone.page.system.health(),
    crashed.page.system.health(),
    stays.page.system.health(),
  ]);
  gone.window.close();
  crashed.window.contents.emit(
    "render-process-gone",
    {},
    { reason: "crashed" },
  );
  await sidecar.jobs.create({ ...backUp, run_at: "2999-01-01T00:00:00Z" });
  await until(
    (look) => stays.page.on("jobs.updated", look),
    () => heard.length > 0,
  );
  assert.deepEqual([heard, faults], [["stays"], []]);
});

test("a page sees the sidecar end and come back", async (t) => {
  const { open, sidecar } = app(t);
  const { page } = open();
  await page.system.health();
  const statuses: string[] = [];
  page.onState(({ status }) => statuses.push(status));
  process.kill(sidecar.pid ?? 0, "SIGKILL");
  await until(
    (look) => page.onState(look),
    () => statuses.includes("ready"),
  );
  assert.deepEqual([...new Set(statuses)], ["restarting", "ready"]);
  assert.equal((await page.system.health()).status, "ok");
});

test("what was registered with Electron is taken back", async (t) => {
  const { ipc, sidecar, open } = app(t);
  const { page } = open();
  await page.system.health();
  await sidecar.dispose();
  assert.deepEqual(ipc.channels, []);
  assert.match(
    (await failure(page.system.health())).message,
    /No handler registered for 'sidecar:call'/,
  );
});

test("a page without its preload script says so", () => {
  assert.throws(() => connectSidecar(), /webPreferences.preload/);
});
