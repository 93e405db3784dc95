// The watchers of what a view shows: the first one starts the work for it, the last one ends it.

/** What is watched. */
export interface Watched {
  start(): void;
  stop(): void;
  /** Makes what is shown current; called before the watchers. */
  show(): void;
}

export class Watchers {
  readonly #watched: Watched;
  readonly #listeners = new Set<() => void>();
  #isNotifying = false;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  /** Adds a listener.  Returns a function that removes it. */
  readonly watch = (listener: () => void): (() => void) => {
    const own = (): void => void (this.#listeners.has(own) && listener());
    this.#listeners.add(own);
    if (this.#listeners.size === 1) this.#watched.start();
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#watched.stop();
    };
  };

  /** Removes all listeners. */
  readonly close = (): void => {
    this.#listeners.clear();
    this.#watched.stop();
  };

  /** Calls the listeners, at most once per tick of the event loop. */
  readonly changed = (): void => {
    if (this.#isNotifying) return;
    this.#isNotifying = true;
    queueMicrotask(() => {
      this.#isNotifying = false;
      this.#watched.show();
      // Separately, so that an error in one watcher does not affect the others.
      for (const listener of [...this.#listeners]) queueMicrotask(listener);
    });
  };
}
