// Events made whole, where no real sidecar can be made to behave so: pages that fail, gaps, answers that overtake.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventPage } from "../../protocol/typescript/client.ts";
import { Feed } from "../../protocol/typescript/events.ts";

const event = (seq: number) => ({ method: "jobs.log_added", params: { seq } });
const page = (seqs: number[], more: Partial<EventPage> = {}): EventPage => ({
  events: seqs.map(event),
  latest_seq: Math.max(0, ...seqs),
  epoch: "e",
  truncated: false,
  ...more,
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function feed(position = 0) {
  const [told, faults, asked]: [string[], unknown[], number[]] = [[], [], []];
  const answers: Array<{
    give: (page: EventPage) => void;
    fail: (error: unknown) => void;
  }> = [];
  const fetch = (seq: number): Promise<EventPage> => {
    asked.push(seq);
    return new Promise((give, fail) => void answers.push({ give, fail }));
  };
  const deliver = (name: string, params: unknown): void => {
    const { seq } = params as { seq?: number };
    told.push(seq === undefined ? name : String(seq));
  };
  const made = new Feed(fetch, deliver, (fault) => faults.push(fault));
  made.attach({
    epoch: "e",
    oldest_seq: 1,
    latest_seq: position,
    resume: "ok",
  });
  const take = (seq: number): void => made.take("jobs.log_added", { seq });
  const lag = (from: number, to: number): void => made.take("events.lag", { from_seq: from, to_seq: to, dropped: 1 });
  return { feed: made, take, lag, told, faults, asked, answers };
}

test("what shares a chunk with the handshake's answer is not lost", () => {
  const told: unknown[] = [];
  const made = new Feed(
    () => assert.fail("nothing is missing"),
    (_name, params) => told.push((params as { seq: number }).seq),
    (fault) => assert.fail(String(fault)),
  );
  made.take("jobs.log_added", { seq: 8 });
  made.attach({ epoch: "e", oldest_seq: 1, latest_seq: 7, resume: "ok" });
  made.take("jobs.log_added", { seq: 9 });
  assert.deepEqual([told, made.position], [[8, 9], { epoch: "e", seq: 9 }]);
});

test("one that comes twice is told once", () => {
  const { take, told } = feed(3);
  [4, 4, 2, 5].forEach(take);
  assert.deepEqual(told, ["4", "5"]);
});

test("what a slow host missed is fetched page by page, and what happens meanwhile waits for its turn", async () => {
  const { feed: made, take, lag, told, asked, answers } = feed(1);
  lag(2, 5);
  take(6);
  made.take("claude.delta", { text: "now" });
  answers[0]?.give(page([2, 3]));
  await turn();
  take(7);
  lag(8, 9);
  answers[1]?.give(page([4, 5, 6]));
  await turn();
  answers[2]?.give(page([7, 8, 9, 10])); // the answer overtakes the notification of 10
  await turn();
  take(10);
  take(11);
  assert.deepEqual(told, ["claude.delta", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]);
  assert.deepEqual([asked, made.position], [[1, 3, 6], { epoch: "e", seq: 11 }]);
});

for (const [why, more] of [
  ["has been pruned", { truncated: true }],
  ["is in another database", { epoch: "f" }],
] as const) {
  test(`what ${why} cannot be fetched: listeners are to load anew, and then hear on`, async () => {
    const { feed: made, take, lag, told, answers } = feed(1);
    lag(2, 5);
    answers[0]?.give(page([4, 5], more));
    await turn();
    take(6);
    assert.deepEqual([told, made.position?.seq], [["events.resync", "6"], 6]);
  });
}

test("where fetching fails, too", async () => {
  const { take, lag, told, faults, answers } = feed(1);
  lag(2, 5);
  answers[0]?.fail(new Error("no answer"));
  await turn();
  take(6);
  assert.deepEqual([told, faults.map(String)], [["events.resync", "6"], ["Error: no answer"]]);
});

test("a page without events does not hold the others up", async () => {
  const { take, lag, told, answers } = feed(1);
  lag(2, 5);
  answers[0]?.give(page([]));
  await turn();
  take(6);
  assert.deepEqual(told, ["6"]);
});

test("another epoch begins anew, from its own number", () => {
  const { feed: made, take, told } = feed(100);
  made.detach();
  made.attach({ epoch: "f", oldest_seq: 1, latest_seq: 2, resume: "resync" });
  take(3);
  assert.deepEqual([told, made.position], [["3"], { epoch: "f", seq: 3 }]);
});
