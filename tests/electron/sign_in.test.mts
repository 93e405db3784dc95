// The sign-in, with real HTTP requests in place of the user's browser and a function in place of Google.
import assert from "node:assert/strict";
import { request } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { RpcError, signInWithGoogle } from "../../protocol/typescript/main.ts";
import type { CalendarAccount, SignInStarted } from "../../protocol/typescript/contract.ts";
import type { GoogleOAuth, SignInOptions } from "../../protocol/typescript/main.ts";
import { failure, start } from "./sidecar_harness.mts";

const STATE = "the state from the sidecar";
const ADA = { account_id: "ada" } as CalendarAccount;
const started = (authorization_url: string): SignInStarted => ({
  authorization_url,
  state: STATE,
  expires_at: "2999-01-01T00:00:00.000Z",
});

interface Page {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

function get(url: string, { method = "GET", headers = {} as Record<string, string> } = {}): Promise<Page> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf-8").on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sent.on("error", reject).end();
  });
}

function isListening(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.unref();
  });
}

/** Signs in; `browse` takes the place of the user's browser and receives the redirect address. */
function signIn(
  browse: (redirect: string) => unknown,
  more: Partial<SignInOptions> = {},
  complete: () => Promise<CalendarAccount> = async () => ADA,
) {
  const calls: Array<[string, object]> = [];
  let redirect = "";
  const oauth: GoogleOAuth = {
    start: async (params) => {
      calls.push(["start", params]);
      redirect = params.redirect_uri;
      return started("https://accounts.google.example/auth");
    },
    callback: async (params = {}) => {
      calls.push(["callback", params]);
      return { state: STATE, status: "authorized" };
    },
    complete: async (params) => {
      calls.push(["complete", params]);
      return complete();
    },
  };
  const openExternal = async (url: string): Promise<void> => {
    calls.push(["open", { url }]);
    void browse(redirect);
  };
  const done = signInWithGoogle(oauth, { login_hint: "ada@example.com" }, { openExternal, ...more });
  return { done, calls, redirect: () => redirect };
}

const redirectUrl = (redirect: string, more = "code=4/abc", state = STATE): string =>
  `${redirect}?state=${encodeURIComponent(state)}&${more}`;

test("a user signs in, sees the closing page, and the server is closed", async () => {
  let seen: Promise<Page> | undefined;
  const { done, calls, redirect } = signIn((address) => (seen = get(redirectUrl(address))));
  assert.deepEqual(await done, ADA);
  const page = await seen;
  const url = redirectUrl(redirect());
  assert.match(redirect(), /^http:\/\/127\.0\.0\.1:\d+\//);
  assert.deepEqual(calls, [
    ["start", { login_hint: "ada@example.com", redirect_uri: redirect() }],
    ["open", { url: "https://accounts.google.example/auth" }],
    ["callback", { url: new URL(url).href }],
    ["complete", { state: STATE }],
  ]);
  assert.deepEqual(
    [page?.status, page?.headers["cache-control"], page?.headers["referrer-policy"]],
    [200, "no-store", "no-referrer"],
  );
  assert.match(String(page?.headers["content-security-policy"]), /default-src 'none'/);
  assert.match(page?.text ?? "", /You are signed in/);
  assert.equal(page?.text.includes("4/abc"), false);
  assert.equal(await isListening(redirect()), false);
});

test("other requests are refused and do not end the sign-in", async () => {
  const seen: number[] = [];
  const { done } = signIn(async (redirect) => {
    const { origin, port } = new URL(redirect);
    for (const url of [
      redirectUrl(redirect, "code=stolen", "another state"),
      `${redirect}?code=stolen`,
      `${origin}/favicon.ico`,
      `${origin}/`,
    ])
      seen.push((await get(url)).status);
    seen.push((await get(redirectUrl(redirect), { method: "POST" })).status);
    seen.push((await get(redirectUrl(redirect), { headers: { Host: `evil.example:${port}` } })).status);
    await get(redirectUrl(redirect));
  });
  assert.deepEqual(await done, ADA);
  assert.deepEqual(seen, [400, 400, 404, 404, 404, 404]);
});

test("a redirect with a parameter twice is refused, since two readers could take different ones", async () => {
  const seen: number[] = [];
  const { done, calls } = signIn(async (redirect) => {
    const state = encodeURIComponent(STATE);
    for (const query of [
      `state=${state}&state=x&code=a`,
      `state=x&state=${state}&code=a`,
      `state=${state}&code=a&code=b`,
    ])
      seen.push((await get(`${redirect}?${query}`)).status);
    await get(redirectUrl(redirect));
  });
  await done;
  assert.deepEqual(seen, [400, 400, 400]);
  assert.equal(new URL((calls[2]?.[1] as { url: string }).url).searchParams.get("code"), "4/abc");
});

test("programs that open connections and say nothing do not keep the user from signing in", async () => {
  const silent: Socket[] = [];
  let closed = 0;
  const { done, redirect } = signIn(async (address) => {
    const { port } = new URL(address);
    const hold = (): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect(Number(port), "127.0.0.1", resolve);
        silent.push(
          socket
            .on("close", () => (closed += 1))
            .on("error", () => undefined)
            .resume(),
        );
      });
    for (let count = 0; count < 300; count += 1) await hold();
    // The connections above the limit were closed at once, and the others are when their time is over.
    while (closed < 300)
      await new Promise((next) => silent.find((one) => !one.closed)?.once("close", next) ?? next(null));
    await get(redirectUrl(address));
  });
  assert.deepEqual(await done, ADA);
  assert.equal(await isListening(redirect()), false);
});

test("what is no request for the page ends neither the sign-in nor the app", async () => {
  const { done } = signIn(async (address) => {
    const { host, port } = new URL(address);
    for (const bytes of [
      "\0\xff\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      `GET ${redirectUrl(address)} HTTP/1.1\r\nHost: ${host}\r\nHost: evil.example\r\n\r\n`,
      `GET http://evil.example/oauth/google?state=${encodeURIComponent(STATE)} HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      `GET //evil.example/oauth/google HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      `CONNECT evil.example:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: ${host}\r\nX: ${"a".repeat(100_000)}\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
    ])
      assert.doesNotMatch(await raw(Number(port), bytes), /^HTTP\/1.1 (1|2|3)/, bytes.slice(0, 100));
    await get(redirectUrl(address));
  });
  assert.deepEqual(await done, ADA);
});

/** Sends bytes and returns what comes back until the connection is closed. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes, "latin1"));
    socket.on("data", (part) => (text += part.toString("latin1")));
    socket.on("error", () => undefined).on("close", () => resolve(text));
  });
}

test("a code is accepted once", async () => {
  let second: Page | undefined;
  const { done, calls } = signIn(
    (redirect) => void get(redirectUrl(redirect)).catch(() => undefined),
    {},
    async () => {
      second = await get(redirectUrl(String((calls[0]?.[1] as { redirect_uri: string }).redirect_uri)));
      return ADA;
    },
  );
  await done;
  assert.equal(second?.status, 404);
  assert.equal(calls.filter(([name]) => name === "callback").length, 1);
});

test("when the user denies access, the browser and the app get the sidecar's error", async () => {
  let seen: Promise<Page> | undefined;
  const refusal = new RpcError({ code: 4031, message: "Access was refused.", data: { kind: "sign_in_denied" } });
  const { done, calls, redirect } = signIn(
    (address) => (seen = get(redirectUrl(address, "error=access_denied"))),
    {},
    () => Promise.reject(refusal),
  );
  assert.equal(await failure(done), refusal);
  assert.match((await seen)?.text ?? "", /Access was refused/);
  const url = new URL(redirectUrl(redirect(), "error=access_denied")).href;
  assert.deepEqual(calls.slice(2), [
    ["callback", { url }],
    ["complete", { state: STATE }],
  ]);
  assert.equal(await isListening(redirect()), false);
});

test("an error of the sidecar is shown as text and thrown unchanged", async () => {
  const error = new RpcError({ code: 5021, message: "<script>alert(1)</script>", data: { kind: "internal" } });
  let seen: Promise<Page> | undefined;
  const { done } = signIn(
    (redirect) => (seen = get(redirectUrl(redirect))),
    {},
    () => Promise.reject(error),
  );
  assert.equal(await failure(done), error);
  assert.equal((await seen)?.text.includes("<script>"), false);
});

test("the app may render its own closing page", async () => {
  let seen: Promise<Page> | undefined;
  const { done } = signIn((redirect) => (seen = get(redirectUrl(redirect))), { page: ({ ok }) => `<p>ok: ${ok}</p>` });
  await done;
  assert.equal((await seen)?.text, "<p>ok: true</p>");
});

test("the sign-in ends after its timeout and when the app aborts it", async () => {
  const timedOut = signIn(() => undefined, { timeoutMs: 5 });
  assert.equal((await failure(timedOut.done)).kind, "sign_in_abandoned");
  const controller = new AbortController();
  const aborted = signIn(() => controller.abort(), { signal: controller.signal });
  assert.equal((await failure(aborted.done)).name, "AbortError");
  const abortedBefore = signIn(() => undefined, { signal: AbortSignal.abort() });
  assert.equal((await failure(abortedBefore.done)).name, "AbortError");
  for (const { redirect } of [timedOut, aborted, abortedBefore])
    assert.equal(redirect() !== "" && (await isListening(redirect())), false);
});

test("a browser that closes the connection early does not block the sign-in", async () => {
  const { done, redirect } = signIn((address) => {
    const socket = connect(Number(new URL(address).port), "127.0.0.1", () => {
      const { pathname, search, host } = new URL(redirectUrl(address));
      socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, () => socket.destroy());
    });
  });
  assert.deepEqual(await done, ADA);
  assert.equal(await isListening(redirect()), false);
});

test("only https addresses are opened, and a browser that cannot be opened is an error", async () => {
  for (const url of ["file:///etc/passwd", "javascript:alert(1)", "http://example.com/", "ssh://x"]) {
    const opened: string[] = [];
    const oauth = { start: async () => started(url), callback: failing, complete: failing };
    const error = await failure(
      signInWithGoogle(oauth, {}, { openExternal: async (address) => void opened.push(address) }),
    );
    assert.deepEqual([error.kind, opened], ["sign_in_unavailable", []]);
  }
  const broken = signIn(() => undefined, { openExternal: () => Promise.reject(new Error("no browser")) });
  assert.equal((await failure(broken.done)).message, "no browser");
  assert.equal(await isListening(broken.redirect()), false);
});

test("sign-in is unavailable without a shell and with unknown providers", async (t) => {
  const without = start(t);
  assert.equal((await failure(without.signIn("google"))).kind, "sign_in_unavailable");
  const shell = { openExternal: () => Promise.resolve() };
  const other = start(t, { electron: { shell } });
  assert.match((await failure(other.signIn("outlook" as never))).message, /outlook/);
});

const failing = (): Promise<never> => Promise.reject(new Error("unexpected request"));
