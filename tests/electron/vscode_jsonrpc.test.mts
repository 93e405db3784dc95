// vscode-jsonrpc with the package's reader and writer.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { CancellationTokenSource, createMessageConnection, ResponseError } from "vscode-jsonrpc/node";
import { LineMessageReader, LineMessageWriter } from "../../protocol/typescript/vscode_jsonrpc.ts";
import { COMMAND, failure, newDataDir, ROOT, scriptedSidecar } from "./sidecar_harness.mts";

async function connected(t: TestContext, command: readonly string[] = COMMAND) {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, APP_DATA_DIR: newDataDir() },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const connection = createMessageConnection(new LineMessageReader(child.stdout), new LineMessageWriter(child.stdin));
  const errors: unknown[] = [];
  connection.onError((error) => errors.push(error));
  connection.listen();
  t.after(() => {
    connection.dispose();
    child.kill();
  });
  await connection.sendRequest("initialize", {
    protocol_version: 1,
    client_info: { name: "vscode-jsonrpc", version: "1" },
  });
  return { child, connection, errors };
}

test("requests, errors and notifications work", async (t) => {
  const { connection, child, errors } = await connected(t);
  const updated = new Promise<any>((resolve) => connection.onNotification("jobs.updated", resolve));
  const { job } = await connection.sendRequest<any>("jobs.create", { type: "maintenance.backup" });
  assert.equal((await updated).job.job_id, job.job_id);
  const error = await failure(connection.sendRequest("jobs.get", { job_id: "none" }));
  assert.ok(error instanceof ResponseError);
  assert.deepEqual([error.code, (error.data as any).kind], [4041, "job_not_found"]);
  const responses = await Promise.all(Array.from({ length: 200 }, () => connection.sendRequest<any>("system.health")));
  assert.equal(
    responses.every(({ status }) => status === "ok"),
    true,
  );
  const closed = new Promise<void>((resolve) => connection.onClose(resolve));
  connection.end();
  await Promise.all([once(child, "exit"), closed]);
  assert.deepEqual(errors, []);
});

test("a request can be cancelled, and a refused line rejects its request", async (t) => {
  const { connection } = await connected(
    t,
    scriptedSidecar(`({ id, method, params }, send) => {
    if (method === "$/cancelRequest") send({ id: params.id, error: { code: -32800, message: "Cancelled" } });
    if (method === "refuse") send({ id: null, error: { code: -32600, message: "Refused", data: { recovered_id: id } } });
    if (method === "garbage") process.stdout.write("not JSON\\n\\n", () => send({ id, result: 1 }));
  }`),
  );
  const source = new CancellationTokenSource();
  const waiting = connection.sendRequest("wait", {}, source.token);
  source.cancel();
  assert.equal((await failure(waiting)).code, -32800);
  assert.equal((await failure(connection.sendRequest("refuse", {}))).message, "Refused");
  const reported = new Promise((resolve) => connection.onError(([error]) => resolve(error.message)));
  assert.equal(await connection.sendRequest("garbage", {}), 1);
  assert.equal(await reported, "a line of 8 characters is not JSON");
});
