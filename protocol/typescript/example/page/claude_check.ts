// On the screen for a new conversation: what keeps Claude from working, and what to do about it.
import type { PageSidecar } from "sidecar-electron/renderer";
import { button, fill, h, setAttribute } from "./dom.ts";
import { hintLine } from "./notice.ts";

export interface ClaudeCheck {
  readonly element: HTMLElement;
  /** Checks, unless that was done before and found no problem. */
  run(): Promise<void>;
}

/** Only asks the doctor, which takes seconds, if Claude has never worked here. */
export function claudeCheck(sidecar: PageSidecar): ClaudeCheck {
  const element = h("div", { class: "claude-check", "aria-live": "polite" });
  let isDone = false;
  const check = async (): Promise<void> => {
    const { installation } = await sidecar.claude.status({});
    const findings = installation === null ? (await sidecar.claude.doctor({})).findings : [];
    const problems = findings.filter(({ state }) => state === "problem");
    isDone = problems.length === 0;
    fill(element, !isDone && noticeOf(problems, run));
  };
  const run = async (): Promise<void> => {
    if (isDone || element.hasAttribute("aria-busy")) return;
    setAttribute(element, "aria-busy", "true");
    await check().catch(() => undefined); // the turn itself will tell
    setAttribute(element, "aria-busy", null);
  };
  sidecar.onState(({ status }) => void (status === "ready" && element.isConnected && run()));
  return { element, run };
}

function noticeOf(problems: ReadonlyArray<{ detail: string; advice: string | null }>, run: () => Promise<void>): Node {
  return h(
    "div",
    { class: "notice" },
    h("p", { class: "notice-message" }, "Claude cannot work yet."),
    ...problems.flatMap(({ detail, advice }) => [h("p", {}, detail), advice !== null && hintLine(advice)]),
    button("Check again", run, { class: "plain" }),
  );
}
