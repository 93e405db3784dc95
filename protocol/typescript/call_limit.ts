// The calls of one window: how many the sidecar sees at once, and how many wait here.
import { localError } from "./errors.ts";

/** Calls of a window that the sidecar processes at once, of the 256 that it accepts from all. */
const MAX_RUNNING = 64;
/** Calls of a window that wait for those; a page that has more leaks calls. */
const MAX_WAITING = 1_000;

/** Lets a window's calls through in order.  It is kept over reloads, so that reloading does not lift the limit. */
export class CallLimit {
  #running = 0;
  readonly #waiting = new Set<() => void>();

  /** Runs `work` when it is its turn.  Rejects with `too_many_calls`, or with the signal's reason. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#running >= MAX_RUNNING) await this.#wait(signal);
    else this.#running += 1;
    try {
      return await work();
    } finally {
      // The place goes to the next call, if there is one, so that a new call cannot take it first.
      const [next] = this.#waiting;
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.size >= MAX_WAITING)
      throw localError("too_many_calls", `${MAX_WAITING} calls of this window are already waiting.`);
    return new Promise((resolve, reject) => {
      const leave = (settle: () => void) => (): void => {
        this.#waiting.delete(start);
        signal?.removeEventListener("abort", abort);
        settle();
      };
      const start = leave(resolve);
      const abort = leave(() => reject(signal?.reason));
      this.#waiting.add(start);
      signal?.addEventListener("abort", abort);
    });
  }
}
