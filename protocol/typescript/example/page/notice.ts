// What went wrong, in words that help: the error's text, its hint, and a way to try again.
import { RpcError } from "sidecar-electron/renderer";
import { button, h } from "./dom.ts";

export interface Problem {
  message: string;
  hint: string | null;
}

export function problemOf(error: unknown): Problem {
  if (error instanceof RpcError) return { message: error.message, hint: error.data.hint ?? firstDetail(error) };
  return { message: error instanceof Error ? error.message : String(error), hint: null };
}

/** Of refused params: what is wrong with the first of them. */
function firstDetail({ data: { details } }: RpcError): string | null {
  const [first] = Array.isArray(details) ? details : [];
  return typeof first?.message === "string" ? `${first.path}: ${first.message}` : null;
}

/** A box that says it. */
export function notice(problem: Problem, retry?: () => unknown): HTMLElement {
  return h(
    "div",
    { class: "notice", role: "alert" },
    h("p", { class: "notice-message" }, problem.message),
    problem.hint !== null && h("p", { class: "notice-hint" }, problem.hint),
    retry !== undefined && button("Try again", retry, { class: "plain" }),
  );
}

/** A place for one notice: `tell` shows an error there, `attempt` that of what it runs. */
export class NoticeArea {
  readonly element = h("div", { class: "notice-place" });

  tell(error: unknown): void {
    this.element.replaceChildren(notice(problemOf(error)));
  }

  clear(): void {
    this.element.replaceChildren();
  }

  /** Undefined where it failed. */
  async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    this.clear();
    try {
      return await work();
    } catch (error) {
      this.tell(error);
      return undefined;
    }
  }
}
