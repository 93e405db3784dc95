// The key of the stored credentials: made once, kept by Electron's safeStorage, handed over at each handshake.
//
// It is never replaced: what was encrypted with a lost key stays where it is, since the keyring may come back.
import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { SafeStorage } from "electron";

/** What is used of Electron's `safeStorage`. */
export type ElectronSafeStorage = Pick<
  SafeStorage,
  "isAsyncEncryptionAvailable" | "encryptStringAsync" | "decryptStringAsync" | "getSelectedStorageBackend"
>;

/** In the data folder.  `sidecar.key` there is the sidecar's own, which it deletes once it was given a better one. */
export const KEY_FILE = "electron.key";
const KEY_BYTES = 32;
const SHAPE = /^[A-Za-z0-9+/]{43}=$/;

/**
 * 32 bytes in base64, from `file`, which is made where it is missing.
 *
 * Null where this system keeps no secrets (on Linux a keyring may be missing, and Electron would use a password that
 * everybody knows), or where the key cannot be read just now: the sidecar then says `unprotected` or `locked`.
 */
export async function loadKey(
  storage: ElectronSafeStorage,
  file: string,
  onFault: (fault: unknown) => void,
): Promise<string | null> {
  try {
    if (!(await storage.isAsyncEncryptionAvailable())) return null;
    if (process.platform === "linux" && storage.getSelectedStorageBackend() === "basic_text") return null;
    const wrapped = await readIfThere(file);
    if (wrapped === null) return await makeKey(storage, file);
    const { result: key, shouldReEncrypt } = await storage.decryptStringAsync(wrapped);
    if (!SHAPE.test(key)) throw new Error(`${file} does not hold a key; it is left as it is`);
    if (shouldReEncrypt) await write(file, await storage.encryptStringAsync(key));
    return key;
  } catch (error) {
    onFault(error);
    return null;
  }
}

async function makeKey(storage: ElectronSafeStorage, file: string): Promise<string> {
  const key = randomBytes(KEY_BYTES).toString("base64");
  await write(file, await storage.encryptStringAsync(key));
  return key;
}

async function readIfThere(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** On disk before it is used, and never half: a key that is lost later loses what it has encrypted. */
async function write(file: string, content: Buffer): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.new`;
  const handle = await open(draft, "w", 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
