// What an Electron main process does with a sidecar, in plain Node: spawn, talk, listen, cancel, quit.
// Arguments: the Python to start, and the prompts {answered, cancelled, left} as JSON.  Prints a report as JSON.
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";

const [python, prompts] = process.argv.slice(2);
const { answered, cancelled, left } = JSON.parse(prompts);
const PATIENCE_MS = 100_000;

const child = spawn(python, ["-m", "sidecar"], { stdio: ["pipe", "pipe", "inherit"] });
const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve({ code, signal })));
const told = [];
const waiting = new Map();
let wake = () => {};
let number = 0;

createInterface({ input: child.stdout }).on("line", (line) => {
  const message = JSON.parse(line);
  if ("method" in message) told.push(message);
  else waiting.get(message.id)(message);
  wake();
});

function call(method, params = {}) {
  const id = (number += 1);
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
  return new Promise((resolve, reject) =>
    waiting.set(id, ({ result, error }) => (error ? reject(new Error(JSON.stringify(error))) : resolve(result))),
  );
}

async function until(what, find) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = told.find(find);
    if (found) return found.params;
    const changed = new Promise((resolve) => (wake = resolve));
    const timer = new Promise((_, reject) =>
      setTimeout(() => reject(new Error(`no ${what}: ${JSON.stringify(told.slice(-3))}`)), deadline - Date.now()).unref(),
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
const deltas = (jobId) => told.filter(({ method, params }) => method === "claude.delta" && params.job_id === jobId);

// The process ids below one of ours, read from /proc: what must be gone at the end.
function family(root) {
  const parents = new Map();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // it has ended meanwhile
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
const heard = deltas(first.job_id).map(({ params }) => params);

const second = await call("claude.spawn", cancelled);
await delta(second.job_id);
const asked = await call("jobs.cancel", { job_id: second.job_id });
const stopped = await job(second.job_id, "cancelled", "failed", "succeeded");

const third = await call("claude.spawn", left);
await delta(third.job_id);
const pids = family(child.pid);
child.stdin.end();
const exit = await ended;

const report = {
  initialized,
  first,
  finished,
  heard,
  asked,
  stopped,
  cancelled_deltas: deltas(second.job_id).length,
  left_job: third.job_id,
  pids,
  exit,
  methods: [...new Set(told.map(({ method }) => method))].sort(),
};
console.log(JSON.stringify(report));
