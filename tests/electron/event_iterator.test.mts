// Notifications as an iteration and as a promise: in a client, the main process and a page, and against a replay.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, localError } from "../../protocol/typescript/client.ts";
import type { EventConsumer, JobQueueUpdated } from "../../protocol/typescript/client.ts";
import { ReplayTransport } from "../../protocol/typescript/replay.ts";
import { failure, tick } from "./sidecar_harness.mts";
import { app, backUp } from "./window_harness.mts";

/** A client without a sidecar, whose notifications the test sends. */
function client() {
  const made = new Client({ send: () => undefined });
  const emit = (method: string, params: object): void =>
    made.receive(new TextEncoder().encode(`${JSON.stringify({ jsonrpc: "2.0", method, params })}\n`));
  const queue = (seq: number): void => emit("jobs.queue_updated", { seq });
  return { made, emit, queue };
}

/** A signal that counts its listeners. */
function countedSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  const listeners = new Set<unknown>();
  signal.addEventListener = ((...args: Parameters<typeof add>) => {
    listeners.add(args[1]);
    add(...args);
  }) as typeof add;
  signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
    listeners.delete(args[1]);
    remove(...args);
  }) as typeof remove;
  return { controller, signal, listeners };
}

async function seqs(events: AsyncIterable<JobQueueUpdated>, count = Infinity): Promise<number[]> {
  const found: number[] = [];
  for await (const { seq } of events) if (found.push(seq) >= count) break;
  return found;
}

test("an iteration has every notification since it was created, in order, and ends with break", async () => {
  const { made, queue } = client();
  const { signal, listeners } = countedSignal();
  const events = made.events("jobs.queue_updated", { signal });
  [1, 2, 3].forEach(queue);
  assert.equal(listeners.size, 1);
  assert.deepEqual(await seqs(events, 2), [1, 2]);
  assert.equal(listeners.size, 0);
  queue(4);
  assert.deepEqual(await seqs(events), []);
});

test("an iteration ends with its signal and with the connection", async () => {
  const { made, queue } = client();
  const { controller, signal, listeners } = countedSignal();
  const aborted = seqs(made.events("jobs.queue_updated", { signal }));
  const ended = seqs(made.events("jobs.queue_updated"));
  queue(1);
  await tick();
  controller.abort();
  queue(2);
  assert.deepEqual(await aborted, [1]);
  assert.equal(listeners.size, 0);
  assert.deepEqual(await seqs(made.events("jobs.queue_updated", { signal })), []);
  made.end(localError("sidecar_ended", "gone"));
  assert.deepEqual(await ended, [1, 2]);
  assert.deepEqual(await seqs(made.events("jobs.queue_updated")), []);
});

test("an iteration that is too slow gets what waits, then an error, and listens no more", async () => {
  const { made, queue } = client();
  const { signal, listeners } = countedSignal();
  const events = made.events("jobs.queue_updated", { limit: 2, signal });
  [1, 2, 3, 4].forEach(queue);
  assert.equal(listeners.size, 0);
  const found: number[] = [];
  const error = await failure(
    (async () => {
      for await (const { seq } of events) found.push(seq);
    })(),
  );
  assert.deepEqual([found, error.kind], [[1, 2], "too_many_events"]);
  assert.deepEqual(await events.next(), { done: true, value: undefined });
});

test("several steps may wait at once, and an error in the loop ends it", async () => {
  const { made, queue } = client();
  const { signal, listeners } = countedSignal();
  const events = made.events("jobs.queue_updated", { signal });
  const steps = [events.next(), events.next()];
  [1, 2].forEach(queue);
  assert.deepEqual(
    (await Promise.all(steps)).map(({ value }) => value?.seq),
    [1, 2],
  );
  queue(3);
  const loop = async (): Promise<void> => {
    for await (const _ of events) throw new Error("own");
  };
  await assert.rejects(loop(), /own/);
  assert.equal(listeners.size, 0);
});

test("once resolves to the first notification that fits, and rejects with a kind", async () => {
  const { made, emit, queue } = client();
  const { controller, signal, listeners } = countedSignal();
  const second = made.once("jobs.queue_updated", { where: ({ seq }) => seq === 2, signal, timeoutMs: 60_000 });
  const ofJob = made.once("jobs.progress", { filter: { job_id: "b" } });
  [1, 2, 3].forEach(queue);
  for (const job_id of ["a", "b"]) emit("jobs.progress", { job_id });
  assert.equal((await second).seq, 2);
  assert.equal((await ofJob).job_id, "b");
  assert.equal(listeners.size, 0);
  const late = await failure(made.once("jobs.queue_updated", { timeoutMs: 1, signal }));
  const faulty = made.once("jobs.queue_updated", {
    where: () => {
      throw new Error("own");
    },
  });
  queue(4);
  const aborted = failure(made.once("jobs.queue_updated", { signal }));
  controller.abort();
  const errors = [late, await failure(faulty), await aborted];
  errors.push(await failure(made.once("jobs.queue_updated", { signal })));
  const pending = failure(made.once("jobs.queue_updated"));
  made.end(localError("sidecar_ended", "gone"));
  errors.push(await pending, await failure(made.once("jobs.queue_updated")));
  const kinds = ["timed_out", "unknown", "aborted", "aborted", "sidecar_ended", "sidecar_ended"];
  assert.deepEqual(
    errors.map(({ kind, method }) => [kind, method]),
    kinds.map((kind) => [kind, "jobs.queue_updated"]),
  );
  assert.equal(listeners.size, 0);
});

test("the main process and a page have them too, beside the methods whose names begin with events", async (t) => {
  const { sidecar, open } = app(t);
  const { page } = open();
  const last = async (consumer: EventConsumer): Promise<string[]> => {
    const found: string[] = [];
    for await (const { job } of consumer.events("jobs.updated")) {
      found.push(job.status);
      if (job.finished_at !== null) break;
    }
    return found;
  };
  const all = Promise.all([last(sidecar), last(page)]);
  const finished = page.once("jobs.updated", { where: ({ job }) => job.status === "succeeded" });
  await page.jobs.create(backUp);
  assert.deepEqual(await all, Array(2).fill(["queued", "running", "succeeded"]));
  assert.equal((await finished).job.type, "maintenance.backup");
  assert.ok((await page.events.replay({ after_seq: 0 })).events.length > 3);
  assert.ok((await sidecar.events.replay({ after_seq: 0 })).latest_seq > 3);
  const ended = seqs(sidecar.events("jobs.queue_updated"));
  await sidecar.dispose();
  assert.deepEqual(await ended, []);
});

test("a client of a replay has them too", async () => {
  const lines = [
    { transcript: 1, protocol_version: 1, schema_hash: "0", server: "sidecar", started_at: "2026-11-23T08:00:00.000Z" },
    { t: 0, dir: "c2s", msg: { jsonrpc: "2.0", id: 1, method: "jobs.queue.pause", params: {} } },
    { t: 1, dir: "s2c", msg: { jsonrpc: "2.0", id: 1, result: { paused: true, paused_at: null, counts: {} } } },
    { t: 2, dir: "s2c", msg: { jsonrpc: "2.0", method: "jobs.queue_updated", params: { seq: 1 } } },
  ];
  const made: Client = new Client({ send: (line) => transport.send(line) });
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  const transport = new ReplayTransport(text, (chunk) => made.receive(chunk));
  const events = seqs(made.events("jobs.queue_updated"), 1);
  const first = made.once("jobs.queue_updated");
  await made.call("jobs.queue.pause");
  assert.deepEqual([await events, (await first).seq], [[1], 1]);
  transport.close();
});
