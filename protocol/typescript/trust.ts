// Which pages may use the bridge: an allow-list, and the guard that keeps a trusted window on them.
import { isAbsolute, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { App, WebContents, WebFrameMain } from "electron";
import type { OnFault } from "./listeners.ts";

/** The part of Electron's `app` that says where the app's own files are. */
export type AppLocation = Pick<App, "getAppPath" | "isPackaged">;

/** The pages that may use the bridge. */
export interface OwnPages {
  /** Folders whose files may use it; by default the app's own path. */
  folders?: readonly string[];
  /** The app's own schemes, without a colon, as given to `protocol.handle`; by default none. */
  schemes?: readonly string[];
  /** Whether pages of a development server on this machine may use it; by default while the app is not packaged. */
  devServers?: boolean;
}

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
/** Schemes whose pages are never the app's own, even if they are listed. */
const FOREIGN_SCHEMES = ["about", "blob", "data", "devtools", "filesystem", "javascript", "view-source"];

/** Returns whether a frame is a main frame that shows one of the app's own pages. */
export function ownPages({ folders, schemes = [], devServers }: OwnPages, app?: AppLocation) {
  const own = folders ?? (app === undefined ? [] : [app.getAppPath()]);
  const allowsServers = devServers ?? app?.isPackaged === false;
  const listed = schemes.map((scheme) => scheme.replace(/:$/, "")).filter((name) => !FOREIGN_SCHEMES.includes(name));
  return ({ url, parent }: Pick<WebFrameMain, "url" | "parent">): boolean => {
    if (parent !== null || !URL.canParse(url)) return false;
    const page = new URL(url);
    const scheme = page.protocol.slice(0, -1);
    if (scheme === "file") return own.some((folder) => contains(folder, page));
    if (scheme === "http" || scheme === "https") return allowsServers && LOOPBACK.includes(page.hostname);
    return listed.includes(scheme);
  };
}

/** Returns whether a file's address lies below a folder.  One with a host, or two slashes, is on another machine. */
function contains(folder: string, { host, pathname, href }: URL): boolean {
  if (host !== "" || pathname.startsWith("//")) return false;
  try {
    const path = relative(folder, fileURLToPath(href));
    return path !== "" && path !== ".." && !/^\.\.[\\/]/.test(path) && !isAbsolute(path);
  } catch {
    return false; // an encoded slash, or no drive letter on Windows
  }
}

export interface NavigationGuard {
  /** Opens a web address outside the app: `(url) => shell.openExternal(url)`. */
  openExternal?: (url: string) => Promise<void>;
  onFault?: OnFault;
}

/**
 * Keeps a window on the page that the app has loaded: it cannot navigate, open windows or attach webviews.  Links to web
 * addresses are opened by `openExternal`, all others are refused, because the system would start programs for them.
 */
export function guardNavigation(
  contents: Pick<WebContents, "setWindowOpenHandler" | "on">,
  { openExternal, onFault = console.error }: NavigationGuard = {},
): void {
  contents.setWindowOpenHandler(({ url }) => {
    if (isWebAddress(url)) openExternal?.(url).catch(onFault);
    return { action: "deny" };
  });
  // A reload causes none of these events.  Any other navigation would give a foreign page the bridge.
  contents.on("will-navigate", (event) => event.preventDefault());
  contents.on("will-redirect", (event) => event.preventDefault());
  contents.on("will-attach-webview", (event) => event.preventDefault());
}

export function isWebAddress(address: string): boolean {
  return URL.canParse(address) && ["https:", "http:"].includes(new URL(address).protocol);
}
