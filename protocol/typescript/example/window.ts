// The restrictions of a window: no navigation, no further windows, no permissions.
import type { BrowserWindowConstructorOptions, Session, WebContents } from "electron";

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

export interface WindowGuardOptions {
  openExternal: (url: string) => Promise<void>;
  onFault: (fault: unknown) => void;
}

/** Opens web links in the user's browser and refuses all others, because `openExternal` would also start programs. */
export function guard(contents: WebContents, { openExternal, onFault }: WindowGuardOptions): void {
  contents.setWindowOpenHandler(({ url }) => {
    if (isWebAddress(url)) openExternal(url).catch(onFault);
    return { action: "deny" };
  });
  // A reload does not cause this event.  Any other navigation would give a foreign page the bridge.
  contents.on("will-navigate", (event) => event.preventDefault());
  contents.on("will-attach-webview", (event) => event.preventDefault());
}

/** Refuses all permissions except writing to the clipboard, which copies a stand-up. */
export function refusePermissions(session: Session): void {
  session.setPermissionRequestHandler((_contents, permission, respond) =>
    respond(permission === "clipboard-sanitized-write"),
  );
  session.setPermissionCheckHandler((_contents, permission) => permission === "clipboard-sanitized-write");
}

export function isWebAddress(address: string): boolean {
  return URL.canParse(address) && ["https:", "http:"].includes(new URL(address).protocol);
}
