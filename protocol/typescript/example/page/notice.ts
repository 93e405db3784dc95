// Shows errors with their hint and a button to try again.
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

/** Returns the first problem of invalid params. */
function firstDetail({ data: { details } }: RpcError): string | null {
  const [first] = Array.isArray(details) ? details : [];
  return typeof first?.message === "string" ? `${first.path}: ${first.message}` : null;
}

/** A paragraph with a hint, in which a command between backticks is code. */
export const hintLine = (hint: string): HTMLElement => h("p", { class: "notice-hint" }, ...hintWords(hint));

export function hintWords(hint: string): Array<Node | string> {
  const parts = hint.split(/`([^`]+)`/);
  return parts.map((part, at) => (at % 2 === 0 ? part : h("code", {}, part)));
}

/** Creates a box that shows a problem. */
export function notice(problem: Problem, retry?: () => unknown): HTMLElement {
  return h(
    "div",
    { class: "notice", role: "alert" },
    h("p", { class: "notice-message" }, problem.message),
    problem.hint !== null && hintLine(problem.hint),
    retry !== undefined && button("Try again", retry, { class: "plain" }),
  );
}

/** Returns whether a call failed because the sidecar is ending or has ended, which a banner of the page says. */
export const isOfEnd = (error: unknown): boolean =>
  error instanceof RpcError && (error.kind === "sidecar_ended" || error.kind === "shutting_down");

/** The notice of a list that could not be loaded; null while there is no sidecar. */
export function listNotice(error: unknown, retry: () => unknown): HTMLElement | null {
  return error === null || isOfEnd(error) ? null : notice(problemOf(error), retry);
}

/** An area for one notice: `show` shows an error, `attempt` that of an action. */
export class NoticeArea {
  readonly element = h("div", { class: "notice-area" });

  show(error: unknown): void {
    this.element.replaceChildren(notice(problemOf(error)));
  }

  clear(): void {
    this.element.replaceChildren();
  }

  /** Runs an action; returns undefined and shows the error if it fails. */
  async attempt<T>(action: () => Promise<T>): Promise<T | undefined> {
    this.clear();
    try {
      return await action();
    } catch (error) {
      this.show(error);
      return undefined;
    }
  }
}
