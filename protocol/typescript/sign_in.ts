// Signing in with Google: the person's own browser, and a listener on this machine that hears the answer once.
//
// RFC 8252, section 7.3.  The verifier and the tokens never leave the sidecar; what passes here is a code that is worth
// nothing without the verifier.
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { timingSafeEqual } from "node:crypto";
import type { Api } from "./calls.ts";
import type { SignInParams } from "./channels.ts";
import type { CalendarAccount } from "./contract.ts";
import { localError } from "./errors.ts";

/** A person finds a password within this; Google's page itself gives up earlier. */
const PATIENCE_MS = 10 * 60_000;
const PATH = "/oauth/google";

/** The three steps of a sign-in: `sidecar.calendar.oauth.google`. */
export type GoogleOAuth = Api["calendar"]["oauth"]["google"];

export interface SignInOptions {
  /** Electron's `shell.openExternal`. */
  openExternal: (url: string) => Promise<void>;
  /** The page that the person sees at the end; plain HTML without scripts. */
  page?: (outcome: SignInOutcome) => string;
  signal?: AbortSignal;
  timeoutMs?: number;
}

export interface SignInOutcome {
  ok: boolean;
  message: string;
}

/**
 * Signs in and returns the account.  Rejects with the sidecar's RpcError, or with `sign_in_abandoned` where the person
 * does not come back.
 *
 * Whatever happens, nothing listens any more once this has settled.
 */
export async function signInWithGoogle(
  oauth: GoogleOAuth,
  params: SignInParams,
  options: SignInOptions,
): Promise<CalendarAccount> {
  const server = createServer();
  try {
    const origin = await listen(server);
    const { authorization_url: url, state } = await oauth.start({ ...params, redirect_uri: `${origin}${PATH}` });
    checkAddress(url);
    const returned = comeBack(server, origin, state, options);
    returned.catch(() => undefined); // where opening the browser fails first
    await options.openExternal(url);
    const { address, answer } = await returned;
    return await finish(oauth, address, state, (outcome) => answer((options.page ?? closingPage)(outcome)));
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** A refusal takes the same way: `complete` knows best what to say of it. */
async function finish(
  oauth: Pick<GoogleOAuth, "callback" | "complete">,
  url: string,
  state: string,
  show: (outcome: SignInOutcome) => Promise<void>,
): Promise<CalendarAccount> {
  try {
    await oauth.callback({ url });
    const account = await oauth.complete({ state });
    await show({ ok: true, message: "You are signed in.  You can close this page and go back to the app." });
    return account;
  } catch (error) {
    await show({ ok: false, message: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

/** On a port that the system picks, reachable from this machine only. */
function listen(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, () => {
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    });
  });
}

/** `openExternal` would also start programs. */
function checkAddress(url: string): void {
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:" || (protocol === "http:" && hostname === "127.0.0.1")) return;
  throw localError("sign_in_unavailable", `A sign-in page has an https address, not ${protocol}`);
}

interface Returned {
  address: string;
  answer: (html: string) => Promise<void>;
}

/** The one request that bears our state; whatever else knocks is sent away, and does not end the wait. */
function comeBack(server: Server, origin: string, state: string, options: SignInOptions): Promise<Returned> {
  const { signal, timeoutMs = PATIENCE_MS } = options;
  return new Promise((resolve, reject) => {
    const late = (): void =>
      reject(localError("sign_in_abandoned", "Nobody came back from the sign-in page.", { retryable: true }));
    const timer = setTimeout(late, timeoutMs);
    const aborted = (): void => reject(signal?.reason);
    if (signal?.aborted) aborted();
    signal?.addEventListener("abort", aborted, { once: true });
    server.on("close", () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    });
    let isTaken = false;
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const url = addressOf(request, origin);
      if (url === null || isTaken)
        return send(response, 404, closingPage({ ok: false, message: "There is nothing here." }));
      if (!isSame(url.searchParams.get("state") ?? "", state)) {
        return send(
          response,
          400,
          closingPage({ ok: false, message: "This is not the sign-in that the app waits for." }),
        );
      }
      isTaken = true;
      resolve({ address: url.href, answer: (html) => new Promise((sent) => send(response, 200, html, sent)) });
    });
  });
}

/** Null for anything but our path under our very name: a page that rebinds its name to this machine uses another. */
function addressOf(request: IncomingMessage, origin: string): URL | null {
  if (request.method !== "GET" || `http://${request.headers.host}` !== origin) return null;
  const target = request.url ?? "";
  if (!target.startsWith("/") || !URL.canParse(target, origin)) return null;
  const url = new URL(target, origin);
  return url.origin === origin && url.pathname === PATH ? url : null;
}

function isSame(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function send(response: ServerResponse, status: number, html: string, sent: () => void = () => undefined): void {
  if (response.destroyed) return sent(); // the browser has gone away meanwhile
  response.once("close", sent);
  response.writeHead(status, {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
    // The address holds the code.
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
