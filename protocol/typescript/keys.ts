// The key that encrypts stored credentials: created once, encrypted by Electron's safeStorage, sent in each handshake.
//
// A key that cannot be read is never replaced, because the keyring that decrypts it may become available again.
import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { SafeStorage } from "electron";

/** The part of Electron's `safeStorage` that this package uses. */
export type ElectronSafeStorage = Pick<
  SafeStorage,
  "isAsyncEncryptionAvailable" | "encryptStringAsync" | "decryptStringAsync" | "getSelectedStorageBackend"
>;

/** The key's file in the data folder.  The sidecar deletes its own, `sidecar.key`, once it has received this one. */
export const KEY_FILE = "electron.key";
const KEY_BYTES = 32;
const KEY_FORMAT = /^[A-Za-z0-9+/]{43}=$/;

/**
 * Returns the key from `file`, 32 bytes in base64; creates the file if it is missing.
 *
 * Returns null if the system cannot store secrets or the key cannot be read; the sidecar is then `unprotected` or
 * `locked`.  On Linux without a keyring, Electron would encrypt the key with a hard-coded password.
 */
export async function loadKey(
  storage: ElectronSafeStorage,
  file: string,
  onFault: (fault: unknown) => void,
): Promise<string | null> {
  try {
    if (!(await storage.isAsyncEncryptionAvailable())) return null;
    if (process.platform === "linux" && storage.getSelectedStorageBackend() === "basic_text") return null;
    const encrypted = await readIfExists(file);
    if (encrypted === null) return await createKey(storage, file);
    const { result: key, shouldReEncrypt } = await storage.decryptStringAsync(encrypted);
    if (!KEY_FORMAT.test(key)) throw new Error(`${file} does not contain a key; it is left unchanged`);
    if (shouldReEncrypt) await write(file, await storage.encryptStringAsync(key));
    return key;
  } catch (error) {
    onFault(error);
    return null;
  }
}

async function createKey(storage: ElectronSafeStorage, file: string): Promise<string> {
  const key = randomBytes(KEY_BYTES).toString("base64");
  await write(file, await storage.encryptStringAsync(key));
  return key;
}

async function readIfExists(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Writes the file atomically and syncs it to disk: without the key, all encrypted credentials are lost. */
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
