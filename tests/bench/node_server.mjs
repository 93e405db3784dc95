// A baseline: Node's readline, JSON and node:sqlite over the same tables, the counterpart of baseline_server.py.
//
// Run as `node node_server.mjs DATABASE`; node:sqlite needs Node 22.13 or newer.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";

const database = new DatabaseSync(process.argv[2]);
database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
if (database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get().tables === 0) {
  database.exec(readFileSync(new URL("../../schema/migrations/0001_initial.sql", import.meta.url), "utf8"));
}

const JOB =
  "SELECT job_id, type, status, created_at, updated_at, progress, message, payload_json, result_json, error_json FROM jobs";
const selectJob = database.prepare(`${JOB} WHERE job_id = ?`);
const selectJobs = database.prepare(`${JOB} ORDER BY rowid DESC LIMIT ?`);
const selectEvents = database.prepare("SELECT * FROM activity_events ORDER BY event_ts DESC, event_id DESC LIMIT ?");
const countJobs = database.prepare("SELECT count(*) AS jobs FROM jobs");
const insertJob = database.prepare(
  "INSERT INTO jobs (job_id, type, status, created_at, updated_at, payload_json) VALUES (?, ?, ?, ?, ?, ?)",
);
const insertLine = database.prepare(
  "INSERT INTO job_events (event_id, job_id, created_at, level, message) VALUES (?, ?, ?, ?, ?)",
);
const [begin, commit] = ["BEGIN IMMEDIATE", "COMMIT"].map((sql) => database.prepare(sql));

const parsed = (text) => (text === null ? null : JSON.parse(text));

function job({ payload_json, result_json, error_json, ...columns }) {
  return { ...columns, payload: parsed(payload_json), result: parsed(result_json), error: parsed(error_json) };
}

function createJob({ type, payload = {} }) {
  const now = new Date().toISOString();
  const id = randomBytes(16).toString("hex");
  begin.run();
  insertJob.run(id, type, "queued", now, now, JSON.stringify(payload));
  insertLine.run(randomBytes(16).toString("hex"), id, now, "info", "queued");
  commit.run();
  return { job: job(selectJob.get(id)), deduplicated: false };
}

const listJobs = (limit) => selectJobs.all(limit).map(job);
const events = () => ({ epoch: "node", oldest_seq: 1, latest_seq: countJobs.get().jobs, resume: "ok" });

const handlers = {
  initialize: () => ({ protocol_version: 1, events: events() }),
  "system.health": () => ({ status: "ok", version: "0", checks: [] }),
  "events.replay": () => ({ events: [], truncated: false, ...events() }),
  "jobs.create": createJob,
  "jobs.get": ({ job_id }) => job(selectJob.get(job_id)),
  "jobs.list": ({ limit = 50 }) => ({ jobs: listJobs(limit), next_cursor: null }),
  "activity.events.list": ({ limit }) => ({ events: selectEvents.all(limit), next_cursor: null }),
};

const write = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");

function replay() {
  let seq = 0;
  for (const each of listJobs(-1).reverse()) {
    write({ method: "jobs.updated", params: { seq: ++seq, at: each.updated_at, job: each } });
  }
}

createInterface({ input: process.stdin, crlfDelay: Infinity }).on("line", (line) => {
  const { id, method, params = {} } = JSON.parse(line);
  write({ id, result: handlers[method]?.(params) ?? {} });
  if (method === "initialize" && "resume" in params) replay();
});
