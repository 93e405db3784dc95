// The event stream in situations that a real sidecar does not produce on demand: failing pages, gaps, overtaking responses.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventPage, LoggedEvent } from "../../protocol/typescript/client.ts";
import { EventStream } from "../../protocol/typescript/events.ts";
import { tick } from "./sidecar_harness.mts";

const event = (seq: number) => ({ method: "jobs.log_added", params: { seq } }) as LoggedEvent;
const page = (seqs: number[], more: Partial<EventPage> = {}): EventPage => ({
  events: seqs.map(event),
  latest_seq: Math.max(0, ...seqs),
  epoch: "e",
  truncated: false,
  ...more,
});

function eventStream(position = 0) {
  const [delivered, faults, fetched]: [string[], unknown[], number[]] = [[], [], []];
  const fetches: Array<{ resolve: (page: EventPage) => void; reject: (error: unknown) => void }> = [];
  const fetch = (seq: number): Promise<EventPage> => {
    fetched.push(seq);
    return new Promise((resolve, reject) => void fetches.push({ resolve, reject }));
  };
  const deliver = (name: string, params: unknown): void => {
    const { seq } = params as { seq?: number };
    delivered.push(seq === undefined ? name : String(seq));
  };
  const stream = new EventStream(fetch, deliver, (fault) => faults.push(fault));
  stream.attach({ epoch: "e", oldest_seq: 1, latest_seq: position, resume: "ok" });
  const receive = (seq: number): void => stream.receive("jobs.log_added", { seq });
  const lag = (from: number, to: number): void =>
    stream.receive("events.lag", { from_seq: from, to_seq: to, dropped: 1 });
  return { stream, receive, lag, delivered, faults, fetched, fetches };
}

test("a notification in the same chunk as the handshake's response is not lost", () => {
  const delivered: unknown[] = [];
  const stream = new EventStream(
    () => assert.fail("nothing is missing"),
    (_name, params) => delivered.push((params as { seq: number }).seq),
    (fault) => assert.fail(String(fault)),
  );
  stream.receive("jobs.log_added", { seq: 8 });
  stream.attach({ epoch: "e", oldest_seq: 1, latest_seq: 7, resume: "ok" });
  stream.receive("jobs.log_added", { seq: 9 });
  assert.deepEqual([delivered, stream.position], [[8, 9], { epoch: "e", seq: 9 }]);
});

test("a notification that arrives twice is delivered once", () => {
  const { receive, delivered } = eventStream(3);
  [4, 4, 2, 5].forEach(receive);
  assert.deepEqual(delivered, ["4", "5"]);
});

test("notifications that a slow client missed are fetched page by page, before those that arrive meanwhile", async () => {
  const { stream, receive, lag, delivered, fetched, fetches } = eventStream(1);
  lag(2, 5);
  receive(6);
  stream.receive("claude.delta", { text: "now" });
  fetches[0]?.resolve(page([2, 3]));
  await tick();
  receive(7);
  lag(8, 9);
  fetches[1]?.resolve(page([4, 5, 6]));
  await tick();
  fetches[2]?.resolve(page([7, 8, 9, 10])); // this response overtakes the notification 10
  await tick();
  receive(10);
  receive(11);
  assert.deepEqual(delivered, ["claude.delta", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]);
  assert.deepEqual([fetched, stream.position], [[1, 3, 6], { epoch: "e", seq: 11 }]);
});

for (const [why, more] of [
  ["were pruned", { truncated: true }],
  ["are in another database", { epoch: "f" }],
] as const) {
  test(`missed notifications that ${why} cause a resync, and later ones are delivered`, async () => {
    const { stream, receive, lag, delivered, fetches } = eventStream(1);
    lag(2, 5);
    fetches[0]?.resolve(page([4, 5], more));
    await tick();
    receive(6);
    assert.deepEqual([delivered, stream.position?.seq], [["events.resync", "6"], 6]);
  });
}

test("a failed fetch causes a resync", async () => {
  const { receive, lag, delivered, faults, fetches } = eventStream(1);
  lag(2, 5);
  fetches[0]?.reject(new Error("no response"));
  await tick();
  receive(6);
  assert.deepEqual([delivered, faults.map(String)], [["events.resync", "6"], ["Error: no response"]]);
});

test("an empty page does not delay later notifications", async () => {
  const { receive, lag, delivered, fetches } = eventStream(1);
  lag(2, 5);
  fetches[0]?.resolve(page([]));
  await tick();
  receive(6);
  assert.deepEqual(delivered, ["6"]);
});

test("a new epoch starts from its own seq", () => {
  const { stream, receive, delivered } = eventStream(100);
  stream.detach();
  stream.attach({ epoch: "f", oldest_seq: 1, latest_seq: 2, resume: "resync" });
  receive(3);
  assert.deepEqual([delivered, stream.position], [["3"], { epoch: "f", seq: 3 }]);
});
