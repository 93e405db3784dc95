// The sidecar's state as a view reads it: known from the first watcher on, and shared by all views of a page.
import type { LiveSource } from "./live_list.ts";
import type { SidecarState } from "./state.ts";

/** The object stays the same until something changes. */
export interface SidecarStatus {
  /** Null until it is known. */
  state: SidecarState | null;
  /** Why the state cannot be read, for example because this page may not use the sidecar; otherwise null. */
  error: unknown;
}

export interface SidecarStatusStore {
  snapshot(): SidecarStatus;
  watch(listener: () => void): () => void;
}

/** The client of a page. */
export type StateSource = Pick<LiveSource, "onState"> & { state(): Promise<SidecarState> };

export const UNKNOWN_STATUS: SidecarStatus = Object.freeze({ state: null, error: null });

const stores = new WeakMap<StateSource, SidecarStatusStore>();

/** Returns the store of a client, which listens while it has watchers. */
export function sidecarStatus(source: StateSource): SidecarStatusStore {
  const known = stores.get(source);
  if (known !== undefined) return known;
  const store = createStore(source);
  stores.set(source, store);
  return store;
}

function createStore(source: StateSource): SidecarStatusStore {
  const watchers = new Set<() => void>();
  let shown = UNKNOWN_STATUS;
  let stop: () => void = () => undefined;
  const show = (status: SidecarStatus): void => {
    shown = Object.freeze(status);
    for (const watcher of [...watchers]) queueMicrotask(() => void (watchers.has(watcher) && watcher()));
  };
  const start = (): void => {
    let isCurrent = true;
    const read = (status: SidecarStatus): void => void (isCurrent && show(status));
    const unsubscribe = source.onState((state) => {
      isCurrent = false; // a state that is read now is older
      show({ state, error: null });
    });
    source.state().then(
      (state) => read({ state, error: null }),
      (error: unknown) => read({ state: null, error }),
    );
    stop = () => {
      isCurrent = false;
      unsubscribe();
    };
  };
  return {
    snapshot: () => shown,
    watch(listener) {
      const own = (): void => listener();
      watchers.add(own);
      if (watchers.size === 1) start();
      return () => void (watchers.delete(own) && watchers.size === 0 && stop());
    },
  };
}
