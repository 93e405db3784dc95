// A ready-made preload script.  Its bundled form is for `webPreferences.preload`.
import { contextBridge, ipcRenderer } from "electron";
import { exposeSidecar } from "./preload.ts";

exposeSidecar({ contextBridge, ipcRenderer });
