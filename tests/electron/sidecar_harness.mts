// What the tests need to start sidecars; the paths come from pytest.
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { PROTOCOL_VERSION } from "../../protocol/typescript/client.ts";
import type { Initialized } from "../../protocol/typescript/client.ts";
import { LogTail } from "../../protocol/typescript/log_tail.ts";
import { startSidecar } from "../../protocol/typescript/main.ts";
import type { Sidecar, SidecarOptions } from "../../protocol/typescript/main.ts";
import { SidecarProcess } from "../../protocol/typescript/process.ts";

function given(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: pytest starts these tests`);
  return value;
}

export const ROOT = given("SIDECAR_ROOT");
export const PYTHON = given("SIDECAR_PYTHON");
/** The sidecar as it is shipped, and with the tests' own job types. */
export const COMMAND = [PYTHON, "-m", "sidecar"];
export const COMMAND_WITH_TEST_JOBS = [PYTHON, join(ROOT, "tests", "process", "modified_sidecar.py")];
/** How long anything may take before a test gives up. */
export const TIMEOUT_MS = 90_000;

/** A new folder with a name as users have them. */
export function newDataDir(): string {
  return join(mkdtempSync(join(given("SIDECAR_TEMPORARY"), "host-")), "My Data 数据");
}

/**
 * A program in JavaScript in the sidecar's place, for what no sidecar does: `(message, say, greeting) => …` for each
 * line.  The handshake is answered by itself, unless that returns true.
 */
export function scriptedSidecar(take: string): string[] {
  const file = join(mkdtempSync(join(given("SIDECAR_TEMPORARY"), "script-")), "sidecar.mjs");
  const greeting = `{protocol_version: ${PROTOCOL_VERSION}, server_info: {name: "scripted", version: "0", pid: process.pid},
    limits: {}, events: {epoch: "e", oldest_seq: 1, latest_seq: 0, resume: "ok"}, schema_hash: "", schema_match: true,
    secrets: "unprotected"}`;
  writeFileSync(
    file,
    `import { createInterface } from "node:readline";
     const say = (message, done) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\\n", done);
     const greeting = ${greeting};
     const take = ${take};
     createInterface({ input: process.stdin }).on("line", (line) => {
       const message = JSON.parse(line);
       if (!take(message, say, greeting) && message.method === "initialize") say({ id: message.id, result: greeting });
     });`,
  );
  return [process.execPath, file];
}

/** One process without a supervisor; it has shaken hands, unless `greet` is false. */
export async function startProcess(t: TestContext, command: readonly string[], { greet = true } = {}) {
  const faults: unknown[] = [];
  const env = { ...process.env, APP_DATA_DIR: newDataDir() };
  const running = new SidecarProcess({ command, env, cwd: ROOT }, new LogTail(), (fault) => faults.push(fault));
  t.after(() => running.stop());
  const hands = {
    protocol_version: PROTOCOL_VERSION,
    client_info: { name: "tests", version: "1" },
  };
  const initialized: Initialized | null = greet ? await running.client.initialize(hands) : null;
  return { running, client: running.client, faults, initialized };
}

/** A supervised sidecar.  A fault that the test did not ask for fails it. */
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

/** Resolves once `isSo` is true; looks again whenever `on` says that something has changed. */
export async function until<T>(
  on: (look: () => void) => () => void,
  isSo: () => T | undefined | false | null,
): Promise<T> {
  let end: () => void = () => undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      const look = (): void => {
        const found = isSo();
        if (found) resolve(found);
      };
      timer = setTimeout(() => reject(new Error(`not in ${TIMEOUT_MS} ms: ${isSo.toString()}`)), TIMEOUT_MS);
      end = on(look);
      look();
    });
  } finally {
    clearTimeout(timer);
    end();
  }
}

/** Resolves once the sidecar's state has this status. */
export function status(
  sidecar: Pick<Sidecar, "onState" | "state">,
  wanted: Sidecar["state"]["status"],
): Promise<unknown> {
  return until(
    (look) => sidecar.onState(look),
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

/** The error of something that has to fail. */
export async function failure(promise: Promise<unknown>): Promise<any> {
  const result = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in result) return result.error;
  throw new Error(`it did not fail, but gave ${JSON.stringify(result.value)}`);
}
