// The preload script, which exposes the package's bridge as `window.sidecar` and the app's own as `window.hub`.
import { contextBridge, ipcRenderer } from "electron";
import { exposeSidecar } from "sidecar-electron/preload";
import { LOG_FILE, OPEN_LOG, START } from "./repair_channels.ts";
import type { HubBridge } from "./repair_channels.ts";

exposeSidecar({ contextBridge, ipcRenderer });
contextBridge.exposeInMainWorld("hub", {
  start: () => ipcRenderer.invoke(START),
  openLog: () => ipcRenderer.invoke(OPEN_LOG),
  logFile: () => ipcRenderer.invoke(LOG_FILE),
} satisfies HubBridge);
