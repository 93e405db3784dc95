// The options and permissions of a window.
import type { BrowserWindowConstructorOptions, Session } from "electron";

/**
 * What this page may call besides the package's PAGE_METHODS: it says what keeps Claude from working, and has schedules.
 * A schedule that starts Claude also needs `claude.spawn`.
 */
export const MORE_METHODS = [
  "claude.doctor",
  "claude.spawn",
  "jobs.schedules.create",
  "jobs.schedules.delete",
  "jobs.schedules.list",
  "jobs.schedules.run",
  "jobs.schedules.runs.list",
  "jobs.schedules.update",
] as const;

export function windowOptions(preload: string, isDark: boolean): BrowserWindowConstructorOptions {
  return {
    width: 1440,
    height: 900,
    minWidth: 380,
    minHeight: 480,
    title: "Hub",
    // Shown until the page is painted.
    backgroundColor: isDark ? "#0c1110" : "#eceeea",
    webPreferences: { preload, sandbox: true, contextIsolation: true, nodeIntegration: false, webviewTag: false },
  };
}

/** Refuses all permissions except writing to the clipboard, which copies a stand-up. */
export function refusePermissions(session: Session): void {
  session.setPermissionRequestHandler((_contents, permission, respond) =>
    respond(permission === "clipboard-sanitized-write"),
  );
  session.setPermissionCheckHandler((_contents, permission) => permission === "clipboard-sanitized-write");
}
