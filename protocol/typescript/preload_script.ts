// The preload script for an app that needs no other: `webPreferences.preload` is the path of its bundled form.
import { contextBridge, ipcRenderer } from "electron";
import { exposeSidecar } from "./preload.ts";

exposeSidecar({ contextBridge, ipcRenderer });
