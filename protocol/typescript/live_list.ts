// A list that stays up to date: a snapshot, then every change, and a new snapshot after changes were missed.
//
// Responses may overtake notifications, so of two states of an item the one with the higher `version` wins.
import type { EventName, NotificationSource } from "./calls.ts";
import type { Notifications } from "./contract.ts";
import type { SidecarState } from "./state.ts";

/** A new state of an item, the key of a deleted item, or null for no change. */
export type Change<Item> = { put: Item } | { drop: string } | null;

export interface LiveListOptions<Item> {
  /** Fetches all items: `() => sidecar.jobs.list({limit: 50}).then(({jobs}) => jobs)`. */
  load: () => Promise<readonly Item[]>;
  key: (item: Item) => string;
  /** Returns a number that rises with every change of an item: `(item) => item.version` if it has one. */
  version?: (item: Item) => number;
  /** Returns the change that a notification means for the list, or null if it does not concern the list. */
  changes: { readonly [Name in EventName]?: (params: Notifications[Name]) => Change<Item> };
  /** The order of the items; by default that of the snapshot, with new items last. */
  compare?: (one: Item, other: Item) => number;
  /** Returns whether the list contains an item; an item is removed once this returns false. */
  keep?: (item: Item) => boolean;
  /** The maximum number of items; the first ones in order are kept. */
  limit?: number;
}

/** A list for a view.  It is a Svelte store; in React use `useSyncExternalStore(list.watch, list.items)`. */
export interface LiveList<Item> {
  /** Returns the items; the array is the same until something changes. */
  items(): readonly Item[];
  /** Whether a snapshot was loaded. */
  readonly isLoaded: boolean;
  /** The error of the last load, or null if it succeeded.  A failed load is retried once the sidecar is ready. */
  readonly error: unknown;
  /** Calls the listener after changes, at most once per tick of the event loop.  Returns a function that removes it. */
  watch(listener: () => void): () => void;
  /** Like `watch`, but the listener receives the items, and is also called at once. */
  subscribe(listener: (items: readonly Item[]) => void): () => void;
  /** Loads a snapshot; resolves once that has succeeded or failed. */
  reload(): Promise<void>;
  close(): void;
}

type StatefulSource = NotificationSource & { onState(listener: (state: SidecarState) => void): () => void };

/** Creates a list, which starts to listen and to load. */
export function liveList<Item>(source: StatefulSource, options: LiveListOptions<Item>): LiveList<Item> {
  return new SnapshotList(source, options);
}

class SnapshotList<Item> implements LiveList<Item> {
  readonly #options: LiveListOptions<Item>;
  readonly #items = new Map<string, Item>();
  /** The keys of items that changed while a snapshot is being loaded; they are newer than the snapshot. */
  #touched: Set<string> | null = null;
  #shown: readonly Item[] = [];
  #isLoaded = false;
  #error: unknown = null;
  #loading: Promise<void> | null = null;
  #reloads = 0;
  #isNotifying = false;
  #isClosed = false;
  readonly #watchers = new Set<() => void>();
  readonly #unsubscribes: Array<() => void> = [];

  constructor(source: StatefulSource, options: LiveListOptions<Item>) {
    this.#options = options;
    // Listen before loading, so that no change in between is missed.
    for (const [name, change] of Object.entries(options.changes)) {
      this.#unsubscribes.push(
        source.on(name as EventName, (params) => this.#apply((change as (params: unknown) => Change<Item>)(params))),
      );
    }
    this.#unsubscribes.push(source.on("events.resync", () => void this.reload()));
    this.#unsubscribes.push(
      source.onState(({ status }) => void (status === "ready" && this.#error !== null && this.reload())),
    );
    void this.reload();
  }

  readonly items = (): readonly Item[] => this.#shown;

  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  get error(): unknown {
    return this.#error;
  }

  readonly watch = (listener: () => void): (() => void) => {
    const own = (): void => void (this.#watchers.has(own) && listener());
    this.#watchers.add(own);
    return () => void this.#watchers.delete(own);
  };

  readonly subscribe = (listener: (items: readonly Item[]) => void): (() => void) => {
    listener(this.#shown);
    return this.watch(() => listener(this.#shown));
  };

  /** A call during a load causes another load after it, since the current one may have read an older state. */
  readonly reload = async (): Promise<void> => {
    this.#reloads += 1;
    this.#loading ??= this.#load();
    await this.#loading;
  };

  readonly close = (): void => {
    this.#isClosed = true;
    this.#unsubscribes.splice(0).forEach((unsubscribe) => unsubscribe());
    this.#watchers.clear();
  };

  async #load(): Promise<void> {
    try {
      for (let done = 0; done !== this.#reloads && !this.#isClosed;) {
        done = this.#reloads;
        this.#touched = new Set();
        this.#replace(await this.#options.load(), this.#touched);
        this.#isLoaded = true;
        this.#error = null;
      }
    } catch (error) {
      this.#error = error;
    } finally {
      this.#touched = null;
      this.#loading = null;
      this.#changed();
    }
  }

  #replace(loaded: readonly Item[], touched: ReadonlySet<string>): void {
    const { key, keep = () => true } = this.#options;
    const snapshot = loaded.filter(keep);
    const listed = new Set(snapshot.map(key));
    for (const known of [...this.#items.keys()]) {
      if (!listed.has(known) && !touched.has(known)) this.#items.delete(known);
    }
    const order = new Map<string, Item>();
    for (const item of snapshot) {
      const [id, isTouched] = [key(item), touched.has(key(item))];
      const known = this.#items.get(id);
      if (known === undefined && isTouched) continue; // it was deleted meanwhile
      order.set(id, known !== undefined && this.#wins(known, item, isTouched) ? known : item);
    }
    for (const [known, item] of this.#items) if (!order.has(known)) order.set(known, item);
    this.#items.clear();
    for (const [known, item] of order) this.#items.set(known, item);
    this.#changed();
  }

  /** Returns whether the known state is newer than the snapshot's. */
  #wins(known: Item, loaded: Item, isTouched: boolean): boolean {
    const { version } = this.#options;
    return version === undefined ? isTouched : version(known) > version(loaded);
  }

  #apply(change: Change<Item>): void {
    if (change === null) return;
    const { key, version, keep } = this.#options;
    if ("drop" in change) {
      this.#touched?.add(change.drop);
      if (this.#items.delete(change.drop)) this.#changed();
      return;
    }
    const item = change.put;
    const known = this.#items.get(key(item));
    if (known !== undefined && version !== undefined && version(item) <= version(known)) return;
    this.#touched?.add(key(item));
    if (keep?.(item) ?? true) this.#items.set(key(item), item);
    else if (!this.#items.delete(key(item))) return;
    this.#changed();
  }

  #changed(): void {
    if (this.#isNotifying || this.#isClosed) return;
    this.#isNotifying = true;
    queueMicrotask(() => {
      this.#isNotifying = false;
      this.#show();
      // Separately, so that an error in one watcher does not affect the others.
      for (const watcher of [...this.#watchers]) queueMicrotask(watcher);
    });
  }

  #show(): void {
    const { compare, limit = Infinity } = this.#options;
    const all = [...this.#items.values()];
    if (compare !== undefined) all.sort(compare);
    this.#shown = Object.freeze(all.slice(0, limit));
    // Items beyond the limit receive no changes and would be outdated if they were shown later.
    if (all.length > limit) {
      for (const item of all.slice(limit)) this.#items.delete(this.#options.key(item));
    }
  }
}
