// Plays the vectors of replay: vectors_in_node.mjs MODULE VECTOR...
// Prints {vector: what was received at each step, or the error for which the transcript was refused} as JSON.
import { readFileSync } from "node:fs";

const [module, ...paths] = process.argv.slice(2);
const { ReplayTransport } = await import(module);
const textOf = (line) => (typeof line === "string" ? line : JSON.stringify(line));
const decoder = new TextDecoder();
const PATIENCE_MS = 20_000;

async function played({ transcript, options = {}, steps }) {
  const received = [];
  const onData = (chunk) => {
    for (const line of decoder.decode(chunk).split("\n").slice(0, -1)) received.push(JSON.parse(line));
  };
  const { shift_dates: now, ...others } = options;
  const shift = now === undefined ? {} : { shiftDates: true, now: () => Date.parse(now) };
  const text = transcript.map((line) => `${textOf(line)}\n`).join("");
  const replay = new ReplayTransport(text, onData, { ...others, ...shift });
  const found = [];
  for (const { send, receive } of steps) {
    replay.send(send.map((line) => `${textOf(line)}\n`).join(""));
    const until = Date.now() + PATIENCE_MS;
    while (received.length < receive.length && Date.now() < until) await new Promise((next) => setTimeout(next));
    found.push(received.splice(0));
  }
  replay.close();
  return found;
}

const results = {};
for (const path of paths) {
  try {
    results[path] = await played(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    results[path] = String(error.message);
  }
}
console.log(JSON.stringify(results));
