// The preload script: the package's bridge as `window.sidecar`, and nothing else.
import { contextBridge, ipcRenderer } from "electron";
import { exposeSidecar } from "sidecar-electron/preload";

exposeSidecar({ contextBridge, ipcRenderer });
