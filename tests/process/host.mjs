// Uses a sidecar in plain Node as an Electron main process does: spawn, call, listen, cancel, quit.
// Arguments: the Python interpreter and the prompts {answered, cancelled, left} as JSON.  Prints a report as JSON.
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";

const [python, prompts] = process.argv.slice(2);
const { answered, cancelled, left } = JSON.parse(prompts);
const TIMEOUT_MS = 100_000;

const child = spawn(python, ["-m", "sidecar"], { stdio: ["pipe", "pipe", "inherit"] });
const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve({ code, signal })));
const notifications = [];
const pending = new Map();
let wake = () => {};
let lastId = 0;

createInterface({ input: child.stdout }).on("line", (line) => {
  const message = JSON.parse(line);
  if ("method" in message) notifications.push(message);
  else pending.get(message.id)(message);
  wake();
});

function call(method, params = {}) {
  const id = (lastId += 1);
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
  return new Promise((resolve, reject) =>
    pending.set(id, ({ result, error }) => (error ? reject(new Error(JSON.stringify(error))) : resolve(result))),
  );
}

async function until(what, find) {
  const deadline = Date.now() + TIMEOUT_MS;
  for (;;) {
    const found = notifications.find(find);
    if (found) return found.params;
    const changed = new Promise((resolve) => (wake = resolve));
    const timer = new Promise((_, reject) =>
      setTimeout(() => reject(new Error(`no ${what}: ${JSON.stringify(notifications.slice(-3))}`)), deadline - Date.now()).unref(),
    );
    await Promise.race([changed, timer]);
  }
}

const job = (jobId, ...statuses) =>
  until(`${statuses} job`, ({ method, params }) =>
    method === "jobs.updated" && params.job.job_id === jobId && statuses.includes(params.job.status),
  ).then(({ job }) => job);
const delta = (jobId) =>
  until("claude.delta", ({ method, params }) => method === "claude.delta" && params.job_id === jobId);
const deltas = (jobId) => notifications.filter(({ method, params }) => method === "claude.delta" && params.job_id === jobId);

// Returns the process ids of a process and its descendants from /proc.
function processTree(root) {
  const parents = new Map();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // the process has ended meanwhile
    }
  }
  const found = [root];
  for (const pid of found) for (const [one, parent] of parents) if (parent === pid) found.push(one);
  return found;
}

const initialized = await call("initialize", {
  protocol_version: 1,
  client_info: { name: "host.mjs", version: "1" },
  process_id: process.pid,
});

const first = await call("claude.spawn", answered);
const finished = await job(first.job_id, "succeeded", "failed");
const receivedDeltas = deltas(first.job_id).map(({ params }) => params);

const second = await call("claude.spawn", cancelled);
await delta(second.job_id);
const cancelling = await call("jobs.cancel", { job_id: second.job_id });
const stopped = await job(second.job_id, "cancelled", "failed", "succeeded");

const third = await call("claude.spawn", left);
await delta(third.job_id);
const pids = processTree(child.pid);
child.stdin.end();
const exit = await ended;

const report = {
  initialized,
  first,
  finished,
  deltas: receivedDeltas,
  cancelling,
  stopped,
  cancelled_deltas: deltas(second.job_id).length,
  left_job: third.job_id,
  pids,
  exit,
  methods: [...new Set(notifications.map(({ method }) => method))].sort(),
};
console.log(JSON.stringify(report));
