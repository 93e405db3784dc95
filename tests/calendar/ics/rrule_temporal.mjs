// Expands recurrence rules with rrule-temporal, for comparison.
//
//   node rrule_temporal.mjs URL_OF_THE_MODULE < requests > answers
//
// A request is a JSON line [start, rule, last], in UTC; its answer is the JSON array of the starts up to `last`, or
// {"error": …}.
import { createInterface } from "node:readline";
import { runInThisContext } from "node:vm";

const { RRuleTemporal } = await import(process.argv[2]);
const TIMEOUT_MS = 1_000; // it searches on and on for the start of a rule that matches nothing

function expand(start, rule, last) {
  const starts = [];
  new RRuleTemporal({ rruleString: `DTSTART;TZID=UTC:${start}\nRRULE:${rule}`, maxIterations: 2_000 }).all((time) => {
    const text = time.toPlainDateTime().toString({ smallestUnit: "second" });
    if (text <= last) starts.push(text);
    return text <= last;
  });
  return starts;
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    globalThis.work = () => expand(...JSON.parse(line));
    answer = runInThisContext("work()", { timeout: TIMEOUT_MS });
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
