// What a window of the hub may do, and what it may not: leave its page, open another, ask for the camera.
import type { BrowserWindowConstructorOptions, Session, WebContents } from "electron";

export function windowOptions(preload: string, isDark: boolean): BrowserWindowConstructorOptions {
  return {
    width: 1440,
    height: 900,
    minWidth: 380,
    minHeight: 480,
    title: "Hub",
    // Until the page is painted, in its own colour.
    backgroundColor: isDark ? "#0c1110" : "#eceeea",
    webPreferences: { preload, sandbox: true, contextIsolation: true, nodeIntegration: false, webviewTag: false },
  };
}

export interface Surroundings {
  openExternal: (url: string) => Promise<void>;
  onFault: (fault: unknown) => void;
}

/** Links go to the person's browser, and only those of the web: `openExternal` would start programs as well. */
export function guard(contents: WebContents, { openExternal, onFault }: Surroundings): void {
  contents.setWindowOpenHandler(({ url }) => {
    if (isOfTheWeb(url)) openExternal(url).catch(onFault);
    return { action: "deny" };
  });
  // A reload is no navigation; all else would put a foreign page beside our bridge.
  contents.on("will-navigate", (event) => event.preventDefault());
  contents.on("will-attach-webview", (event) => event.preventDefault());
}

/** The hub writes to the clipboard, for copying a stand-up; everything else that a page may ask for is refused. */
export function refusePermissions(session: Session): void {
  session.setPermissionRequestHandler((_contents, permission, answer) =>
    answer(permission === "clipboard-sanitized-write"),
  );
  session.setPermissionCheckHandler((_contents, permission) => permission === "clipboard-sanitized-write");
}

export function isOfTheWeb(address: string): boolean {
  return URL.canParse(address) && ["https:", "http:"].includes(new URL(address).protocol);
}
