// A list that stays up to date: a snapshot, then every change, and a new snapshot after changes were missed.
//
// Responses may overtake notifications, so of two states of an item the one with the higher `version` wins.
import type { EventName, NotificationSource } from "./calls.ts";
import type { Notifications } from "./contract.ts";
import type { EventFilter } from "./event_filter.ts";
import type { SidecarState } from "./state.ts";
import { Watchers } from "./watchers.ts";

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
  /** Restricts the notifications that a window receives for this list; `changes` must still tell others apart. */
  filter?: EventFilter;
  /** The order of the items; by default that of the snapshot, with new items last. */
  compare?: (one: Item, other: Item) => number;
  /** Returns whether the list contains an item; an item is removed once this returns false. */
  keep?: (item: Item) => boolean;
  /** The maximum number of items; the first ones in order are kept. */
  limit?: number;
}

/** What a list shows.  The object stays the same until something changes. */
export interface LiveListSnapshot<Item> {
  items: readonly Item[];
  /** Whether a snapshot was loaded. */
  isLoaded: boolean;
  /** The error of the last load, or null if it succeeded.  A failed load is retried once the sidecar is ready. */
  error: unknown;
}

/**
 * A list for a view.  It is a Svelte store; in React use `useLiveList`, or `useSyncExternalStore` with `watch` and
 * `items`.
 *
 * It listens and loads while it has watchers: from the first one until the last one leaves.  Its items stay, so that a
 * view which is shown again begins with them, and a new snapshot is loaded.
 */
export interface LiveList<Item> {
  /** Returns the items; the array is the same until something changes. */
  items(): readonly Item[];
  snapshot(): LiveListSnapshot<Item>;
  readonly isLoaded: boolean;
  readonly error: unknown;
  /** Calls the listener after changes, at most once per tick of the event loop.  Returns a function that removes it. */
  watch(listener: () => void): () => void;
  /** Like `watch`, but the listener receives the items, and is also called at once. */
  subscribe(listener: (items: readonly Item[]) => void): () => void;
  /** Loads a snapshot; resolves once that has succeeded or failed. */
  reload(): Promise<void>;
  /** Removes all watchers.  A later one starts the list again. */
  close(): void;
}

/** A source of notifications, with the sidecar's state.  Only pages apply the filter. */
export interface LiveSource extends NotificationSource {
  on<Name extends EventName>(
    name: Name,
    listener: (params: Notifications[Name]) => void,
    filter?: EventFilter,
  ): () => void;
  onState(listener: (state: SidecarState) => void): () => void;
}

/** The snapshot of a list that has loaded nothing yet. */
export const NOTHING_LOADED: LiveListSnapshot<never> = Object.freeze({
  items: Object.freeze([]),
  isLoaded: false,
  error: null,
});

/** Creates a list, which starts at its first watcher. */
export function liveList<Item>(source: LiveSource, options: LiveListOptions<Item>): LiveList<Item> {
  return new SnapshotList(source, options);
}

class SnapshotList<Item> implements LiveList<Item> {
  readonly #source: LiveSource;
  readonly #options: LiveListOptions<Item>;
  readonly #items = new Map<string, Item>();
  /** The keys of items that changed while a snapshot is being loaded; they are newer than the snapshot. */
  #touched: Set<string> | null = null;
  /** Whether the versions of items may be those of a database that was replaced, so that they do not count. */
  #isOutdated = false;
  #shown: LiveListSnapshot<Item> = NOTHING_LOADED;
  #isLoaded = false;
  #error: unknown = null;
  #loading: Promise<void> | null = null;
  #reloads = 0;
  /** How many times the list has started to listen. */
  #starts = 0;
  readonly #watchers = new Watchers({ start: () => this.#start(), stop: () => this.#stop(), show: () => this.#show() });
  readonly watch = this.#watchers.watch;
  readonly close = this.#watchers.close;
  readonly #unsubscribes: Array<() => void> = [];

  constructor(source: LiveSource, options: LiveListOptions<Item>) {
    this.#source = source;
    this.#options = options;
  }

  readonly items = (): readonly Item[] => this.#shown.items;

  readonly snapshot = (): LiveListSnapshot<Item> => this.#shown;

  get isLoaded(): boolean {
    return this.#shown.isLoaded;
  }

  get error(): unknown {
    return this.#shown.error;
  }

  readonly subscribe = (listener: (items: readonly Item[]) => void): (() => void) => {
    listener(this.items());
    return this.watch(() => listener(this.items()));
  };

  /** A call during a load causes another load after it, since the current one may have read an older state. */
  readonly reload = async (): Promise<void> => {
    this.#reloads += 1;
    this.#loading ??= this.#load();
    await this.#loading;
  };

  #start(): void {
    // What happened since the last watcher left is unknown.
    this.#starts += 1;
    this.#isOutdated = true;
    try {
      // Listen before loading, so that no change in between is missed.
      for (const [name, change] of Object.entries(this.#options.changes))
        this.#listen(name as EventName, (params) => this.#apply((change as (params: unknown) => Change<Item>)(params)));
      this.#listen("events.resync", () => {
        this.#isOutdated = true;
        void this.reload();
      });
      const retry = ({ status }: SidecarState): void => {
        if (status === "ready" && this.#error !== null) void this.reload();
      };
      this.#unsubscribes.push(this.#source.onState(retry));
    } catch (error) {
      this.#stop(); // the page may not listen to one of the notifications
      this.#error = error;
      this.#watchers.changed();
      return;
    }
    void this.reload();
  }

  #stop(): void {
    this.#unsubscribes.splice(0).forEach((unsubscribe) => unsubscribe());
  }

  #listen(name: EventName, listener: (params: unknown) => void): void {
    const { filter } = this.#options;
    this.#unsubscribes.push(
      filter === undefined ? this.#source.on(name, listener) : this.#source.on(name, listener, filter),
    );
  }

  async #load(): Promise<void> {
    for (let done = 0; done !== this.#reloads;) {
      done = this.#reloads;
      const starts = this.#starts;
      this.#touched = new Set();
      try {
        const loaded = await this.#options.load();
        if (starts !== this.#starts) continue; // it may be older than a change that was missed in between
        this.#replace(loaded, this.#touched);
        this.#isOutdated &&= done !== this.#reloads;
        this.#isLoaded = true;
        this.#error = null;
      } catch (error) {
        this.#error = error;
      }
    }
    this.#touched = null;
    this.#loading = null;
    this.#watchers.changed();
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
    this.#watchers.changed();
  }

  /** Returns whether the known state is newer than the snapshot's. */
  #wins(known: Item, loaded: Item, isTouched: boolean): boolean {
    const { version } = this.#options;
    if (version === undefined) return isTouched;
    return (isTouched || !this.#isOutdated) && version(known) > version(loaded);
  }

  #apply(change: Change<Item>): void {
    if (change === null) return;
    const { key, version, keep } = this.#options;
    if ("drop" in change) {
      this.#touched?.add(change.drop);
      if (this.#items.delete(change.drop)) this.#watchers.changed();
      return;
    }
    const item = change.put;
    const known = this.#items.get(key(item));
    const counts = !this.#isOutdated || this.#touched?.has(key(item)) === true;
    if (known !== undefined && counts && version !== undefined && version(item) <= version(known)) return;
    this.#touched?.add(key(item));
    if (keep?.(item) ?? true) this.#items.set(key(item), item);
    else if (!this.#items.delete(key(item))) return;
    this.#watchers.changed();
  }

  #show(): void {
    const { compare, limit = Infinity } = this.#options;
    const all = [...this.#items.values()];
    if (compare !== undefined) all.sort(compare);
    const items = Object.freeze(all.slice(0, limit));
    this.#shown = Object.freeze({ items, isLoaded: this.#isLoaded, error: this.#error });
    // Items beyond the limit receive no changes and would be outdated if they were shown later.
    if (all.length > limit) {
      for (const item of all.slice(limit)) this.#items.delete(this.#options.key(item));
    }
  }
}
