// What an answer rests on: each `[3]` leads to its row of the hub, and a number that no row has is marked.
import type { Citation, CitedRow, ClaudeMessage, PageSidecar } from "sidecar-electron/renderer";
import { h, link } from "./dom.ts";
import { clock, counted, fromIsoDay, relativeDay } from "./format.ts";

/** As in the contract: `[3]`, `[3, 5]`, also with the brackets of Chinese and Japanese. */
const CITATION = /[[\u3010\uff3b][0-9]{1,6}(?:[ \t]{0,2}[,\uff0c\u3001][ \t]{0,2}[0-9]{1,6})*[\]\u3011\uff3d]/g;
export const NO_CITATIONS: readonly Citation[] = [];
/** Elements in which nothing is a citation. */
const UNCITED = "a, code, pre";

export interface Cited {
  text: DocumentFragment;
  /** The rows, and the sentences whose source does not exist; null if nothing is cited. */
  sources: HTMLElement | null;
}

/** What the turns of a conversation cite, by their jobs.  A turn's citations exist once it has ended. */
export class TurnCitations {
  readonly #sidecar: PageSidecar;
  readonly #found = new Map<string, readonly Citation[]>();
  readonly #onFound: () => void;
  readonly #cleanups: Array<() => void>;

  constructor(sidecar: PageSidecar, onFound: () => void) {
    this.#sidecar = sidecar;
    this.#onFound = onFound;
    this.#cleanups = [
      sidecar.on("jobs.updated", ({ job }) => {
        if (this.#found.has(job.job_id) && job.finished_at !== null) void this.#load(job.job_id);
      }),
      sidecar.on("events.resync", () => [...this.#found.keys()].forEach((jobId) => void this.#load(jobId))),
    ];
  }

  /** Returns the known citations in the answer of a turn; they are loaded if it has numbers in brackets. */
  of({ job_id: jobId, text }: ClaudeMessage): readonly Citation[] {
    if (jobId === null || text.search(CITATION) < 0) return NO_CITATIONS;
    const found = this.#found.get(jobId);
    if (found === undefined) {
      this.#found.set(jobId, NO_CITATIONS);
      void this.#load(jobId);
    }
    return found ?? NO_CITATIONS;
  }

  close(): void {
    this.#cleanups.splice(0).forEach((cleanup) => cleanup());
  }

  async #load(jobId: string): Promise<void> {
    const { citations } = await this.#sidecar.claude.citations.list({ job_id: jobId }).catch(() => ({ citations: [] }));
    if (citations.length === 0) return;
    this.#found.set(jobId, citations);
    this.#onFound();
  }
}

/** Makes links of the citations in a rendered answer. */
export function cited(text: DocumentFragment, citations: readonly Citation[]): Cited {
  if (citations.length === 0) return { text, sources: null };
  const byNumber = new Map(citations.map((citation) => [citation.number, citation]));
  const entries = entriesOf(byNumber.values());
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  const nodes: Text[] = [];
  while (walker.nextNode() !== null) nodes.push(walker.currentNode as Text);
  for (const node of nodes)
    if (node.parentElement?.closest(UNCITED) == null) node.replaceWith(...pieces(node.data, byNumber, entries));
  return { text, sources: sourcesOf(citations, entries) };
}

/** The sources as a list of their own, without the text that cites them. */
export function sourceList(citations: readonly Citation[]): HTMLElement | null {
  return sourcesOf(citations, entriesOf(citations));
}

/** `2 sources, 1 missing`. */
export function sourceWords(known: number, missing: number): string {
  return [known > 0 || missing === 0 ? counted(known, "source") : null, missing > 0 ? `${missing} missing` : null]
    .filter(Boolean)
    .join(", ");
}

type Entries = ReadonlyMap<number, HTMLElement>;

function entriesOf(citations: Iterable<Citation>): Entries {
  const rows = [...citations].flatMap(({ number, row }) => (row === null ? [] : [[number, row] as const]));
  return new Map(rows.sort(([one], [other]) => one - other).map(([number, row]) => [number, entry(number, row)]));
}

/** A row in the list of sources. */
function entry(number: number, row: CitedRow): HTMLElement {
  const [title, when] = [titleOf(row), whenOf(row)];
  const name = link(row.url, title);
  name.dir = "auto";
  return h("li", { tabindex: -1 }, `[${number}] `, name, when !== null && h("span", { class: "hint" }, ` ${when}`));
}

function sourcesOf(citations: readonly Citation[], entries: Entries): HTMLElement | null {
  const missing = citations.filter(({ row }) => row === null);
  if (entries.size + missing.length === 0) return null;
  return h(
    "div",
    { class: "citations", role: "group", "aria-label": "Sources" },
    entries.size > 0 && h("ul", {}, ...entries.values()),
    ...missing.map(({ number, sentence }) =>
      h("p", { class: "citation-missing", dir: "auto" }, `Source ${number} does not exist: “${sentence ?? ""}”`),
    ),
  );
}

function pieces(text: string, byNumber: ReadonlyMap<number, Citation>, entries: Entries): Array<Node | string> {
  const made: Array<Node | string> = [];
  let position = 0;
  for (const brackets of text.matchAll(CITATION))
    for (const digits of brackets[0].matchAll(/[0-9]+/g)) {
      const start = brackets.index + digits.index;
      const citation = byNumber.get(Number(digits[0]));
      if (citation === undefined) continue;
      made.push(text.slice(position, start), mark(digits[0], citation, entries));
      position = start + digits[0].length;
    }
  return [...made, text.slice(position)];
}

function mark(digits: string, { number, row }: Citation, entries: Entries): HTMLElement {
  if (row === null)
    return h("mark", { class: "citation-missing" }, digits, h("span", { class: "unseen" }, " (no such source)"));
  const label = [`Source ${number}: ${titleOf(row)}`, whenOf(row)].filter(Boolean).join(", ");
  const found = link(row.url, digits);
  if (found instanceof HTMLAnchorElement) found.setAttribute("aria-label", label);
  else {
    const show = h("button", { type: "button", class: "citation", "aria-label": label, title: label }, digits);
    show.addEventListener("click", () => entries.get(number)?.focus());
    return show;
  }
  found.classList.add("citation");
  found.title = label;
  return found;
}

const titleOf = ({ title, issue_key: key, kind }: CitedRow): string => title ?? key ?? kind.replaceAll("_", " ");

function whenOf({ at }: CitedRow): string | null {
  if (at === null) return null;
  if (!at.includes("T")) return relativeDay(fromIsoDay(at));
  const moment = Date.parse(at);
  return Number.isNaN(moment) ? null : `${relativeDay(moment)}, ${clock(moment)}`;
}
