// Plays a transcript to somebody who says what the recorded client said: replay_in_node.mjs MODULE TRANSCRIPT PACE
// Prints what came, as one JSON array.
import { readFileSync } from "node:fs";

const [module, path, pace] = process.argv.slice(2);
const { ReplayTransport } = await import(module);
const text = readFileSync(path, "utf8");
const came = [];
const decoder = new TextDecoder();
const onData = (chunk) => {
  for (const line of decoder.decode(chunk).split("\n").slice(0, -1)) came.push(JSON.parse(line));
};
const replay = new ReplayTransport(text, onData, { pace });
const lines = text
  .split("\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line));
const end = lines.findIndex((line) => line.eof);
const owed = lines
  .slice(0, end < 0 ? undefined : end)
  .filter((line) => line.dir === "s2c" && line.msg !== undefined).length;
for (const line of lines) {
  if (line.dir === "c2s" && line.msg !== undefined) replay.send(`${JSON.stringify(line.msg)}\n`);
  else if (line.raw !== undefined) replay.send("this is no JSON\n");
}
const until = Date.now() + 20_000;
while (came.length < owed && Date.now() < until) {
  await new Promise((resolve) => setTimeout(resolve, 5));
}
replay.close();
console.log(JSON.stringify(came));
