// Several windows, one sidecar: the whole way from a page through preload and main to the real process and back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcError } from "../../protocol/typescript/renderer.ts";
import { failure, scriptedSidecar, until } from "./sidecar_harness.mts";
import { app, backUp, load } from "./window_harness.mts";

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
  assert.deepEqual([error.code, error.kind, error.message], [4041, "job_not_found", "No job has this id."]);
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
    other.page.on("jobs.log_added", () => heard.push("other")),
  ];
  await Promise.all([one.page.system.health(), other.page.system.health()]);
  const sent: string[] = [];
  for (const { window } of [one, other]) {
    const send = window.contents.send.bind(window.contents);
    window.contents.send = (channel, ...args) => {
      sent.push(`${window.contents.id === one.window.contents.id ? "one" : "other"} ${String(args[2])}`);
      send(channel, ...args);
    };
  }
  const { job } = await sidecar.jobs.create({
    ...backUp,
    run_at: "2999-01-01T00:00:00Z",
  });
  await until(
    (look) => other.page.on("jobs.log_added", look),
    () => heard.includes("other"),
  );
  assert.deepEqual(sent, ["one jobs.updated", "other jobs.log_added"]);
  assert.deepEqual(
    heard.filter((who) => who !== "other"),
    ["one a", "one b"],
  );
  ends.forEach((end) => end());
  await one.page.system.health();
  await sidecar.jobs.cancel({ job_id: job.job_id });
  await Promise.all([one.page.system.health(), other.page.system.health()]);
  assert.deepEqual(
    [sent.filter((what) => what.startsWith("one")).length, heard.filter((who) => who !== "other").length],
    [1, 2],
  );
});

test("a window that crashes again and again is watched once", async (t) => {
  const { window } = app(t).open();
  for (let crash = 0; crash < 3; crash += 1) {
    window.contents.emit("render-process-gone", {}, { reason: "crashed" });
    assert.equal((await load(window).page.system.health()).status, "ok");
  }
  assert.equal(window.contents.listenerCount("render-process-gone"), 1);
});

test("a call can be given up from the page", async (t) => {
  const { open, sidecar } = app(
    t,
    {},
    scriptedSidecar(`({ id, method, params }, say) => {
    if (method === "$/cancelRequest") say({ id: params.id, error: { code: -32800, message: "", data: { kind: "cancelled" } } });
  }`),
  );
  const { page } = open();
  const controller = new AbortController();
  const call = page.system.diagnostics({}, { signal: controller.signal });
  await page.state();
  controller.abort();
  assert.equal((await failure(call)).name, "AbortError");
  const aborted = await failure(page.system.diagnostics({}, { signal: controller.signal }));
  assert.equal(aborted.name, "AbortError");
  await sidecar.stop();
});

test("deadlines and progress cross the bridge", async (t) => {
  const { page } = app(
    t,
    {},
    scriptedSidecar(`({ id, method, params }, say) => {
    if (method !== "system.health") return;
    const { progress_token: token, timeout_ms: ms } = params._meta;
    say({ method: "$/progress", params: { token, value: { kind: "report", fraction: ms / 1000, message: null } } });
    say({ id, result: { status: "ok", version: "", checks: [] } });
  }`),
  ).open();
  await page.position(); // it is ready: waiting for that would count
  const heard: unknown[] = [];
  await page.system.health({}, { timeoutMs: 250, onProgress: ({ fraction }) => void heard.push(fraction) });
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
  const leave = page.on("jobs.updated", ({ seq }) => void seen.push((since.seq = seq)));
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
      "jobs.updated": ({ seq, job }) => void (told.push([seq, job.status]) === 3 && resolve()),
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
  page.onSince({ epoch: "another", seq: 3 }, { "events.resync": ({ reason }) => void reasons.push(reason) });
  await page.system.health();
  assert.deepEqual(reasons, ["The database was replaced."]);
});

test("a page that has caught up in one database hears of the next one, whose numbers begin anew", async (t) => {
  const { open, sidecar } = app(
    t,
    {},
    scriptedSidecar(`({ id, method, params }, say, greeting) => {
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
  page.onSince({ epoch: "e", seq: 4 }, { "jobs.updated": ({ seq }) => void heard.push(seq) });
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
  const sidecar = scriptedSidecar(`({ id, method, params }, say) => {
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
  assert.equal(new URL(visits[0] ?? "").searchParams.get("login_hint"), "ada@example.com");
  const controller = new AbortController();
  browse = async () => controller.abort(); // the person changes their mind
  assert.equal((await failure(page.signIn("google", {}, { signal: controller.signal }))).name, "AbortError");
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
  await Promise.all([gone.page.system.health(), crashed.page.system.health(), stays.page.system.health()]);
  gone.window.close();
  crashed.window.contents.emit("render-process-gone", {}, { reason: "crashed" });
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
  assert.match((await failure(page.system.health())).message, /No handler registered for 'sidecar:call'/);
});
