// The preload script, which exposes the package's bridge as `window.sidecar`.
import { contextBridge, ipcRenderer } from "electron";
import { exposeSidecar } from "sidecar-electron/preload";

exposeSidecar({ contextBridge, ipcRenderer });
