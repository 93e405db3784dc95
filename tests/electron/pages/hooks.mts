// The hooks in a page, under StrictMode, with a client that the test of hooks.test.mts scripts.  It is bundled with each
// release of React, and leaves what it has seen in `window.seen`.
import { createElement as h, StrictMode, startTransition, useState, version } from "react";
import type { ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { SidecarProvider, useConversation, useLiveList, useSidecar } from "../../../protocol/typescript/react.ts";
import { liveList } from "../../../protocol/typescript/live_list.ts";
import type { PageSidecar } from "../../../protocol/typescript/renderer.ts";

type Thing = { id: string; version: number };
type Load = { session: string; resolve: (things: Thing[]) => void; reject: (error: unknown) => void };

const listeners = new Map<string, Set<(params: any) => void>>();
const loads: Load[] = [];
const count = (name: string): number => listeners.get(name)?.size ?? 0;
const listen = (name: string, listener: (params: any) => void) => {
  listeners.set(name, (listeners.get(name) ?? new Set()).add(listener));
  return () => void listeners.get(name)?.delete(listener);
};
const emit = (name: string, params: unknown): void => [...(listeners.get(name) ?? [])].forEach((one) => one(params));
const never = (): Promise<never> => new Promise(() => undefined);
const client = {
  on: listen,
  onState: (listener: (params: any) => void) => listen("state", listener),
  state: async () => ({ status: "ready" }),
  claude: {
    sessions: {
      get: async ({ session_id }: any) => ({ session_id, version: 1, status: "running", title: session_id }),
    },
    messages: { list: async () => ({ messages: [], next_cursor: null }) },
    permissions: { list: async () => ({ requests: [] }) },
  },
  jobs: { list: never },
} as unknown as PageSidecar;

const optionsFor = (session: string) => ({
  load: () => new Promise<Thing[]>((resolve, reject) => void loads.push({ session, resolve, reject })),
  key: ({ id }: Thing) => id,
  version: ({ version }: Thing) => version,
  changes: { "jobs.updated": ({ job }: any) => ({ put: job as Thing }) },
});
const shared = liveList<Thing>(client, optionsFor("shared"));
const shown = (things: readonly Thing[]): string => things.map(({ id, version }) => id + version).join();

/** What the last finished render of each component had. */
const text = (): string => document.body.textContent ?? "";
const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
const until = async (what: string): Promise<void> => {
  while (!text().includes(what)) await tick();
};
const begun = async (session: string): Promise<void> => {
  while (!loads.some((load) => load.session === session)) await tick();
};
/** Completes the loads of a session, also later ones, until the page shows what they return. */
const load = async (session: string, things: Thing[]): Promise<void> => {
  while (!text().includes(`${session}: ${shown(things)};`)) {
    for (const own of loads.filter((one) => one.session === session)) {
      loads.splice(loads.indexOf(own), 1);
      own.resolve(things);
    }
    await tick();
  }
};
const torn: string[] = [];
let setView: (view: string) => void = () => undefined;

function Own({ session }: { session: string }): ReactNode {
  const { items, isLoaded, error } = useLiveList<Thing>(() => optionsFor(session), [session]);
  return h("p", null, `own ${session}: ${error === null ? shown(items) : String(error)}${isLoaded ? "" : " loading"};`);
}

/** Slow, so that a change arrives between the rendering of two of them. */
function Shared({ name }: { name: string }): ReactNode {
  const { items } = useLiveList(shared);
  for (const end = performance.now() + 3; performance.now() < end;);
  return h("p", { "data-shared": shown(items) }, `${name}: ${shown(items)};`);
}

function Talk({ session }: { session: string | null }): ReactNode {
  const { drafts, session: found } = useConversation(session);
  return h("p", null, `talk ${found?.title ?? "none"}: ${drafts.map((draft) => draft.text).join()};`);
}

function Status(): ReactNode {
  const { state, client: own } = useSidecar();
  return h("p", null, `status ${state?.status ?? "unknown"} ${own === client};`);
}

function App(): ReactNode {
  const [view, set] = useState("own:a");
  setView = set;
  const [kind, value = ""] = view.split(":");
  if (kind === "own") return h(Own, { session: value });
  if (kind === "shared") return Array.from({ length: 20 }, (_, name) => h(Shared, { key: name, name: String(name) }));
  if (kind === "talk") return h(Talk, { session: value === "" ? null : value });
  return kind === "status" ? h(Status) : null;
}

async function run(): Promise<unknown> {
  const seen: Record<string, unknown> = { react: version };
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  root.render(h(StrictMode, null, h(SidecarProvider, { client }, h(App))));
  await begun("a");
  seen["strict"] = [count("jobs.updated"), loads.length];
  emit("jobs.updated", { job: { id: "x", version: 2 } });
  await load("a", [{ id: "x", version: 2 }]);

  // Other params while a load is running, whose result must not be shown.
  setView("own:b");
  await begun("b");
  setView("own:c");
  await begun("c");
  loads.splice(0, 1)[0]?.resolve([{ id: "late", version: 1 }]);
  await load("c", [{ id: "c", version: 1 }]);
  seen["changed"] = [text(), count("jobs.updated")];

  // Unmounted during a load, which then fails.
  setView("own:d");
  await begun("d");
  setView("none");
  while (text() !== "") await tick();
  loads.splice(0).forEach(({ reject }) => reject(new Error("unmounted")));
  await tick();
  seen["unmounted"] = [count("jobs.updated"), count("events.resync")];

  // One list for many components, rendered in a transition, with changes in between.
  const observer = new MutationObserver(() => {
    const values = new Set(
      [...document.querySelectorAll("[data-shared]")].map((one) => one.getAttribute("data-shared")),
    );
    if (values.size > 1) torn.push([...values].join(" | "));
  });
  observer.observe(document.body, { childList: true, subtree: true, attributes: true });
  startTransition(() => setView("shared"));
  for (let version = 1; version <= 5; version += 1) {
    await tick();
    emit("jobs.updated", { job: { id: "s", version } });
  }
  await until("19:");
  await begun("shared");
  loads.splice(0).forEach(({ resolve }) => resolve([{ id: "s", version: 5 }]));
  for (let version = 6; version <= 9; version += 1) {
    emit("jobs.updated", { job: { id: "s", version } });
    await tick();
  }
  await until("19: s9;");
  observer.disconnect();
  seen["shared"] = [torn, count("jobs.updated"), text().match(/s9/g)?.length];

  setView("talk:s1");
  await until("talk s1");
  emit("claude.delta", { session_id: "s1", job_id: "j", message_id: "m", offset: 0, text: "Hello" });
  await until("talk s1: Hello;");
  setView("talk:s2");
  await until("talk s2");
  emit("claude.delta", { session_id: "s1", job_id: "j", message_id: "m", offset: 5, text: " you" });
  emit("claude.delta", { session_id: "s2", job_id: "j", message_id: "n", offset: 0, text: "Other" });
  await until("talk s2: Other;");
  setView("talk:");
  await until("talk none: ;");
  seen["talk"] = count("claude.delta");

  setView("status");
  await until("status ready true;");
  emit("state", { status: "restarting" });
  await until("status restarting true;");
  root.unmount();
  seen["left"] = [...listeners].filter(([, set]) => set.size > 0).map(([name]) => name);
  return seen;
}

Object.assign(globalThis, { run });
