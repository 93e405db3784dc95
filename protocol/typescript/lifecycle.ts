// The app's life and the machine's: quit, sleep and wake, a second instance.
import type { App, PowerMonitor } from "electron";

/** What is used of Electron's `app`. */
export type ElectronApp = Pick<App, "on" | "off" | "quit" | "whenReady" | "getName" | "getVersion">;
/** What is used of Electron's `powerMonitor`. */
export type ElectronPowerMonitor = Pick<PowerMonitor, "on" | "off">;

/** What of the sidecar the app's life concerns. */
export interface Stoppable {
  /** Whether there is a process. */
  readonly isRunning: boolean;
  /** Resolves once the process is gone; the app must not wait longer than the machine's patience, so it is bounded. */
  stop(): Promise<void>;
}

/**
 * Holds the app's end until the sidecar is gone.  Returns what undoes it.
 *
 * It waits in `will-quit`, not in `before-quit`: after that one a window may still refuse to close, and the app would
 * live on without its sidecar.
 */
export function stopBeforeQuit(app: ElectronApp, sidecar: Stoppable): () => void {
  const hold = (event: { preventDefault: () => void }): void => {
    if (!sidecar.isRunning) return;
    event.preventDefault();
    void sidecar.stop().finally(() => app.quit());
  };
  app.on("will-quit", hold);
  return () => void app.off("will-quit", hold);
}

/**
 * Tells when the machine has woken: timers stand still while it sleeps, so the sidecar is to look at the clock.
 * Returns what undoes it.
 */
export function watchSleep(power: ElectronPowerMonitor, onWake: () => void): () => void {
  power.on("resume", onWake);
  power.on("unlock-screen", onWake);
  return () => {
    power.off("resume", onWake);
    power.off("unlock-screen", onWake);
  };
}

/**
 * Whether this is the first instance; the other one is told to show itself, and this one quits.
 *
 * Call it before `startSidecar`: two sidecars would ask for one database, and the second would be refused.
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
