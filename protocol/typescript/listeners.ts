// Registers listeners.  An error in one of them affects neither the others nor the connection.

export type AnyListener = (name: string, params: unknown) => void;

/** Receives errors outside of calls: a listener threw, a line was not a message, a response matched no request. */
export type OnFault = (fault: unknown) => void;

/** The default handler of faults, which logs them. */
export const toConsole: OnFault = (fault) => console.error("sidecar:", fault);

/** The listeners of named notifications and those of all notifications. */
export class Listeners {
  readonly #byName = new Map<string, Set<(params: never) => void>>();
  readonly #any = new Set<AnyListener>();
  readonly #onFault: OnFault;

  constructor(onFault: OnFault) {
    this.#onFault = onFault;
  }

  /** Returns a function that removes the listener.  A function that is added twice is called twice. */
  on(name: string, listener: (params: never) => void): () => void {
    const own = (params: never): void => listener(params);
    const listeners = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, listeners.add(own));
    return () => void listeners.delete(own);
  }

  onAny(listener: AnyListener): () => void {
    const own: AnyListener = (name, params) => listener(name, params);
    this.#any.add(own);
    return () => void this.#any.delete(own);
  }

  emit(name: string, params: unknown): void {
    // Copies, because a listener may remove itself or another one.
    for (const listener of [...(this.#byName.get(name) ?? [])]) this.#guard(() => listener(params as never));
    for (const listener of [...this.#any]) this.#guard(() => listener(name, params));
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#onFault(error);
    }
  }
}
