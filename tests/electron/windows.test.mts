// Windows that share a sidecar: from a page through preload script and main process to the real sidecar and back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FILTERED_NAMES } from "../../protocol/typescript/event_filter.ts";
import { RpcError } from "../../protocol/typescript/renderer.ts";
import { failure, ROOT, scriptedSidecar, until } from "./sidecar_harness.mts";
import { app, backUp, load } from "./window_harness.mts";

test("a page calls methods and listens like the main process", async (t) => {
  const { page } = app(t).open();
  assert.deepEqual(await page.calendar.accounts.list(), { accounts: [] });
  const statuses: string[] = [];
  const removeListener = page.on("jobs.updated", ({ job }) => statuses.push(job.status));
  await page.jobs.create(backUp);
  await until(
    (check) => page.on("jobs.updated", check),
    () => statuses.length === 3,
  );
  assert.deepEqual(statuses, ["queued", "running", "succeeded"]);
  removeListener();
  assert.equal((await page.state()).status, "ready");
});

test("an error in a page has its kind and data", async (t) => {
  const { page } = app(t).open();
  const error = await failure(page.jobs.get({ job_id: "none" }));
  assert.ok(error instanceof RpcError);
  assert.deepEqual([error.code, error.kind, error.message], [4041, "job_not_found", "No job has this id."]);
  const wrong = await failure(page.jobs.list({ limit: 0 }));
  assert.deepEqual((wrong.data.details as any[])[0].path, "limit");
});

test("each window receives the notifications it listens to, once per listener, and only those", async (t) => {
  const { open, sidecar } = app(t);
  const [one, other] = [open(), open()];
  const received: string[] = [];
  const removeListeners = [
    one.page.on("jobs.updated", () => received.push("one a")),
    one.page.on("jobs.updated", () => received.push("one b")),
    other.page.on("jobs.queue_updated", () => received.push("other")),
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
  const { job } = await sidecar.jobs.create({ ...backUp, run_at: "2999-01-01T00:00:00Z" });
  await sidecar.jobs.queue.pause();
  await until(
    (check) => other.page.on("jobs.queue_updated", check),
    () => received.includes("other"),
  );
  assert.deepEqual(sent, ["one jobs.updated", "other jobs.queue_updated"]);
  assert.deepEqual(
    received.filter((who) => who !== "other"),
    ["one a", "one b"],
  );
  removeListeners.forEach((removeListener) => removeListener());
  await one.page.system.health();
  await sidecar.jobs.cancel({ job_id: job.job_id });
  await Promise.all([one.page.system.health(), other.page.system.health()]);
  assert.deepEqual(
    [sent.filter((what) => what.startsWith("one")).length, received.filter((who) => who !== "other").length],
    [1, 2],
  );
});

/** A sidecar that emits the notifications of a call of `jobs.create`, whose type has their names and params. */
const EMITTER = `(message, send) => {
  if (message.method === "system.health") send({ id: message.id, result: {} });
  if (message.method !== "jobs.create") return false;
  for (const [method, params] of JSON.parse(message.params.type)) send({ method, params });
  send({ id: message.id, result: {} });
  return true;
}`;

test("with a filter a window only receives what it watches, once for all its subscriptions", async (t) => {
  const { open, sidecar, faults } = app(t, {}, scriptedSidecar(EMITTER));
  const [one, other] = [open(), open()];
  let { page } = one;
  const sent = new Map([one, other].map(({ window }) => [window, [] as string[]]));
  for (const [window, list] of sent) {
    const send = window.contents.send.bind(window.contents);
    window.contents.send = (channel, ...args) => {
      if (channel === "sidecar:notification") list.push(`${(args[1] as number[]).length} ${String(args[2])}`);
      send(channel, ...args);
    };
  }
  const received: string[] = [];
  const note = (who: string) => (params: unknown) => void received.push(`${who} ${JSON.stringify(params)}`);
  const emit = async (...notifications: Array<[name: string, params: object]>): Promise<string[]> => {
    await sidecar.jobs.create({ type: JSON.stringify(notifications) } as never);
    await Promise.all([page.system.health(), other.page.system.health()]);
    const all = received.splice(0);
    const isOther = (line: string): boolean => line.startsWith("all"); // the two windows have no common order
    return [...all.filter((line) => !isOther(line)), ...all.filter(isOther)];
  };
  const inSession = { session_id: "s1" };
  one.page.on("claude.delta", note("a"), inSession);
  one.page.on("claude.delta", note("b"), { ...inSession });
  const stop = one.page.on("claude.delta", note("job"), { job_id: "j2" });
  one.page.on("jobs.updated", note("turns"), inSession);
  one.page.on("events.resync", note("resync"), inSession);
  one.page.on("activity.changed", note("activity"), inSession);
  other.page.on("claude.delta", note("all"));
  await Promise.all([one.page.system.health(), other.page.system.health()]);

  assert.deepEqual(
    await emit(
      ["claude.delta", { session_id: "s1", job_id: "j1" }],
      ["claude.delta", { session_id: "s2", job_id: "j9" }],
      ["claude.delta", { session_id: "s1", job_id: "j2" }],
    ),
    [
      'a {"session_id":"s1","job_id":"j1"}',
      'b {"session_id":"s1","job_id":"j1"}',
      'a {"session_id":"s1","job_id":"j2"}',
      'b {"session_id":"s1","job_id":"j2"}',
      'job {"session_id":"s1","job_id":"j2"}',
      'all {"session_id":"s1","job_id":"j1"}',
      'all {"session_id":"s2","job_id":"j9"}',
      'all {"session_id":"s1","job_id":"j2"}',
    ],
  );
  assert.deepEqual(
    [sent.get(one.window)?.splice(0), sent.get(other.window)?.length],
    [["1 claude.delta", "2 claude.delta"], 3],
  );

  const turn = (session_id: string) => ({ job: { job_id: "j", type: "claude.turn", payload: { session_id } } });
  assert.deepEqual(
    await emit(
      ["jobs.updated", turn("s1")],
      ["jobs.updated", turn("s2")],
      ["jobs.updated", { job: { job_id: "k", type: "maintenance.backup", payload: null } }],
      ["events.resync", { reason: "lost" }],
      ["activity.changed", { source: "jira" }],
    ),
    [`turns ${JSON.stringify(turn("s1"))}`, 'resync {"reason":"lost"}', 'activity {"source":"jira"}'],
  );
  stop();
  await one.page.system.health();
  assert.deepEqual(await emit(["claude.delta", { session_id: "s2", job_id: "j2" }]), [
    'all {"session_id":"s2","job_id":"j2"}',
  ]);

  ({ page } = load(one.window)); // a reload drops the filters with the page
  sent.get(one.window)?.splice(0);
  page.on("claude.delta", note("reloaded"));
  await page.system.health();
  assert.deepEqual((await emit(["claude.delta", { session_id: "s2", job_id: "j2" }])).sort(), [
    'all {"session_id":"s2","job_id":"j2"}',
    'reloaded {"session_id":"s2","job_id":"j2"}',
  ]);
  assert.deepEqual([sent.get(one.window), faults], [["1 claude.delta"], []]);
});

test("every notification that belongs to a session or a job can be filtered", () => {
  const contract = readFileSync(join(ROOT, "schema", "openrpc.json"), "utf-8");
  const { "x-notifications": notifications, components } = JSON.parse(contract) as any;
  const resolve = (schema: any): any =>
    schema.$ref === undefined ? schema : components.schemas[schema.$ref.split("/").at(-1)];
  const hasId = (schema: any): boolean =>
    ["session_id", "job_id"].some((id) => resolve(schema).properties?.[id] !== undefined);
  const belonging = notifications
    .filter(({ params }: any) => hasId(params) || Object.values(resolve(params).properties).some(hasId))
    .map(({ name }: any) => name);
  assert.ok(belonging.length > 5);
  assert.deepEqual([...FILTERED_NAMES].sort(), belonging.sort());
});

test("listeners do not accumulate when a window crashes repeatedly", async (t) => {
  const { window } = app(t).open();
  for (let crash = 0; crash < 3; crash += 1) {
    window.contents.emit("render-process-gone", {}, { reason: "crashed" });
    assert.equal((await load(window).page.system.health()).status, "ok");
  }
  assert.equal(window.contents.listenerCount("render-process-gone"), 1);
});

test("a page can abort a call", async (t) => {
  const { open, sidecar } = app(
    t,
    {},
    scriptedSidecar(`({ id, method, params }, send) => {
    if (method === "$/cancelRequest") send({ id: params.id, error: { code: -32800, message: "", data: { kind: "cancelled" } } });
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

test("timeouts and progress pass through the bridge", async (t) => {
  const { page } = app(
    t,
    {},
    scriptedSidecar(`({ id, method, params }, send) => {
    if (method !== "system.health") return;
    const { progress_token: token, timeout_ms: ms } = params._meta;
    send({ method: "$/progress", params: { token, value: { fraction: ms / 1000, message: null } } });
    send({ id, result: { status: "ok", version: "", checks: [] } });
  }`),
  ).open();
  await page.position(); // resolves once the sidecar is ready; waiting would reduce the timeout
  const received: unknown[] = [];
  await page.system.health({}, { timeoutMs: 250, onProgress: ({ fraction }) => void received.push(fraction) });
  assert.deepEqual(received, [0.25]);
});

test("a reloaded page receives no notification for its previous load", async (t) => {
  const { open, sidecar } = app(t);
  const { window, page } = open();
  const old: unknown[] = [];
  page.on("jobs.updated", (params) => old.push(params));
  await page.system.health();
  const again = load(window).page;
  const received: string[] = [];
  again.on("jobs.updated", ({ job }) => received.push(job.status));
  await again.system.health();
  await sidecar.jobs.create(backUp);
  await until(
    (check) => again.on("jobs.updated", check),
    () => received.length === 3,
  );
  assert.deepEqual(old, []);
});

test("a reloaded page can receive the notifications it missed, once and in order", async (t) => {
  const { open, sidecar } = app(t);
  const { window, page } = open();
  const seen: number[] = [];
  const since = await page.position();
  assert.ok(since !== null);
  const removeListener = page.on("jobs.updated", ({ seq }) => void seen.push((since.seq = seq)));
  await page.jobs.create(backUp);
  await until(
    (check) => page.on("jobs.updated", check),
    () => seen.length === 3,
  );
  removeListener(); // nothing listens during the reload
  const first = await sidecar.jobs.create({ ...backUp, run_at: "2999-01-01T00:00:00Z" });
  await sidecar.jobs.cancel({ job_id: first.job.job_id });
  const again = load(window).page;
  const received: Array<[number, string]> = [];
  const all = new Promise<void>((resolve) => {
    again.onSince(since, {
      "jobs.updated": ({ seq, job }) => void (received.push([seq, job.status]) === 3 && resolve()),
    });
  });
  await sidecar.jobs.create({ ...backUp, run_at: "2999-01-01T00:00:00Z" });
  await all;
  assert.deepEqual(
    received.map(([, status]) => status),
    ["queued", "cancelled", "queued"],
  );
  const seqs = received.map(([seq]) => seq);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((one, other) => one - other),
  );
  assert.ok(Math.min(...seqs) > Math.max(...seen));
});

test("a page whose position is from another database receives a resync", async (t) => {
  const { page } = app(t).open();
  const reasons: string[] = [];
  page.onSince({ epoch: "another", seq: 3 }, { "events.resync": ({ reason }) => void reasons.push(reason) });
  await page.system.health();
  assert.deepEqual(reasons, ["The database was replaced."]);
});

test("a page that has caught up in one database receives the notifications of the next one, which start from its own seq", async (t) => {
  const { open, sidecar } = app(
    t,
    {},
    scriptedSidecar(`({ id, method, params }, send, initialized) => {
      if (method === "initialize") initialized.events.latest_seq = 5;
      if (method === "initialize" && params.resume) initialized.events = { epoch: "f", oldest_seq: 1, latest_seq: 1, resume: "resync" };
      if (method === "events.replay") send({ id, result: { events: [{ method: "jobs.updated", params: { seq: 5 } }], latest_seq: 5, epoch: "e", truncated: false } });
      if (method === "jobs.list") send({ method: "jobs.updated", params: { seq: 2 } });
      if (method === "jobs.list") send({ id, result: { jobs: [], next_cursor: null } });
      if (method === "system.status") process.exit(70);
    }`),
  );
  const { page } = open();
  const received: number[] = [];
  page.onSince({ epoch: "e", seq: 4 }, { "jobs.updated": ({ seq }) => void received.push(seq) });
  await page.position();
  await until(
    (check) => sidecar.onState(check),
    () => sidecar.position?.epoch === "e",
  );
  await failure(page.system.status());
  await page.jobs.list();
  await page.jobs.list();
  assert.deepEqual(received, [5, 2]);
});

test("a page can sign in through the user's browser, and can abort that", async (t) => {
  const visits: string[] = [];
  let browse: (url: string) => Promise<unknown> = fetch;
  const openExternal = async (url: string): Promise<void> => {
    visits.push(url);
    const { searchParams } = new URL(url);
    void browse(`${searchParams.get("redirect_uri")}?state=s&code=c`);
  };
  const sidecar = scriptedSidecar(`({ id, method, params }, send) => {
    const step = method.split(".").at(-1);
    if (step === "start") {
      const authorization_url = "https://accounts.example/?" + new URLSearchParams(params);
      send({ id, result: { state: "s", authorization_url, expires_at: "2999-01-01T00:00:00.000Z" } });
    }
    if (step === "callback") send({ id, result: { state: "s", status: params.url.includes("code=c") ? "authorized" : "refused" } });
    if (step === "complete") send({ id, result: { account_id: params.state } });
  }`);
  const { page } = app(t, {}, sidecar, { shell: { openExternal } }).open();
  const account = await page.signIn("google", { login_hint: "ada@example.com" });
  assert.equal(account.account_id, "s");
  assert.equal(new URL(visits[0] ?? "").searchParams.get("login_hint"), "ada@example.com");
  const controller = new AbortController();
  browse = async () => controller.abort(); // the user changes their mind
  assert.equal((await failure(page.signIn("google", {}, { signal: controller.signal }))).name, "AbortError");
  const unknown = await failure(page.signIn("outlook" as never));
  assert.equal(unknown.kind, "sign_in_unavailable");
});

test("a closed or crashed window receives nothing, and the others continue", async (t) => {
  const { open, sidecar, faults } = app(t);
  const [gone, crashed, stays] = [open(), open(), open()];
  const received: string[] = [];
  gone.page.on("jobs.updated", () => received.push("gone"));
  crashed.page.on("jobs.updated", () => received.push("crashed"));
  stays.page.on("jobs.updated", () => received.push("stays"));
  await Promise.all([gone.page.system.health(), crashed.page.system.health(), stays.page.system.health()]);
  gone.window.close();
  crashed.window.contents.emit("render-process-gone", {}, { reason: "crashed" });
  await sidecar.jobs.create({ ...backUp, run_at: "2999-01-01T00:00:00Z" });
  await until(
    (check) => stays.page.on("jobs.updated", check),
    () => received.length > 0,
  );
  assert.deepEqual([received, faults], [["stays"], []]);
});

test("a page is notified when the sidecar removeListeners and restarts", async (t) => {
  const { open, sidecar } = app(t);
  const { page } = open();
  await page.system.health();
  const statuses: string[] = [];
  page.onState(({ status }) => statuses.push(status));
  process.kill(sidecar.pid ?? 0, "SIGKILL");
  await until(
    (check) => page.onState(check),
    () => statuses.includes("ready"),
  );
  assert.deepEqual([...new Set(statuses)], ["restarting", "ready"]);
  assert.equal((await page.system.health()).status, "ok");
});

test("dispose removes all handlers and listeners from Electron's modules", async (t) => {
  const { ipc, sidecar, open } = app(t);
  const { page } = open();
  await page.system.health();
  await sidecar.dispose();
  assert.deepEqual(ipc.channels, []);
  assert.match((await failure(page.system.health())).message, /No handler registered for 'sidecar:call'/);
});
