// Measures pipelined requests from Node: child_process.spawn, Buffers split at 0x0A, responses counted but not parsed.
// Argument: JSON {command, initialize, method, window, seconds}.  Prints JSON {answers, elapsed_s, per_s}.

import { spawn } from "node:child_process";

const options = JSON.parse(process.argv[2]);
const [program, ...args] = options.command;
const server = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
const started = new Promise((resolve) => server.once("spawn", resolve));
const ended = new Promise((resolve) => server.once("exit", resolve));

const DISTINCT = 1024; // prepared requests, reused in order; more than are in flight, so that ids never collide
const request = (id, method, params) => `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`;
const prepared = Array.from({ length: DISTINCT }, (_, index) => request(index + 1, options.method, undefined));
const NOTIFICATION = Buffer.from('"method":'); // inside a JSON string, its quotes would be escaped

let onResponses = () => {};
let rest = null; // the beginning of an incomplete line

server.stdout.on("data", (chunk) => {
  let responses = 0;
  let start = 0;
  for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
    let line = chunk.subarray(start, end);
    if (rest !== null) {
      line = Buffer.concat([rest, line]);
      rest = null;
    }
    // "method" precedes the params, so that searching the head is sufficient.
    if (line.subarray(0, 40).indexOf(NOTIFICATION) < 0) responses += 1;
    start = end + 1;
  }
  if (start < chunk.length) {
    const tail = chunk.subarray(start);
    rest = rest === null ? tail : Buffer.concat([rest, tail]);
  }
  if (responses > 0) onResponses(responses);
});

function nextResponse() {
  return new Promise((resolve) => {
    onResponses = resolve;
  });
}

function measure(window, seconds) {
  return new Promise((resolve) => {
    let sent = 0;
    let received = 0;
    const begin = process.hrtime.bigint();
    const end = begin + BigInt(Math.round(seconds * 1e9));
    const send = (count) => {
      let lines = "";
      for (let index = 0; index < count; index += 1) lines += prepared[(sent + index) % DISTINCT];
      sent += count;
      server.stdin.write(lines, "latin1");
    };
    onResponses = (count) => {
      received += count;
      const now = process.hrtime.bigint();
      if (now < end) {
        send(count);
      } else if (received === sent) {
        const elapsed_s = Number(now - begin) / 1e9;
        resolve({ answers: received, elapsed_s, per_s: received / elapsed_s });
      }
    };
    send(window);
  });
}

ended.then((code) => {
  if (server.stdin.writable) {
    console.error(`the server ended with ${code}`);
    process.exit(1);
  }
});
await started;
const initialized = nextResponse();
server.stdin.write(request("hello", "initialize", options.initialize));
await initialized;
await measure(options.window, 0.05); // warm-up: V8 compiles the hot path
const result = await measure(options.window, options.seconds);
server.stdin.end();
await ended;
console.log(JSON.stringify(result));
