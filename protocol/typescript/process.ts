// Spawns a sidecar process, connects a client to its pipes and stops it.
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync } from "node:fs";
import { Client } from "./client.ts";
import { localError } from "./errors.ts";
import type { OnFault } from "./listeners.ts";
import type { LogTail } from "./log_tail.ts";

/** Time from closing stdin to SIGTERM.  The sidecar stops within 2 s; a wrapper or a slow machine may need longer. */
const TERMINATE_AFTER_MS = 6_000;
/** Time from SIGTERM to SIGKILL. */
const KILL_AFTER_MS = 2_000;
/** How long output is still read after the process has ended, because a grandchild may keep the pipes open. */
const OUTPUT_AFTER_EXIT_MS = 2_000;

export interface Command {
  /** The program and its arguments, started without a shell. */
  command: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  cwd?: string | undefined;
}

/** How a process has ended. */
export interface ProcessExit {
  code: number | null;
  signal: string | null;
  /** Why the process could not be started; null if it was. */
  spawnError: string | null;
}

/** A sidecar process and the client connected to it. */
export class SidecarProcess {
  readonly client: Client;
  /** Resolves once the process has ended and its output was read. */
  readonly ended: Promise<ProcessExit>;
  readonly #child: ChildProcessWithoutNullStreams;

  readonly #cwd: string | undefined;
  readonly #program: string;

  #isStopping = false;

  constructor({ command, env, cwd }: Command, log: LogTail, onFault: OnFault) {
    const [program = "", ...args] = command;
    this.#program = program;
    this.#cwd = cwd;
    // Hidden and not detached: on Windows, its children then share one hidden console.
    this.#child = spawn(program, args, { cwd, env: { ...env }, stdio: "pipe", windowsHide: true });
    const { stdin, stdout, stderr } = this.#child;
    this.client = new Client({ send: (line) => void (stdin.writable && stdin.write(line)), onFault });
    stdin.on("error", () => undefined); // the process has ended; its exit is reported with a reason
    stdout.on("error", onFault);
    stderr.on("error", onFault);
    stdout.on("data", (chunk: Buffer) => this.client.receive(chunk));
    stderr.on("data", (chunk: Buffer) => log.push(chunk));
    this.ended = this.#watch();
  }

  /** The process id, or that of a wrapper such as `uv`; undefined if the process could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether `stop` was called. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Closes stdin, which stops the sidecar on every system; then sends SIGTERM and SIGKILL if that does not help. */
  async stop(): Promise<ProcessExit> {
    this.#isStopping = true;
    this.#child.stdin.end();
    for (const [timeoutMs, signal] of [
      [TERMINATE_AFTER_MS, "SIGTERM"],
      [KILL_AFTER_MS, "SIGKILL"],
    ] as const) {
      const exit = await within(timeoutMs, this.ended);
      if (exit !== null) return exit;
      this.#child.kill(signal);
    }
    return this.ended;
  }

  /** Ends a process that no longer responds. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Explains why the process could not be started.  A missing folder and a missing program are the same error. */
  #notStarted(error: NodeJS.ErrnoException): string {
    if (error.code !== "ENOENT") return error.message;
    if (this.#cwd !== undefined && !existsSync(this.#cwd)) return `The folder ${this.#cwd} (cwd) does not exist.`;
    return `The program ${this.#program} was not found.`;
  }

  async #watch(): Promise<ProcessExit> {
    const exit = await new Promise<ProcessExit>((resolve) => {
      this.#child.on("error", (error) => {
        if (this.#child.pid === undefined) resolve({ code: null, signal: null, spawnError: this.#notStarted(error) });
      });
      this.#child.once("exit", (code, signal) => {
        const exited = { code, signal, spawnError: null };
        setTimeout(resolve, OUTPUT_AFTER_EXIT_MS, exited).unref();
        // `close` follows once both pipes were read to their end, so that the last responses are not lost.
        this.#child.once("close", () => resolve(exited));
      });
    });
    this.client.end(sidecarEnded(exit));
    return exit;
  }
}

function sidecarEnded({ code, signal, spawnError }: ProcessExit): ReturnType<typeof localError> {
  const how = spawnError ?? (signal === null ? `exit code ${code}` : signal);
  return localError("sidecar_ended", `The sidecar ended before it responded (${how}).`, {
    retryable: true,
    exit_code: code,
    signal,
  });
}

/** Returns the promise's value, or null if it takes longer than `ms`. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<null>((resolve) => (timer = setTimeout(resolve, ms, null)));
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
