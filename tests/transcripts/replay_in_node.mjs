// Replays a transcript to a client that sends the recorded requests: replay_in_node.mjs MODULE TRANSCRIPT PACE
// Prints the received messages as one JSON array.
import { readFileSync } from "node:fs";

const [module, path, pace] = process.argv.slice(2);
const { ReplayTransport } = await import(module);
const text = readFileSync(path, "utf8");
const received = [];
const decoder = new TextDecoder();
const onData = (chunk) => {
  for (const line of decoder.decode(chunk).split("\n").slice(0, -1)) received.push(JSON.parse(line));
};
const replay = new ReplayTransport(text, onData, { pace });
const lines = text
  .split("\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line));
const end = lines.findIndex((line) => line.eof);
const expected = lines
  .slice(0, end < 0 ? undefined : end)
  .filter((line) => line.dir === "s2c" && line.msg !== undefined).length;
for (const line of lines) {
  if (line.dir === "c2s" && line.msg !== undefined) replay.send(`${JSON.stringify(line.msg)}\n`);
  else if (line.raw !== undefined) replay.send(`${Buffer.from(line.raw, "base64").toString()}\n`);
}
const until = Date.now() + 20_000;
while (received.length < expected && Date.now() < until) {
  await new Promise((resolve) => setTimeout(resolve, 5));
}
replay.close();
console.log(JSON.stringify(received));
