// One life of the sidecar's process: spawned, spoken to, ended gently.
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { Client } from "./client.ts";
import { localError } from "./errors.ts";
import type { OnFault } from "./listeners.ts";
import type { LogTail } from "./log_tail.ts";

/** The sidecar drains in 2 s; a wrapper such as `uv run` and a loaded machine get some more. */
const STOP_MS = 6_000;
/** Between asking by signal and killing. */
const KILL_MS = 2_000;
/** When a process has ended, what it wrote is read within this, even where a grandchild holds the pipe open. */
const LAST_WORDS_MS = 2_000;

export interface Command {
  /** The program and its arguments; no shell is involved. */
  command: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  cwd?: string | undefined;
}

/** How a process ended. */
export interface ProcessExit {
  code: number | null;
  signal: string | null;
  /** Why it could not even be started. */
  spawnError: string | null;
}

/** A running sidecar. */
export class SidecarProcess {
  readonly client: Client;
  /** Settles once everything that it wrote has been read. */
  readonly ended: Promise<ProcessExit>;
  readonly #child: ChildProcessWithoutNullStreams;
  #ending: ProcessExit | null = null;
  #isStopping = false;

  constructor({ command, env, cwd }: Command, log: LogTail, onFault: OnFault) {
    const [program = "", ...args] = command;
    // Hidden, and not detached: on Windows its children then share one console that nobody sees.
    this.#child = spawn(program, args, { cwd, env: { ...env }, stdio: "pipe", windowsHide: true });
    const { stdin, stdout, stderr } = this.#child;
    this.client = new Client({ send: (line) => void (stdin.writable && stdin.write(line)), onFault });
    stdin.on("error", () => undefined); // it has ended: that is told by its end, with a reason
    stdout.on("error", onFault);
    stderr.on("error", onFault);
    stdout.on("data", (chunk: Buffer) => this.client.receive(chunk));
    stderr.on("data", (chunk: Buffer) => log.push(chunk));
    this.ended = this.#watch();
  }

  /** Its process id; undefined where it could not be started.  Behind a wrapper it is the wrapper's. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether its end is wanted. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Closes its stdin, the one way to ask that works on every system, and sees to it that it ends. */
  async stop(): Promise<ProcessExit> {
    this.#isStopping = true;
    this.#child.stdin.end();
    for (const [patience, signal] of [
      [STOP_MS, "SIGTERM"],
      [KILL_MS, "SIGKILL"],
    ] as const) {
      const ending = await within(patience, this.ended);
      if (ending !== null) return ending;
      this.#child.kill(signal);
    }
    return this.ended;
  }

  /** Ends it at once: for one that no longer answers. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async #watch(): Promise<ProcessExit> {
    const ending = await new Promise<ProcessExit>((resolve) => {
      this.#child.on("error", (error) => {
        if (this.#child.pid === undefined) resolve({ code: null, signal: null, spawnError: error.message });
      });
      this.#child.once("exit", (code, signal) => {
        this.#ending = { code, signal, spawnError: null };
        setTimeout(resolve, LAST_WORDS_MS, this.#ending).unref();
      });
      // After `exit`, once both pipes have been read to their end: answers that it wrote last are not lost.
      this.#child.once("close", () => void (this.#ending !== null && resolve(this.#ending)));
    });
    this.client.end(sidecarEnded(ending));
    return ending;
  }
}

function sidecarEnded({ code, signal, spawnError }: ProcessExit): ReturnType<typeof localError> {
  const how = spawnError ?? (signal === null ? `exit code ${code}` : signal);
  return localError("sidecar_ended", `The sidecar ended before it answered (${how}).`, {
    retryable: true,
    exit_code: code,
    signal,
  });
}

/** What it resolves to, or null where that takes longer. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, ms, null)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
