// The client with the real sidecar, and with scripted ones for behaviour that the real one does not have.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  GRACE_MS,
  isSidecarError,
  localError,
  MAX_IN_FLIGHT,
  REQUEST_NAMES,
  RpcError,
  unknownJob,
} from "../../protocol/typescript/client.ts";
import type { UnknownJob } from "../../protocol/typescript/client.ts";
import { nested } from "../../protocol/typescript/calls.ts";
import { COMMAND, COMMAND_WITH_TEST_JOBS, failure, scriptedSidecar, startProcess, until } from "./sidecar_harness.mts";

const job = (client: { on: any }, id: string) => {
  let found: any = null;
  return until(
    (check) =>
      client.on("jobs.updated", ({ job }: any) => {
        if (job.job_id === id && job.finished_at !== null) found = job;
        check();
      }),
    () => found,
  );
};

test("the handshake returns this contract's protocol version", async (t) => {
  const { initialized } = await startProcess(t, COMMAND);
  assert.equal(initialized?.protocol_version, 1);
  assert.equal(initialized?.events.latest_seq, 0);
});

test("every call of a burst gets its own response", async (t) => {
  const { client, faults } = await startProcess(t, COMMAND);
  const calls = Array.from({ length: 3_000 }, (_, index) =>
    index % 3 === 0
      ? client.call("jobs.list", { limit: 1 }).then(({ jobs }) => jobs.length)
      : client.call("jobs.get", { job_id: `no ${index}` }).catch((error: RpcError) => error.kind),
  );
  assert.ok(client.unanswered === 3_000 && MAX_IN_FLIGHT < 3_000);
  const responses = await Promise.all(calls);
  assert.deepEqual(
    responses,
    responses.map((_, index) => (index % 3 === 0 ? 0 : "job_not_found")),
  );
  assert.deepEqual([client.unanswered, faults], [0, []]);
});

test("all methods exist as nested functions, which cannot be replaced", async (t) => {
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

test("an error has its code, kind and details", async (t) => {
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

test("a megabyte of text is unchanged after a round trip", async (t) => {
  const { client } = await startProcess(t, COMMAND_WITH_TEST_JOBS);
  const text = "ü\u2028\u{1f600}".repeat(100_000);
  const created = await client.call("jobs.create", { type: "test.echo", payload: { text } } as never);
  const done = await job(client, created.job.job_id);
  assert.ok(JSON.stringify(done).length > 2 * text.length);
  assert.equal(done.result.text === text && done.payload.text === text, true);
});

test("a response of 20 MB is received", async (t) => {
  const { client } = await startProcess(
    t,
    scriptedSidecar(`({ id, method }, send) => {
    if (method === "jobs.list") send({ id, result: { jobs: [], next_cursor: "x".repeat(20_000_000) } });
  }`),
  );
  assert.equal((await client.call("jobs.list")).next_cursor?.length, 20_000_000);
});

test("an aborted call rejects at once, and the sidecar receives a cancellation", async (t) => {
  const { client, faults } = await startProcess(
    t,
    scriptedSidecar(`({ id, method, params }, send) => {
    globalThis.asked ??= [];
    if (method === "system.diagnostics") asked.push(id);
    if (method === "$/cancelRequest") {
      send({ id: params.id, error: { code: -32800, message: "cancelled", data: { kind: "cancelled" } } });
      send({ method: "system.state", params: { state: asked.indexOf(params.id) } });
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
  for (const call of [calls[0]!, client.call("system.diagnostics", {}, { signal: first.signal })]) {
    const { kind, message, method, cause } = await failure(call);
    assert.deepEqual([kind, message, method], ["aborted", "Aborted: the window closed", "system.diagnostics"]);
    assert.equal(cause, first.signal.reason);
  }
  await until(
    (check) => client.onAny(check),
    () => states.length === 2,
  );
  assert.deepEqual([states, client.unanswered, faults], [[1, 0], 0, []]);
});

test("the real sidecar responds to a cancelled request", async (t) => {
  const { client, faults } = await startProcess(t, COMMAND);
  const controller = new AbortController();
  const call = client.call("system.diagnostics", {}, { signal: controller.signal });
  controller.abort();
  await failure(call);
  await client.call("system.health");
  await client.shutdown();
  assert.deepEqual([client.unanswered, faults], [0, []]);
});

test("the sidecar enforces a deadline, and if it does not, the client does", async (t) => {
  const { client } = await startProcess(t, COMMAND);
  const late = await failure(client.call("system.diagnostics", {}, { timeoutMs: 1 }));
  assert.deepEqual([late.kind, late.code], ["server_cancelled", -32802]);
  const silent = await startProcess(t, scriptedSidecar("() => {}"));
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const timedOut = failure(silent.client.call("system.health", {}, { timeoutMs: 1 }));
  t.mock.timers.tick(1 + GRACE_MS);
  const { kind, data } = await timedOut;
  assert.deepEqual([kind, data.retryable], ["timed_out", true]);
  t.mock.timers.reset();
  for (const timeoutMs of [0, 1.5, Infinity, Number.NaN]) {
    assert.equal((await failure(client.call("system.health", {}, { timeoutMs }))).kind, "invalid_arguments");
  }
});

test("an error says which method failed, and its kinds are those of this method", async (t) => {
  const { client } = await startProcess(t, COMMAND);
  const unknown: unknown = await client.call("jobs.get", { job_id: "none" }).catch((error: unknown) => error);
  assert.ok(isSidecarError(unknown));
  assert.ok(isSidecarError(unknown, "jobs.list", "jobs.get"));
  // @ts-expect-error neither of the methods has this kind
  assert.notEqual(unknown.kind === "time_zone_unknown", true);
  assert.equal(unknown.kind === "job_not_found", true);
  assert.equal(isSidecarError(unknown, "jobs.create"), false);
  assert.equal(isSidecarError(new Error("no"), "jobs.get"), false);
  const big: unknown = await failure(
    client.call("jobs.create", { type: "claude.run", payload: { prompt: 1n } } as never),
  );
  assert.ok(isSidecarError(big, "jobs.create"));
  assert.equal(big.kind, "invalid_arguments");
  client.end(localError("sidecar_ended", "gone"));
  const ended = await failure(client.call("jobs.list"));
  assert.deepEqual([ended.kind, ended.method, ended.message], ["sidecar_ended", "jobs.list", "gone"]);
});

test("a kind and a job type of a newer sidecar arrive as they are", async (t) => {
  const { client } = await startProcess(
    t,
    scriptedSidecar(`({ id, method }, send) => {
    if (method === "jobs.get") send({ id, error: { code: 4999, message: "new", data: { kind: "from_the_future" } } });
    if (method === "jobs.cancel") send({ id, result: { job_id: "1", type: "future.job", status: "paused" } });
  }`),
  );
  const error = await failure(client.call("jobs.get", { job_id: "1" }));
  assert.equal(error.kind as string, "from_the_future");
  const job = await client.call("jobs.cancel", { job_id: "1" });
  switch (job.type) {
    case "claude.run":
      assert.fail();
    default:
      assert.equal(unknownJob(job)?.type, "future.job");
  }
  assert.equal(unknownJob({ ...(job as UnknownJob), type: "claude.run" }), null);
});

test("a refused line rejects its call", async (t) => {
  const { client, faults } = await startProcess(t, COMMAND);
  const huge = { type: "maintenance.backup", payload: { filler: "x".repeat(34 * 1024 * 1024) } } as never;
  const [refused, health] = await Promise.all([
    failure(client.call("jobs.create", huge)),
    client.call("system.health"),
  ]);
  assert.equal(refused.kind, "message_too_large");
  assert.deepEqual([health.status, client.unanswered, faults], ["ok", 0, []]);
});

test("params that are not JSON are refused before they are sent, and other calls are not affected", async (t) => {
  const { client } = await startProcess(t, COMMAND);
  const wrong = { job_id: 1n } as never;
  assert.equal((await failure(client.call("jobs.get", wrong))).kind, "invalid_arguments");
  assert.equal((await client.call("system.health")).status, "ok");
});

test("progress is delivered to the call that asked for it", async (t) => {
  const { client } = await startProcess(
    t,
    scriptedSidecar(`({ id, method, params }, send) => {
    if (method !== "system.health") return;
    const token = params._meta?.progress_token ?? id;
    for (const fraction of [0, 0.5]) send({ method: "$/progress", params: { token, value: { fraction, message: null } } });
    send({ id, result: { status: "ok", version: "", checks: [] } });
  }`),
  );
  const received: unknown[] = [];
  const onProgress = ({ fraction }: { fraction: number | null }): void => void received.push(fraction);
  await Promise.all([client.call("system.health", {}, { onProgress }), client.call("system.health")]);
  assert.deepEqual(received, [0, 0.5]);
});

test("a crash during a call rejects the call with the exit code or signal", async (t) => {
  const { client, running } = await startProcess(t, COMMAND);
  const calls = [client.call("system.diagnostics"), client.call("system.diagnostics")];
  running.kill();
  for (const call of calls) {
    const { kind, data } = await failure(call);
    assert.deepEqual([kind, data.signal, data.exit_code, data.retryable], ["sidecar_ended", "SIGKILL", null, true]);
  }
  assert.equal((await failure(client.call("system.health"))).kind, "sidecar_ended");
});

test("a response that was written before the process ended is received", async (t) => {
  const { client, running } = await startProcess(
    t,
    scriptedSidecar(`({ id, method }, send) => {
    if (method !== "jobs.list") return;
    send({ id, result: { jobs: [], next_cursor: "x".repeat(5_000_000) } }, () => process.exit(0));
  }`),
  );
  const [listed, lost] = await Promise.all([client.call("jobs.list"), failure(client.call("system.health"))]);
  assert.equal(listed.next_cursor?.length, 5_000_000);
  assert.deepEqual([lost.kind, lost.data.exit_code], ["sidecar_ended", 0]);
  assert.equal((await running.ended).code, 0);
});

test("lines that are not messages are reported as faults and do not end the connection", async (t) => {
  const { client, faults } = await startProcess(
    t,
    scriptedSidecar(`({ method }, send) => {
    if (method === "system.status") process.stdout.write("Traceback: hunter2\\n7\\n" + '{"id":99,"result":1}\\n{"half', () => process.exit(1));
  }`),
  );
  assert.equal((await failure(client.call("system.status"))).kind, "sidecar_ended");
  assert.deepEqual(faults.map(String), [
    "Error: a line of 18 characters is not JSON",
    "Error: a line is not a JSON-RPC message",
    "Error: a response matches no request",
    "Error: the sidecar ended 6 bytes into a line",
  ]);
});

test("a listener that throws affects neither other listeners nor calls", async (t) => {
  const { client, faults } = await startProcess(t, COMMAND);
  const received: string[] = [];
  client.on("jobs.updated", () => assert.fail("a bug in a view"));
  const end = client.on("jobs.updated", ({ job: { status } }) => received.push(status));
  const { job: created } = await client.call("jobs.create", { type: "maintenance.backup" });
  await job(client, created.job_id);
  assert.deepEqual(received, ["queued", "running", "succeeded"]);
  assert.equal(faults.length, 3);
  end();
  const again = await client.call("jobs.create", { type: "maintenance.backup" });
  await job(client, again.job.job_id);
  assert.equal(received.length, 3);
});
