// Reacts to the life cycle of the app and the machine: quit, wake-up, a second instance.
import type { App, PowerMonitor } from "electron";

/** The part of Electron's `app` that this package uses. */
export type ElectronApp = Pick<
  App,
  "on" | "off" | "quit" | "whenReady" | "getName" | "getVersion" | "getAppPath" | "isPackaged"
>;
/** The part of Electron's `powerMonitor` that this package uses. */
export type ElectronPowerMonitor = Pick<PowerMonitor, "on" | "off">;

/** A process that must be stopped before the app quits. */
export interface Stoppable {
  readonly isRunning: boolean;
  /** Resolves once the process has ended, within a few seconds. */
  stop(): Promise<void>;
}

/**
 * Delays the app's quit until the sidecar has stopped.  Returns a function that removes the listener.
 *
 * It uses `will-quit` because after `before-quit` a window may still refuse to close, and the app would go on running
 * without its sidecar.
 */
export function stopBeforeQuit(app: ElectronApp, sidecar: Stoppable): () => void {
  const delayQuit = (event: { preventDefault: () => void }): void => {
    if (!sidecar.isRunning) return;
    event.preventDefault();
    void sidecar.stop().finally(() => app.quit());
  };
  app.on("will-quit", delayQuit);
  return () => void app.off("will-quit", delayQuit);
}

/** Calls `onWake` when the machine resumes or is unlocked.  Returns a function that removes the listeners. */
export function onSystemWake(power: ElectronPowerMonitor, onWake: () => void): () => void {
  power.on("resume", onWake);
  power.on("unlock-screen", onWake);
  return () => {
    power.off("resume", onWake);
    power.off("unlock-screen", onWake);
  };
}

/**
 * Returns whether this is the first instance of the app.  A second instance quits, and `show` is called in the first.
 *
 * Call it before `startSidecar`: two sidecars cannot open the same database.
 */
export function claimSingleInstance(
  app: Pick<App, "requestSingleInstanceLock" | "on" | "quit">,
  show: () => void,
): boolean {
  if (!app.requestSingleInstanceLock()) {
    app.quit();
    return false;
  }
  app.on("second-instance", show);
  return true;
}
