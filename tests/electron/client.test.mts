// One client and one process: the real sidecar, and scripts for what no sidecar does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_IN_FLIGHT, REQUEST_NAMES, RpcError } from "../../protocol/typescript/client.ts";
import { nested } from "../../protocol/typescript/calls.ts";
import { COMMAND, failure, COMMAND_WITH_TEST_JOBS, scriptedSidecar, startProcess, until } from "./sidecar_harness.mts";

const job = (client: { on: any }, id: string) => {
  let found: any = null;
  return until(
    (look) =>
      client.on("jobs.updated", ({ job }: any) => {
        if (job.job_id === id && job.finished_at !== null) found = job;
        look();
      }),
    () => found,
  );
};

test("the answer to the handshake is this contract's", async (t) => {
  const { initialized } = await startProcess(t, COMMAND);
  assert.equal(initialized?.protocol_version, 1);
  assert.equal(initialized?.events.latest_seq, 0);
});

test("every call of a burst is answered, with its own answer", async (t) => {
  const { client, faults } = await startProcess(t, COMMAND);
  const calls = Array.from({ length: 3_000 }, (_, index) =>
    index % 3 === 0
      ? client.call("jobs.list", { limit: 1 }).then(({ jobs }) => jobs.length)
      : client.call("jobs.get", { job_id: `no ${index}` }).catch((error: RpcError) => error.kind),
  );
  assert.ok(client.unanswered === 3_000 && MAX_IN_FLIGHT < 3_000);
  const answers = await Promise.all(calls);
  assert.deepEqual(
    answers,
    answers.map((_, index) => (index % 3 === 0 ? 0 : "job_not_found")),
  );
  assert.deepEqual([client.unanswered, faults], [0, []]);
});

test("the methods are there as nested functions, all of them, and cannot be replaced", async (t) => {
  const { client } = await startProcess(t, COMMAND);
  const api = nested(client);
  assert.deepEqual(await api.calendar.accounts.list(), { accounts: [] });
  assert.equal((await api.jobs.list({ limit: 5 })).jobs.length, 0);
  assert.equal((await failure(api.jobs.get({ job_id: "7" }))).kind, "job_not_found");
  for (const name of REQUEST_NAMES) {
    const found = name.split(".").reduce<any>((node, part) => node[part], api);
    assert.equal(typeof found, "function", name);
  }
  assert.equal("initialize" in api || "shutdown" in api, false);
  assert.throws(() => Object.assign(api.jobs, { list: () => undefined }), TypeError);
});

test("an error has its code, its kind and what to do about it", async (t) => {
  const { client } = await startProcess(t, COMMAND);
  const error = await failure(client.call("jobs.list", { limit: 0 }));
  assert.ok(error instanceof RpcError && error instanceof Error);
  assert.deepEqual([error.name, error.code, error.kind], ["RpcError", -32602, "invalid_params"]);
  assert.deepEqual(
    (error.data.details as any[]).map(({ path }) => path),
    ["limit"],
  );
  assert.equal((await failure(client.call("jobs.list", { cursor: "x" }))).kind, "invalid_cursor");
});

test("a megabyte comes back as it went", async (t) => {
  const { client } = await startProcess(t, COMMAND_WITH_TEST_JOBS);
  const text = "ü\u2028\u{1f600}".repeat(100_000);
  const made = await client.call("jobs.create", {
    type: "test.echo",
    payload: { text },
  } as never);
  const done = await job(client, made.job.job_id);
  assert.ok(JSON.stringify(done).length > 2 * text.length);
  assert.equal(done.result.text === text && done.payload.text === text, true);
});

test("an answer of 20 MB is an answer like any other", async (t) => {
  const { client } = await startProcess(
    t,
    scriptedSidecar(`({ id, method }, say) => {
    if (method === "jobs.list") say({ id, result: { jobs: [], next_cursor: "x".repeat(20_000_000) } });
  }`),
  );
  assert.equal((await client.call("jobs.list")).next_cursor?.length, 20_000_000);
});

test("a call that is given up rejects at once, and the sidecar hears of it", async (t) => {
  const { client, faults } = await startProcess(
    t,
    scriptedSidecar(`({ id, method, params }, say) => {
    globalThis.asked ??= [];
    if (method === "system.diagnostics") asked.push(id);
    if (method === "$/cancelRequest") {
      say({ id: params.id, error: { code: -32800, message: "cancelled", data: { kind: "cancelled" } } });
      say({ method: "system.state", params: { state: asked.indexOf(params.id) } });
    }
  }`),
  );
  const states: unknown[] = [];
  client.on("system.state", ({ state }) => states.push(state));
  const [first, second] = [new AbortController(), new AbortController()];
  const calls = [first, second].map(({ signal }) => client.call("system.diagnostics", {}, { signal }));
  second.abort();
  assert.equal((await failure(calls[1]!)).name, "AbortError");
  first.abort(new Error("the window closed"));
  assert.equal((await failure(calls[0]!)).message, "the window closed");
  assert.equal(
    (await failure(client.call("system.diagnostics", {}, { signal: first.signal }))).message,
    "the window closed",
  );
  await until(
    (look) => client.onAny(look),
    () => states.length === 2,
  );
  assert.deepEqual([states, client.unanswered, faults], [[1, 0], 0, []]);
});

test("the real sidecar answers a cancelled request too", async (t) => {
  const { client, faults } = await startProcess(t, COMMAND);
  const controller = new AbortController();
  const call = client.call("system.diagnostics", {}, { signal: controller.signal });
  controller.abort();
  await failure(call);
  await client.call("system.health");
  await client.shutdown();
  assert.deepEqual([client.unanswered, faults], [0, []]);
});

test("the sidecar keeps a deadline, and where it does not, the client does", async (t) => {
  const { client } = await startProcess(t, COMMAND);
  const late = await failure(client.call("system.diagnostics", {}, { timeoutMs: 1 }));
  assert.deepEqual([late.kind, late.code], ["server_cancelled", -32802]);
  const silent = await startProcess(t, scriptedSidecar("() => {}"));
  const given = await failure(silent.client.call("system.health", {}, { timeoutMs: 1 }));
  assert.deepEqual([given.kind, given.data.retryable], ["timed_out", true]);
  for (const timeoutMs of [0, 1.5, Infinity, Number.NaN]) {
    assert.ok((await failure(client.call("system.health", {}, { timeoutMs }))) instanceof RangeError);
  }
});

test("a line that is refused rejects the call that it was", async (t) => {
  const { client, faults } = await startProcess(t, COMMAND);
  const huge = {
    type: "maintenance.backup",
    payload: { filler: "x".repeat(34 * 1024 * 1024) },
  } as never;
  const [refused, health] = await Promise.all([
    failure(client.call("jobs.create", huge)),
    client.call("system.health"),
  ]);
  assert.equal(refused.kind, "message_too_large");
  assert.deepEqual([health.status, client.unanswered, faults], ["ok", 0, []]);
});

test("what is no JSON is refused before it is sent, and harms nothing else", async (t) => {
  const { client } = await startProcess(t, COMMAND);
  const wrong = { job_id: 1n } as never;
  assert.ok((await failure(client.call("jobs.get", wrong))) instanceof TypeError);
  assert.equal((await client.call("system.health")).status, "ok");
});

test("progress reaches the one who asked for it", async (t) => {
  const { client } = await startProcess(
    t,
    scriptedSidecar(`({ id, method, params }, say) => {
    if (method !== "system.health") return;
    const token = params._meta?.progress_token ?? id;
    for (const fraction of [0, 0.5]) say({ method: "$/progress", params: { token, value: { kind: "report", fraction, message: null } } });
    say({ id, result: { status: "ok", version: "", checks: [] } });
  }`),
  );
  const heard: unknown[] = [];
  const onProgress = ({ fraction }: { fraction: number | null }): void => void heard.push(fraction);
  await Promise.all([client.call("system.health", {}, { onProgress }), client.call("system.health")]);
  assert.deepEqual(heard, [0, 0.5]);
});

test("a crash in mid-call rejects the call and says how it ended", async (t) => {
  const { client, running } = await startProcess(t, COMMAND);
  const calls = [client.call("system.diagnostics"), client.call("system.diagnostics")];
  running.kill();
  for (const call of calls) {
    const { kind, data } = await failure(call);
    assert.deepEqual([kind, data.signal, data.exit_code, data.retryable], ["sidecar_ended", "SIGKILL", null, true]);
  }
  assert.equal((await failure(client.call("system.health"))).kind, "sidecar_ended");
});

test("what was answered before the end is not rejected", async (t) => {
  const { client, running } = await startProcess(
    t,
    scriptedSidecar(`({ id, method }, say) => {
    if (method !== "jobs.list") return;
    say({ id, result: { jobs: [], next_cursor: "x".repeat(5_000_000) } }, () => process.exit(0));
  }`),
  );
  const [listed, lost] = await Promise.all([client.call("jobs.list"), failure(client.call("system.health"))]);
  assert.equal(listed.next_cursor?.length, 5_000_000);
  assert.deepEqual([lost.kind, lost.data.exit_code], ["sidecar_ended", 0]);
  assert.equal((await running.ended).code, 0);
});

test("lines that are no messages are told, and do not end the conversation", async (t) => {
  const { client, faults } = await startProcess(
    t,
    scriptedSidecar(`({ method }, say) => {
    if (method === "system.status") process.stdout.write("Traceback: hunter2\\n7\\n" + '{"id":99,"result":1}\\n{"half', () => process.exit(1));
  }`),
  );
  assert.equal((await failure(client.call("system.status"))).kind, "sidecar_ended");
  assert.deepEqual(faults.map(String), [
    "Error: a line of 18 characters is not JSON",
    "Error: a line is not a JSON-RPC message",
    "Error: an answer fits no request",
    "Error: the sidecar ended 6 bytes into a line",
  ]);
});

test("a listener that throws harms neither the others nor the calls", async (t) => {
  const { client, faults } = await startProcess(t, COMMAND);
  const heard: string[] = [];
  client.on("jobs.updated", () => assert.fail("a bug in a view"));
  const end = client.on("jobs.updated", ({ job: { status } }) => heard.push(status));
  const { job: made } = await client.call("jobs.create", {
    type: "maintenance.backup",
  });
  await job(client, made.job_id);
  assert.deepEqual(heard, ["queued", "running", "succeeded"]);
  assert.equal(faults.length, 3);
  end();
  const again = await client.call("jobs.create", {
    type: "maintenance.backup",
  });
  await job(client, again.job.job_id);
  assert.equal(heard.length, 3);
});
