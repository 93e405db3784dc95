// A list that stays right: a snapshot, then every change, and another snapshot where changes were missed.
//
// Answers may overtake notifications, so of two states of one thing the one with the higher `version` wins, whichever
// came first.
import type { EventName, NotificationSource } from "./calls.ts";
import type { Notifications } from "./contract.ts";
import type { SidecarState } from "./state.ts";

/** A change: a new state of one item, or the key of one that is gone. */
export type Change<Item> = { put: Item } | { drop: string } | null;

export interface LiveListOptions<Item> {
  /** Fetches all of it: `() => sidecar.jobs.list({limit: 50}).then(({jobs}) => jobs)`. */
  load: () => Promise<readonly Item[]>;
  key: (item: Item) => string;
  /** Rises with every change of an item; `(item) => item.version` where there is one. */
  version?: (item: Item) => number;
  /** What each notification changes; null: nothing of this list. */
  changes: { readonly [Name in EventName]?: (params: Notifications[Name]) => Change<Item> };
  /** The order; that of the snapshot, new ones last, unless given. */
  compare?: (one: Item, other: Item) => number;
  /** Whether an item belongs here; one that no longer does leaves. */
  keep?: (item: Item) => boolean;
  /** No more than these are kept, the first in order. */
  limit?: number;
}

/** What a view needs.  It fits Svelte's stores as it is, and React's `useSyncExternalStore(list.watch, list.items)`. */
export interface LiveList<Item> {
  /** The same array until something changes. */
  items(): readonly Item[];
  /** Whether a snapshot has arrived. */
  readonly isLoaded: boolean;
  /** Why the last snapshot could not be fetched; null: it could.  It is tried again once the sidecar is ready. */
  readonly error: unknown;
  /** Hears of every change, once a turn.  Returns what ends it. */
  watch(listener: () => void): () => void;
  /** Like `watch`, with the items, and called at once. */
  subscribe(listener: (items: readonly Item[]) => void): () => void;
  /** Fetches a snapshot; resolves once it is in, or has failed. */
  reload(): Promise<void>;
  close(): void;
}

type From = NotificationSource & { onState(listener: (state: SidecarState) => void): () => void };

/** Starts to listen and to load. */
export function liveList<Item>(source: From, options: LiveListOptions<Item>): LiveList<Item> {
  return new Live(source, options);
}

class Live<Item> implements LiveList<Item> {
  readonly #options: LiveListOptions<Item>;
  readonly #items = new Map<string, Item>();
  /** What notifications said while a snapshot was on its way: it is newer than the snapshot. */
  #touched: Set<string> | null = null;
  #shown: readonly Item[] = [];
  #isLoaded = false;
  #error: unknown = null;
  #loading: Promise<void> | null = null;
  #reloads = 0;
  #isTelling = false;
  #isClosed = false;
  readonly #watchers = new Set<() => void>();
  readonly #ends: Array<() => void> = [];

  constructor(source: From, options: LiveListOptions<Item>) {
    this.#options = options;
    // Listening comes before loading: what changes in between is then heard.
    for (const [name, change] of Object.entries(options.changes)) {
      this.#ends.push(
        source.on(name as EventName, (params) => this.#apply((change as (params: unknown) => Change<Item>)(params))),
      );
    }
    this.#ends.push(source.on("events.resync", () => void this.reload()));
    this.#ends.push(source.onState(({ status }) => void (status === "ready" && this.#error !== null && this.reload())));
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

  /** One at a time; one that is asked for meanwhile follows, since the first may have been read too early. */
  readonly reload = async (): Promise<void> => {
    this.#reloads += 1;
    this.#loading ??= this.#load();
    await this.#loading;
  };

  readonly close = (): void => {
    this.#isClosed = true;
    this.#ends.splice(0).forEach((end) => end());
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
      if (known === undefined && isTouched) continue; // it has gone meanwhile
      order.set(id, known !== undefined && this.#wins(known, item, isTouched) ? known : item);
    }
    for (const [known, item] of this.#items) if (!order.has(known)) order.set(known, item);
    this.#items.clear();
    for (const [known, item] of order) this.#items.set(known, item);
    this.#changed();
  }

  /** Whether what is known is newer than the snapshot. */
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
    if (this.#isTelling || this.#isClosed) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      this.#show();
      for (const watcher of [...this.#watchers]) queueMicrotask(watcher); // each by itself: one that throws is alone
    });
  }

  #show(): void {
    const { compare, limit = Infinity } = this.#options;
    const all = [...this.#items.values()];
    if (compare !== undefined) all.sort(compare);
    this.#shown = Object.freeze(all.slice(0, limit));
    // What falls off the end would come back out of date.
    if (all.length > limit) {
      for (const item of all.slice(limit)) this.#items.delete(this.#options.key(item));
    }
  }
}
