// A unified diff of lines with some context, folded where it is long.
import { structuredPatch } from "diff";
import { button, fill, h } from "./dom.ts";
import { counted } from "./format.ts";

const CONTEXT_LINES = 3;
/** Further lines are shown on request. */
const SHOWN_LINES = 60;
/** Texts that differ too much to be compared in this time are shown as removed and added. */
const TIMEOUT_MS = 300;

/** The lines of two texts: those that both have begin with a space, removed ones with `-`, added ones with `+`. */
export function diffView(before: string, after: string): HTMLElement {
  const lines = unified(before, after);
  const [added, removed] = ["+", "-"].map((sign) => lines.filter((line) => line.startsWith(sign)).length);
  const label = `${counted(added ?? 0, "line")} added, ${counted(removed ?? 0, "line")} removed`;
  const element = h("div", { class: "diff", role: "group", "aria-label": label });
  const show = (limit: number): void => {
    const rest = lines.length - limit;
    const code = h("pre", {}, ...lines.slice(0, limit).map(lineOf));
    const more = (): void => {
      show(lines.length);
      element.querySelector("pre")?.focus();
    };
    code.tabIndex = 0; // long lines are scrolled
    fill(element, code, rest > 0 && button(`Show ${counted(rest, "more line")}`, more, { class: "quiet-button" }));
  };
  show(lines.length > SHOWN_LINES * 1.25 ? SHOWN_LINES : lines.length);
  return element;
}

function unified(before: string, after: string): string[] {
  if (before === "" || after === "") return [...signed("-", before), ...signed("+", after)];
  const patch = structuredPatch("", "", before, after, "", "", { context: CONTEXT_LINES, timeout: TIMEOUT_MS });
  if (patch === undefined) return [...signed("-", before), ...signed("+", after)];
  const lines: string[] = [];
  let next = 1;
  for (const { oldStart, oldLines, lines: hunk } of patch.hunks) {
    lines.push(...skipped(oldStart - next), ...hunk.filter((line) => !line.startsWith("\\")));
    next = oldStart + oldLines;
  }
  return [...lines, ...skipped(signed(" ", before).length + 1 - next)];
}

const skipped = (count: number): string[] => (count > 0 ? [`@${counted(count, "unchanged line")}`] : []);

/** Returns the lines of a text, each after a sign. */
function signed(sign: string, text: string): string[] {
  if (text === "") return [];
  return text.replace(/\n$/, "").split("\n").map((line) => sign + line); // prettier-ignore
}

function lineOf(line: string): HTMLElement {
  switch (line[0]) {
    case "+":
      return h("ins", {}, line);
    case "-":
      return h("del", {}, line);
    case "@":
      return h("span", { class: "diff-skipped" }, line.slice(1));
    default:
      return h("span", {}, line);
  }
}
