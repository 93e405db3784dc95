// Sign-in with Google through the user's browser and a loopback redirect (RFC 8252, section 7.3).
//
// The PKCE verifier and the tokens never leave the sidecar.  The code that passes through here is useless without the
// verifier.
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { timingSafeEqual } from "node:crypto";
import type { Api } from "./calls.ts";
import type { SignInParams } from "./channels.ts";
import type { CalendarAccount } from "./contract.ts";
import { callError, localError, RpcError } from "./errors.ts";

/** How long to wait for the user; Google's page itself expires earlier. */
const SIGN_IN_TIMEOUT_MS = 10 * 60_000;
const PATH = "/oauth/google";
/** A browser opens a few connections; other programs, and pages that try every port, may open any number. */
const MAX_CONNECTIONS = 100;
/** Time for a request's headers and for the whole request.  Browsers also open connections that they do not use. */
const REQUEST_TIMEOUT_MS = 10_000;

/** The three steps of a sign-in: `sidecar.calendar.oauth.google`. */
export type GoogleOAuth = Api["calendar"]["oauth"]["google"];

export interface SignInOptions {
  /** Electron's `shell.openExternal`. */
  openExternal: (url: string) => Promise<void>;
  /** Renders the page that the browser shows at the end; HTML without scripts. */
  page?: (outcome: SignInOutcome) => string;
  signal?: AbortSignal;
  timeoutMs?: number;
}

export interface SignInOutcome {
  ok: boolean;
  message: string;
}

/**
 * Signs in and returns the account.  Rejects with the sidecar's RpcError, or with `sign_in_abandoned` if the user does
 * not return.
 *
 * The local server is closed when the promise settles.
 */
export async function signInWithGoogle(
  oauth: GoogleOAuth,
  params: SignInParams,
  options: SignInOptions,
): Promise<CalendarAccount> {
  const server = createServer({
    headersTimeout: REQUEST_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: 1_000,
  });
  server.maxConnections = MAX_CONNECTIONS;
  try {
    const origin = await listen(server);
    const { authorization_url: url, state } = await oauth.start({ ...params, redirect_uri: `${origin}${PATH}` });
    checkAddress(url);
    const redirected = waitForRedirect(server, origin, state, options);
    redirected.catch(() => undefined); // not awaited if the browser cannot be opened
    await options.openExternal(url);
    const { address, respond } = await redirected;
    return await finish(oauth, address, state, (outcome) => respond((options.page ?? closingPage)(outcome)));
  } catch (reason) {
    if (reason instanceof RpcError) throw reason;
    const error = callError(reason, "signIn", options.signal); // or no port is free, or the browser cannot be opened
    throw error.kind === "aborted" ? error : localError("sign_in_unavailable", error.message, {}, reason);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** Completes the sign-in.  A redirect with an error takes the same path: `complete` then rejects with the reason. */
async function finish(
  oauth: Pick<GoogleOAuth, "callback" | "complete">,
  url: string,
  state: string,
  show: (outcome: SignInOutcome) => Promise<void>,
): Promise<CalendarAccount> {
  try {
    await oauth.callback({ url });
    const account = await oauth.complete({ state });
    await show({ ok: true, message: "You are signed in. You can close this page and return to the app." });
    return account;
  } catch (error) {
    await show({ ok: false, message: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

/** Listens on a free port of 127.0.0.1 and returns the origin. */
function listen(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, () => {
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    });
  });
}

/** Accepts only web pages, because `openExternal` would also start programs. */
function checkAddress(url: string): void {
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:" || (protocol === "http:" && hostname === "127.0.0.1")) return;
  throw localError("sign_in_unavailable", `The sign-in page must have an https address, not ${protocol}`);
}

interface Redirect {
  address: string;
  respond: (html: string) => Promise<void>;
}

/** Waits for the first request with our `state`; other requests are refused. */
function waitForRedirect(server: Server, origin: string, state: string, options: SignInOptions): Promise<Redirect> {
  const { signal, timeoutMs = SIGN_IN_TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    const timedOut = (): void =>
      reject(localError("sign_in_abandoned", "The sign-in was not completed in the browser.", { retryable: true }));
    const timer = setTimeout(timedOut, timeoutMs);
    const aborted = (): void => reject(signal?.reason);
    if (signal?.aborted) aborted();
    signal?.addEventListener("abort", aborted, { once: true });
    server.on("close", () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    });
    let isRedirected = false;
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const url = addressOf(request, origin);
      const refuse = (status: number, message: string): void =>
        send(response, status, closingPage({ ok: false, message }));
      if (url === null || isRedirected) return refuse(404, "This page does not exist.");
      if (!isSame(onlyValue(url, "state"), state) || url.searchParams.getAll("code").length > 1)
        return refuse(400, "This sign-in does not belong to the one that the app is waiting for.");
      isRedirected = true;
      resolve({ address: url.href, respond: (html) => new Promise((sent) => send(response, 200, html, sent)) });
    });
  });
}

/** Returns the URL of a request for our path, or null.  Checking the host defends against DNS rebinding. */
function addressOf(request: IncomingMessage, origin: string): URL | null {
  if (request.method !== "GET" || `http://${request.headers.host}` !== origin) return null;
  const target = request.url ?? "";
  if (!target.startsWith("/") || !URL.canParse(target, origin)) return null;
  const url = new URL(target, origin);
  return url.origin === origin && url.pathname === PATH ? url : null;
}

/** Returns a parameter that must be there once (RFC 6749, section 3.1): of two, the sidecar might read the other. */
function onlyValue(url: URL, name: string): string {
  const [value = "", ...more] = url.searchParams.getAll(name);
  return more.length === 0 ? value : "";
}

function isSame(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function send(response: ServerResponse, status: number, html: string, sent: () => void = () => undefined): void {
  if (response.destroyed) return sent(); // the browser has closed the connection
  response.once("close", sent);
  response.writeHead(status, {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    // The address contains the code.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    Connection: "close",
  });
  response.end(html);
}

const STYLE =
  ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center}" +
  "body{min-height:90vh;margin:0}" +
  "main{max-width:26rem;padding:2rem;text-align:center}p:first-child{font-size:3rem;margin:0}";

function closingPage({ ok, message }: SignInOutcome): string {
  const text = message.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${ok ? "Signed in" : "Not signed in"}</title>` +
    `<style>${STYLE}</style></head><body><main><p>${ok ? "✓" : "✕"}</p><p>${text}</p></main></body></html>`
  );
}
