// The choice of a conversation's model and effort, and how full its context is, in the head of the Claude panel.
import type { ClaudeContext, ClaudeModel, PageSidecar, Session } from "sidecar-electron/renderer";
import { fill, h } from "./dom.ts";
import { loadAtStarts } from "./status.ts";

export interface ModelChoice {
  readonly element: HTMLElement;
  /** Shows the choice of a conversation; null hides it. */
  show(session: Session | null): void;
  /** For example "12% of the context used"; null if nothing is known. */
  contextOf(session: Session): string | null;
}

/** `changed` is called when a context has changed, `set` with what the user has chosen. */
export function modelChoice(
  sidecar: PageSidecar,
  changed: () => void,
  set: (settings: { model?: string | null; effort?: string | null }) => void,
): ModelChoice {
  const contexts = new Map<string, ClaudeContext>();
  let models: readonly ClaudeModel[] = [];
  const model = h("select", { "aria-label": "Model", on: { change: () => set({ model: model.value || null }) } });
  const effort = h("select", { "aria-label": "Effort", on: { change: () => set({ effort: effort.value || null }) } });
  const element = h("span", { class: "model-choice", hidden: true }, model, effort);
  const load = async (): Promise<void> => {
    const status = await sidecar.claude.status({}).catch(() => null); // the choice stays as it is
    models = status?.installation?.models ?? models;
    for (const context of status?.contexts ?? [])
      if (!contexts.has(context.session_id)) contexts.set(context.session_id, context);
    changed();
  };
  sidecar.on("claude.context_updated", ({ context }) => {
    contexts.set(context.session_id, context);
    if (models.length === 0) void load();
    changed();
  });
  loadAtStarts(sidecar, load);
  return {
    element,
    show(session) {
      element.hidden = session === null || models.length === 0;
      if (session === null) return;
      const chosen = models.find((one) => one.model === session.model || one.resolved_model === session.model);
      const offered: Array<[string, string]> = models.map((one) => [one.model, one.name]);
      if (session.model !== null && chosen === undefined) offered.push([session.model, session.model]);
      offer(model, [["", "Model: as set"], ...offered], chosen?.model ?? session.model ?? "");
      const efforts = chosen?.efforts ?? models[0]?.efforts ?? [];
      effort.disabled = efforts.length === 0;
      const levels =
        session.effort === null || efforts.includes(session.effort) ? efforts : [...efforts, session.effort];
      offer(
        effort,
        [["", "Effort: as set"], ...levels.map((one): [string, string] => [one, one])],
        session.effort ?? "",
      );
    },
    contextOf(session) {
      const percentage = contexts.get(session.session_id)?.used_percentage ?? null;
      return percentage === null ? null : `${Math.max(0, Math.round(100 - percentage))}% of the context left`;
    },
  };
}

/** Fills a list, unless it shows the same already: an open list would close. */
function offer(select: HTMLSelectElement, options: Array<[string, string]>, value: string): void {
  const shown = JSON.stringify(options);
  if (select.dataset["options"] !== shown) {
    select.dataset["options"] = shown;
    fill(select, ...options.map(([key, label]) => h("option", { value: key }, label)));
  }
  if (select.value !== value) select.value = value;
}
