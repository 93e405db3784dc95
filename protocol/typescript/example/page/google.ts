// Signing in with Google: the person's own browser does it, the hub waits and can be told not to.
import type { PageSidecar } from "sidecar-electron/renderer";
import { button, fill, h } from "./dom.ts";
import { NoticeArea } from "./notice.ts";

export function googleSignIn(sidecar: PageSidecar, params: { account_id?: string }, done: () => void): HTMLElement {
  const notices = new NoticeArea();
  const actions = h("div", { class: "form-actions" });
  const words = h(
    "p",
    { class: "hint" },
    "Your browser opens Google's page. The hub may read your calendars, and nothing else.",
  );
  const rest = (): void => fill(actions, button("Sign in with Google", signIn, { class: "primary" }));
  const signIn = async (): Promise<void> => {
    const controller = new AbortController();
    fill(
      actions,
      h("span", { class: "waiting", role: "status" }, "Waiting for your browser…"),
      button("Cancel", () => controller.abort(), { class: "plain" }),
    );
    notices.clear();
    try {
      await sidecar.signIn("google", params, { signal: controller.signal });
      done();
    } catch (error) {
      if (!controller.signal.aborted) notices.tell(error);
    } finally {
      rest();
    }
  };
  rest();
  return h("div", { class: "form" }, words, notices.element, actions);
}
