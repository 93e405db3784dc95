// Starts sidecars for the tests; pytest passes the paths in environment variables.
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { PROTOCOL_VERSION } from "../../protocol/typescript/client.ts";

import { LogTail } from "../../protocol/typescript/log_tail.ts";
import { startSidecar } from "../../protocol/typescript/main.ts";
import type { Sidecar, SidecarOptions } from "../../protocol/typescript/main.ts";
import { SidecarProcess } from "../../protocol/typescript/process.ts";

function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run these tests with pytest`);
  return value;
}

export const ROOT = variable("SIDECAR_ROOT");
export const PYTHON = variable("SIDECAR_PYTHON");
/** The sidecar as shipped, and the sidecar with additional job types for tests. */
export const COMMAND = [PYTHON, "-m", "sidecar"];
export const COMMAND_WITH_TEST_JOBS = [PYTHON, join(ROOT, "tests", "process", "modified_sidecar.py")];
/** How long `until` waits. */
export const TIMEOUT_MS = 90_000;

/** Returns the path of a new data folder, with a space and non-ASCII characters in it. */
export function newDataDir(): string {
  return join(mkdtempSync(join(variable("SIDECAR_TEMPORARY"), "host-")), "My Data 数据");
}

/**
 * Returns the command of a fake sidecar whose behaviour is given as JavaScript, `(message, send, initialized) => …`,
 * which is called for each line.  The handshake is answered with `initialized` unless the function returns true.
 */
export function scriptedSidecar(onMessage: string): string[] {
  const file = join(mkdtempSync(join(variable("SIDECAR_TEMPORARY"), "script-")), "sidecar.mjs");
  const initialized = `{protocol_version: ${PROTOCOL_VERSION}, server_info: {name: "scripted", version: "0", pid: process.pid},
    limits: {}, events: {epoch: "e", oldest_seq: 1, latest_seq: 0, resume: "ok"}, schema_hash: "", schema_match: true,
    secrets: "unprotected"}`;
  writeFileSync(
    file,
    `import { createInterface } from "node:readline";
     const send = (message, done) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\\n", done);
     const initialized = ${initialized};
     const onMessage = ${onMessage};
     createInterface({ input: process.stdin }).on("line", (line) => {
       const message = JSON.parse(line);
       if (!onMessage(message, send, initialized) && message.method === "initialize") send({ id: message.id, result: initialized });
     });`,
  );
  return [process.execPath, file];
}

/** Starts a process without a supervisor and performs the handshake. */
export async function startProcess(t: TestContext, command: readonly string[]) {
  const faults: unknown[] = [];
  const env = { ...process.env, APP_DATA_DIR: newDataDir() };
  const running = new SidecarProcess({ command, env, cwd: ROOT }, new LogTail(), (fault) => faults.push(fault));
  t.after(() => running.stop());
  const initialized = await running.client.initialize({
    protocol_version: PROTOCOL_VERSION,
    client_info: { name: "tests", version: "1" },
  });
  return { running, client: running.client, faults, initialized };
}

/** Starts a supervised sidecar.  Unless the test passes `onFault`, a fault fails it. */
export function start(t: TestContext, options: Partial<SidecarOptions> = {}): Sidecar {
  const faults: unknown[] = [];
  const sidecar = startSidecar({
    command: COMMAND,
    dataDir: newDataDir(),
    cwd: ROOT,
    onFault: (fault) => faults.push(fault),
    ...options,
  });
  t.after(async () => {
    await sidecar.dispose();
    if (faults.length > 0) throw new AggregateError(faults, `${faults.length} faults, first ${String(faults[0])}`);
  });
  return sidecar;
}

/** Waits until `condition` returns a truthy value, which it returns.  `listen` adds a listener that checks again. */
export async function until<T>(
  listen: (check: () => void) => () => void,
  condition: () => T | undefined | false | null,
): Promise<T> {
  let removeListener: () => void = () => undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      const check = (): void => {
        const found = condition();
        if (found) resolve(found);
      };
      timer = setTimeout(() => reject(new Error(`not in ${TIMEOUT_MS} ms: ${condition.toString()}`)), TIMEOUT_MS);
      removeListener = listen(check);
      check();
    });
  } finally {
    clearTimeout(timer);
    removeListener();
  }
}

/** Resolves in the next iteration of the event loop, after all pending microtasks. */
export const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Resolves once the sidecar's state has this status. */
export function status(
  sidecar: Pick<Sidecar, "onState" | "state">,
  wanted: Sidecar["state"]["status"],
): Promise<unknown> {
  return until(
    (check) => sidecar.onState(check),
    () => sidecar.state.status === wanted,
  );
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Returns the error of a promise, which must reject. */
export async function failure(promise: Promise<unknown>): Promise<any> {
  const result = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in result) return result.error;
  throw new Error(`expected an error, not ${JSON.stringify(result.value)}`);
}
