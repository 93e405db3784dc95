// The hooks on a server, which has no `window`: they neither connect nor load.
import { createElement as h, Fragment } from "react";
import type { ReactNode } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { useConversation, useLiveList, useSidecar } from "../../../protocol/typescript/react.ts";

const fail = (): never => {
  throw new Error("a server must not load");
};

function Status(): ReactNode {
  const { state, client } = useSidecar();
  return h("p", null, `${state?.status ?? "unknown"} ${typeof client.jobs.list === "function"}`);
}

function List(): ReactNode {
  const { items, isLoaded } = useLiveList(() => ({ load: fail, key: fail, changes: {} }), []);
  return h("p", null, `${items.length} ${isLoaded}`);
}

function Talk(): ReactNode {
  const { isLoaded, session } = useConversation("s1");
  return h("p", null, `${isLoaded} ${session?.title ?? "none"}`);
}

export const html = renderToStaticMarkup(h(Fragment, null, h(Status), h(List), h(Talk)));
