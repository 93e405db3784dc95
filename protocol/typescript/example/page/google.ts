// Sign-in with Google in the user's browser; waiting for it can be cancelled.
import type { PageSidecar } from "sidecar-electron/renderer";
import { button, fill, h } from "./dom.ts";
import { NoticeArea } from "./notice.ts";

export function googleSignIn(sidecar: PageSidecar, params: { account_id?: string }, done: () => void): HTMLElement {
  const notices = new NoticeArea();
  const actions = h("div", { class: "form-actions" });
  const hint = h(
    "p",
    { class: "hint" },
    "Google's page opens in your browser. The app asks only for read access to your calendars.",
  );
  const showButton = (): void => fill(actions, button("Sign in with Google", signIn, { class: "primary" }));
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
      if (!controller.signal.aborted) notices.show(error);
    } finally {
      showButton();
    }
  };
  showButton();
  return h("div", { class: "form" }, hint, notices.element, actions);
}
