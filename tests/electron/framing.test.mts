import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { LineSplitter } from "../../protocol/typescript/framing.ts";

function split(chunks: Iterable<Uint8Array>, limit?: number) {
  const [lines, dropped]: [string[], number[]] = [[], []];
  const splitter = new LineSplitter(
    (line) => lines.push(line),
    (bytes) => dropped.push(bytes),
    limit,
  );
  for (const chunk of chunks) splitter.push(chunk);
  return { lines, dropped, unfinished: splitter.unfinished };
}

const bytes = (text: string): Uint8Array => Buffer.from(text, "utf-8");

test("lines are the same however the bytes are divided into chunks", () => {
  const text = '{"a":"ü 数据 \u{1f600}"}\n\n{"b":1}\r\nrest';
  const whole = split([bytes(text)]);
  assert.deepEqual(whole, { lines: ['{"a":"ü 数据 \u{1f600}"}', "", '{"b":1}\r'], dropped: [], unfinished: 4 });
  assert.deepEqual(split([...bytes(text)].map((byte) => Uint8Array.of(byte))), whole);
});

test("only the byte 0x0A ends a line, no other line separator of Unicode", () => {
  assert.deepEqual(split([bytes("one\u2028two\u2029three\u0085four\vfive\n")]).lines.length, 1);
});

test("an invalid byte is replaced and a byte order mark is dropped", () => {
  assert.deepEqual(split([Uint8Array.of(0xef, 0xbb, 0xbf, 0x61, 0xff, 0x0a)]).lines, ["a\ufffd"]);
});

test("a line over the limit is dropped and the next line is read", () => {
  const { lines, dropped } = split([bytes("123"), bytes("456\nok\n1234"), bytes("5\n12345\n123456\n")], 5);
  assert.deepEqual(
    [lines, dropped],
    [
      ["ok", "12345", "12345"],
      [6, 6],
    ],
  );
});

test("a line of 20 MB is read from a pipe", async () => {
  const size = 20_000_000;
  const script = `process.stdout.write("x".repeat(${size}) + "\\nnext\\n")`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  let chunks = 0;
  const lines: string[] = [];
  const splitter = new LineSplitter(
    (line) => lines.push(line),
    () => assert.fail("the line was dropped"),
  );
  child.stdout.on("data", (chunk: Buffer) => {
    chunks += 1;
    splitter.push(chunk);
  });
  await once(child, "close");
  assert.deepEqual(
    lines.map((line) => line.length),
    [size, 4],
  );
  assert.ok(chunks > 100, "the line was read in one chunk");
});
