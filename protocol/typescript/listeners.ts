// Who listens to what.  A listener that throws harms neither the others nor the reading of the wire.

export type AnyListener = (name: string, params: unknown) => void;

/** What went wrong beside any call: a listener threw, a line was no message, an error could not be matched. */
export type OnFault = (fault: unknown) => void;

/** The default: a fault is a bug to be seen, not a reason to stop. */
export const toConsole: OnFault = (fault) => console.error("sidecar:", fault);

/** Functions by name, and those that want everything. */
export class Listeners {
  readonly #byName = new Map<string, Set<(params: never) => void>>();
  readonly #every = new Set<AnyListener>();
  readonly #onFault: OnFault;

  constructor(onFault: OnFault) {
    this.#onFault = onFault;
  }

  /** Returns what ends it; the same function may listen twice. */
  on(name: string, listener: (params: never) => void): () => void {
    const own = (params: never): void => listener(params);
    const those = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, those.add(own));
    return () =>
      void (those.delete(own) && those.size === 0 && this.#byName.get(name) === those && this.#byName.delete(name));
  }

  onAny(listener: AnyListener): () => void {
    const own: AnyListener = (name, params) => listener(name, params);
    this.#every.add(own);
    return () => void this.#every.delete(own);
  }

  emit(name: string, params: unknown): void {
    // Copies: a listener may end itself, or another.
    for (const listener of [...(this.#byName.get(name) ?? [])]) this.#guard(() => listener(params as never));
    for (const listener of [...this.#every]) this.#guard(() => listener(name, params));
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#onFault(error);
    }
  }
}
