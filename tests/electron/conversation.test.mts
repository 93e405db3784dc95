// Conversations for views: messages, the text being written, questions and queued prompts, in any order of arrival.
import assert from "node:assert/strict";
import { test } from "node:test";
import { conversation } from "../../protocol/typescript/conversation.ts";
import type { ConversationSource } from "../../protocol/typescript/conversation.ts";
import { Drafts, storedOf } from "../../protocol/typescript/drafts.ts";
import { localError, RpcError } from "../../protocol/typescript/errors.ts";
import { tick } from "./sidecar_harness.mts";

const SESSION = "s1";

/** A sidecar with one session, whose notifications the test sends. */
function sidecar() {
  const listeners = new Map<string, Set<{ listener: (params: any) => void; filter: any }>>();
  let toState: (state: any) => void = () => undefined;
  const data = {
    session: { session_id: SESSION, version: 1, status: "idle" } as any,
    messages: [] as any[],
    requests: [] as any[],
    jobs: [] as any[],
    contexts: [] as any[],
    statusError: null as unknown,
    failure: null as unknown,
  };
  const called: string[] = [];
  const answer = (name: string, result: () => unknown) => async (): Promise<any> => {
    called.push(name);
    if (data.failure !== null) throw data.failure;
    return structuredClone(result());
  };
  const source = {
    on(name: string, listener: (params: any) => void, filter: any) {
      const own = { listener, filter };
      listeners.set(name, (listeners.get(name) ?? new Set()).add(own));
      return () => void listeners.get(name)?.delete(own);
    },
    onState(listener: (state: any) => void) {
      toState = listener;
      return () => undefined;
    },
    claude: {
      sessions: {
        get: answer("session", () => {
          if (data.session !== null) return data.session;
          throw new RpcError({ code: 4042, message: "gone", data: { kind: "session_not_found" } } as never);
        }),
      },
      messages: {
        // Pages of two, as the contract's are of up to 500.
        list: async ({ cursor }: { cursor: string | null }) => {
          called.push("messages");
          if (data.failure !== null) throw data.failure;
          const from = Number(cursor ?? 0);
          const next = from + 2 < data.messages.length ? String(from + 2) : null;
          return { messages: structuredClone(data.messages.slice(from, from + 2)), next_cursor: next };
        },
      },
      status: answer("status", () => {
        if (data.statusError !== null) throw data.statusError;
        return { contexts: data.contexts };
      }),
      permissions: { list: answer("requests", () => ({ requests: data.requests, next_cursor: null })) },
    },
    jobs: {
      list: async ({ status }: { status: string }) => {
        called.push(`jobs ${status}`);
        return { jobs: structuredClone(data.jobs.filter((job) => job.status === status)), next_cursor: null };
      },
    },
  };
  const send = (name: string, params: any): void =>
    (listeners.get(name) ?? new Set()).forEach(({ listener }) => listener(structuredClone(params)));
  return {
    data,
    called,
    send,
    listening: () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
    filters: () => [...listeners.values()].flatMap((set) => [...set].map(({ filter }) => filter)),
    state: (status: string) => toState({ status }),
    open: () => {
      const own = conversation(source as unknown as ConversationSource, SESSION);
      return Object.assign(own, { stop: own.watch(() => undefined) });
    },
    delta: (message_id: string, offset: number, text: string, more: object = {}) =>
      send("claude.delta", { session_id: SESSION, job_id: "j1", message_id, offset, text, ...more }),
    thought: (message_id: string, offset: number, text: string) =>
      send("claude.thinking_delta", { session_id: SESSION, job_id: "j1", message_id, offset, text }),
    status: (status: string) => {
      data.session = { ...data.session, status, version: data.session.version + 1 };
      send("claude.session_updated", { session: data.session });
    },
    message: (kind: string, text: string, more: object = {}) => {
      const seq = data.messages.length + 1;
      const message = {
        message_id: `m${seq}`,
        session_id: SESSION,
        job_id: "j1",
        api_message_id: null,
        seq,
        kind,
        text,
      };
      data.messages.push({ ...message, ...more });
      send("claude.message_added", { session_id: SESSION, job_id: "j1", message: { ...message, ...more } });
    },
  };
}

const texts = ({ snapshot }: ReturnType<ReturnType<typeof sidecar>["open"]>) => {
  const { messages, drafts } = snapshot();
  return [messages.map(({ text }) => text), drafts.map(({ text, isCut }) => (isCut ? `…${text}` : text))];
};

test("text is a draft until a message contains it, and never twice or missing in between", async () => {
  const { open, delta, status, message } = sidecar();
  const view = open();
  await tick();
  status("running");
  message("user", "Hello?");
  delta("a1", 0, "One ");
  delta("a1", 4, "two");
  await tick();
  assert.deepEqual(texts(view), [["Hello?"], ["One two"]]);
  const seen = new Set<string>();
  view.watch(() => seen.add(JSON.stringify(texts(view))));
  message("assistant_text", "One two", { api_message_id: "a1" });
  delta("a1", 7, "three");
  await tick();
  assert.deepEqual([...seen], ['[["Hello?","One two"],["three"]]'], "no watcher sees the text twice or not at all");
  delta("a1", 4, "two"); // arrives late
  message("assistant_text", "three", { api_message_id: "a1" });
  status("idle");
  delta("a1", 7, "three");
  await tick();
  assert.deepEqual(texts(view), [["Hello?", "One two", "three"], []]);
  view.stop();
});

test("lost text leaves a mark, and a page that was loaded during the message knows that the beginning is missing", async () => {
  const { open, delta, status, message } = sidecar();
  status("running");
  const view = open();
  await tick();
  delta("a1", 10, "middle ");
  delta("a1", 17, "part");
  delta("a1", 30, "end");
  await tick();
  assert.deepEqual(texts(view)[1], ["…middle part … end"]);
  message("assistant_text", "0123456789middle part", { api_message_id: "a1" });
  await tick();
  assert.deepEqual(texts(view)[1], ["…end"]);
  view.stop();
});

test("a message that the CLI requests again after a broken stream takes the place of the broken one", async () => {
  const { open, delta, status } = sidecar();
  status("running");
  const view = open();
  await tick();
  delta("broken", 0, "The answer is fo");
  delta("whole", 0, "The answer is forty-two.");
  await tick();
  assert.deepEqual(texts(view)[1], ["The answer is forty-two."]);
  view.stop();
});

test("thoughts and text of a message have offsets of their own", async () => {
  const { open, delta, thought, status, message } = sidecar();
  status("running");
  const view = open();
  await tick();
  thought("a1", 0, "Hm");
  thought("a1", 2, "m.");
  delta("a1", 0, "Yes");
  await tick();
  assert.deepEqual(
    view.snapshot().drafts.map(({ kind, text }) => [kind, text]),
    [
      ["thinking", "Hmm."],
      ["text", "Yes"],
    ],
  );
  message("thinking", "Hmm.", { api_message_id: "a1" });
  await tick();
  assert.deepEqual(texts(view), [["Hmm."], ["Yes"]]);
  view.stop();
});

test("offsets count UTF-16 code units, as the deltas' do", () => {
  const drafts = new Drafts();
  const id = { session_id: SESSION, job_id: "j", message_id: "a" };
  drafts.add("text", { ...id, offset: 0, text: "🚋 " });
  drafts.add("text", { ...id, offset: 3, text: "tram" });
  const stored = storedOf([{ kind: "assistant_text", api_message_id: "a", text: "🚋" }] as never);
  assert.deepEqual(drafts.unstored(stored), [{ message_id: "a", kind: "text", text: " tram", isCut: false }]);
});

test("questions are open until they are answered, here or elsewhere", async () => {
  const { open, data, send } = sidecar();
  const request = (id: string, version: number, status: string, session_id = SESSION) => ({
    request_id: id,
    session_id,
    version,
    status,
    created_at: id,
  });
  data.requests = [request("r1", 1, "open")];
  const view = open();
  await tick();
  send("claude.permission_requested", { request: request("r2", 1, "open") });
  send("claude.permission_requested", { request: request("r3", 1, "open", "another session") });
  await tick();
  const ids = () => view.snapshot().requests.map(({ request_id }) => request_id);
  assert.deepEqual(ids(), ["r1", "r2"]);
  send("claude.permission_resolved", { request: request("r1", 2, "allowed") });
  await tick();
  assert.deepEqual(ids(), ["r2"]);
  view.stop();
});

test("a prompt is queued until its message is stored, also after a reload of the page", async () => {
  const { open, data, send, message } = sidecar();
  const job = (id: string, status: string, version: number, session_id = SESSION) => ({
    job_id: id,
    type: "claude.turn",
    status,
    version,
    created_at: id,
    finished_at: status === "cancelled" ? "now" : null,
    payload: { session_id, prompt: `prompt of ${id}` },
  });
  data.jobs = [job("j1", "running", 2), job("j2", "queued", 1), job("j9", "queued", 1, "another session")];
  const view = open();
  await tick();
  const queued = () => view.snapshot().queued.map(({ job_id }) => job_id);
  assert.deepEqual(queued(), ["j1", "j2"]);
  message("user", "prompt of j1");
  send("jobs.updated", { job: job("j3", "queued", 1) });
  send("jobs.updated", { job: job("j2", "cancelled", 2) });
  await tick();
  assert.deepEqual(queued(), ["j3"]);
  view.stop();
});

test("how full the context is comes with the conversation, and is null for a page that may not know it", async () => {
  const { open, data, send } = sidecar();
  data.contexts = [{ session_id: SESSION, used_percentage: 12 }];
  const view = open();
  await tick();
  assert.equal(view.snapshot().context?.used_percentage, 12);
  send("claude.context_updated", { context: { session_id: "another", used_percentage: 90 } });
  send("claude.context_updated", { context: { session_id: SESSION, used_percentage: 34 } });
  await tick();
  assert.equal(view.snapshot().context?.used_percentage, 34);
  view.stop();
  const other = sidecar();
  other.data.statusError = localError("not_allowed", "The page may not call claude.status.");
  const restricted = other.open();
  await tick();
  const { context, isLoaded, error } = restricted.snapshot();
  assert.deepEqual([context, isLoaded, error], [null, true, null]);
  restricted.stop();
});

test("every page of a long conversation is loaded, in order, with what arrives meanwhile", async () => {
  const { open, message } = sidecar();
  for (const text of ["1", "2", "3", "4", "5"]) message("user", text);
  const view = open();
  message("user", "6");
  await tick();
  assert.deepEqual(texts(view)[0], ["1", "2", "3", "4", "5", "6"]);
  view.stop();
});

test("a conversation starts at its first watcher, closes with the last and starts again", async () => {
  const { open, called, listening, filters, message, delta, status } = sidecar();
  status("running");
  const view = open();
  view.stop();
  const [one, other] = [view.watch(() => undefined), view.watch(() => undefined)];
  await tick();
  assert.ok(filters().filter((filter) => filter !== undefined).length >= 8, "only this session's notifications cross");
  delta("a1", 0, "draft");
  await tick();
  const before = view.snapshot();
  assert.equal(view.snapshot(), before, "a snapshot stays the same object");
  assert.deepEqual(texts(view), [[], ["draft"]]);
  one();
  other();
  assert.equal(listening(), 0);
  message("assistant_text", "draft", { api_message_id: "a1" });
  const loads = called.length;
  const again = view.watch(() => undefined);
  await tick();
  assert.ok(called.length > loads);
  assert.deepEqual(texts(view), [["draft"], []]);
  again();
});

test("a deleted session shows nothing, and a restored database shows what it has", async () => {
  const { open, data, send, message } = sidecar();
  message("user", "1");
  message("user", "2");
  const view = open();
  await tick();
  assert.deepEqual([view.snapshot().isLoaded, view.snapshot().isDeleted], [true, false]);
  data.messages.pop();
  data.session = { ...data.session, version: 1, title: "older" };
  send("events.resync", { reason: "The database was replaced." });
  await tick();
  assert.deepEqual([texts(view)[0], view.snapshot().session?.title], [["1"], "older"]);
  data.session = null;
  send("claude.session_deleted", { session_id: SESSION });
  await tick();
  const { session, isDeleted, messages, error } = view.snapshot();
  assert.deepEqual([session, isDeleted, messages, error], [null, true, [], null]);
  await view.reload();
  assert.equal(view.snapshot().isDeleted, true);
  view.stop();
});

test("an error reaches the watchers and is gone after a load that succeeds", async () => {
  const { open, data, state } = sidecar();
  data.failure = localError("sidecar_ended", "The sidecar has ended.");
  const view = open();
  await tick();
  assert.deepEqual([(view.snapshot().error as RpcError).kind, view.snapshot().isLoaded], ["sidecar_ended", false]);
  data.failure = null;
  state("ready");
  await view.reload();
  await tick();
  assert.deepEqual([view.snapshot().error, view.snapshot().isLoaded], [null, true]);
  view.stop();
});
