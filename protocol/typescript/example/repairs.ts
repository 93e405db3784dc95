// What a page may ask the main process to do when the sidecar does not work: start it again, or show its log.
import type { IpcMain, IpcMainInvokeEvent, Shell } from "electron";
import type { Sidecar } from "sidecar-electron/main";
import { LOG_FILE, OPEN_LOG, START } from "./repair_channels.ts";

export interface RepairParts {
  ipcMain: Pick<IpcMain, "handle">;
  shell: Pick<Shell, "openPath">;
  sidecar: Pick<Sidecar, "start" | "stop">;
  /** The sidecar's log, in the folder `logs` of the data folder. */
  logFile: string;
  /** The address of the only page that is answered. */
  pageUrl: string;
}

export function serveRepairs({ ipcMain, shell, sidecar, logFile, pageUrl }: RepairParts): void {
  const answer = (channel: string, act: () => unknown): void =>
    ipcMain.handle(channel, ({ senderFrame }: IpcMainInvokeEvent) => {
      if (senderFrame === null || senderFrame.parent !== null || senderFrame.url !== pageUrl)
        throw new Error("not_allowed");
      return act();
    });
  answer(LOG_FILE, () => logFile);
  // Returns an empty text, or why the file cannot be opened.
  answer(OPEN_LOG, () => shell.openPath(logFile));
  // Stopped first, so that a restart that is waited for happens at once.
  answer(START, () => sidecar.stop().then(() => sidecar.start()));
}
