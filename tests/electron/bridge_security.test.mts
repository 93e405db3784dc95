// The checks between pages and the sidecar, in the preload script and in the main process.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SidecarBridge } from "../../protocol/typescript/channels.ts";
import { exposeSidecar } from "../../protocol/typescript/preload.ts";
import { connectSidecar, RpcError } from "../../protocol/typescript/renderer.ts";
import { failure, until } from "./sidecar_harness.mts";
import { app, backUp, load } from "./window_harness.mts";

test("a page cannot send initialize, shutdown or other methods of the main process", async (t) => {
  const { open, ipc } = app(t);
  const { bridge, window } = open();
  for (const name of ["initialize", "shutdown", "exit", "$/cancelRequest", "no.such", "__proto__", "secrets.rotate"]) {
    const response = await bridge.call(1, name, {});
    assert.deepEqual([response.ok, response.ok ? "" : response.error.data?.kind], [false, "not_allowed"], name);
  }
  assert.throws(() => bridge.subscribe(["$/progress"], null, () => undefined), /not_allowed/);
  assert.deepEqual(Object.keys(bridge).sort(), [
    "call",
    "cancel",
    "methods",
    "notifications",
    "onState",
    "position",
    "signIn",
    "state",
    "subscribe",
  ]);
  assert.ok(Object.isFrozen(bridge) && Object.isFrozen(bridge.methods));
  // A compromised page may send messages without the preload script.
  const forged: any[] = [];
  window.load(({ ipcRenderer }: any) => {
    ipcRenderer.send("sidecar:page-loaded", "me");
    for (const method of ["shutdown", "initialize"]) {
      forged.push(ipcRenderer.invoke("sidecar:call", { page: "me", call: 1, method, params: {} }));
    }
    forged.push(ipcRenderer.invoke("sidecar:call", { page: "other", call: 1, method: "system.health" }));
    forged.push(ipcRenderer.invoke("sidecar:call", { page: "me", call: 1, method: "jobs.list", params: "all" }));
    forged.push(ipcRenderer.invoke("sidecar:call"));
    for (const wrong of [undefined, 7, null, {}, ["x"]]) {
      for (const channel of ["page-loaded", "subscribe", "unsubscribe", "cancel"])
        ipcRenderer.send(`sidecar:${channel}`, wrong, wrong, wrong, wrong);
    }
    ipcRenderer.send("sidecar:subscribe", "me", 1, ["$/progress", "events.lag", 7], { epoch: 1 });
  });
  for (const response of forged) assert.equal((await response).error.data.kind, "not_allowed");
  assert.equal((await open().page.system.health()).status, "ok");
  assert.ok(ipc.channels.every((channel) => channel.startsWith("sidecar:")));
});

test("the app may restrict the methods and notifications of windows", async (t) => {
  const { open, faults } = app(t, { methods: ["jobs.list"], notifications: [] });
  const { page } = open();
  assert.deepEqual((await page.jobs.list()).jobs, []);
  assert.equal((await failure(page.jobs.create(backUp))).kind, "not_allowed");
  page.on("jobs.updated", () => undefined);
  page.on("events.resync", () => undefined); // always allowed, so that every page knows about losses
  await page.jobs.list();
  assert.deepEqual(faults.map(String), ["Error: a page may not listen to jobs.updated"]);
});

test("a preload script may restrict the methods and notifications of its page", async (t) => {
  const { open } = app(t);
  const { window } = open();
  const narrow = (electron: any): void =>
    exposeSidecar({ ...electron, methods: ["jobs.list"], notifications: [], key: "hub" });
  const bridge = window.load(narrow)["hub"] as SidecarBridge;
  const page = connectSidecar(bridge);
  assert.deepEqual([bridge.methods, bridge.notifications], [["jobs.list"], ["events.resync"]]);
  assert.deepEqual((await page.jobs.list()).jobs, []);
  assert.equal((await failure(page.jobs.create(backUp))).kind, "not_allowed");
  assert.throws(() => page.on("jobs.updated", () => undefined), /may not listen to jobs.updated/);
});

test("only the app's own pages may use the bridge", async (t) => {
  const { open } = app(t);
  const { window, page } = open();
  const isAllowed = async (url: string, parent: { url: string; parent: null } | null = null): Promise<boolean> => {
    window.frame = { url, parent };
    return page.system.health().then(
      () => true,
      (error: RpcError) => error.kind !== "not_allowed",
    );
  };
  for (const url of [
    "file:///app/index.html",
    "app://hub/index.html",
    "http://localhost:5173/",
    "http://127.0.0.1:8080/",
  ]) {
    assert.equal(await isAllowed(url), true, url);
  }
  for (const url of [
    "https://example.com/",
    "http://localhost.example.com/",
    "data:text/html,x",
    "about:blank",
    "blob:null/1",
    "",
  ]) {
    assert.equal(await isAllowed(url), false, url);
  }
  assert.equal(await isAllowed("file:///app/frame.html", { url: "file:///app/index.html", parent: null }), false);
  window.frame = null; // Electron reports null for a frame that was destroyed
  assert.equal((await failure(page.system.health())).kind, "not_allowed");
  assert.match((await failure(page.state())).message, /not_allowed/);
});

test("the app may decide which pages may use the bridge", async (t) => {
  const { open } = app(t, { trust: ({ url }) => url.startsWith("https://hub.example/") });
  const { window } = open();
  window.frame = { url: "https://hub.example/index.html", parent: null };
  assert.equal(
    (
      await open()
        .page.system.health()
        .catch((error) => error)
    ).kind,
    "not_allowed",
  );
  assert.equal((await load(window).page.system.health()).status, "ok");
});

test("a foreign page receives neither notifications nor the sidecar's state", async (t) => {
  const { open, sidecar } = app(t);
  const [own, foreign] = [open(), open()];
  foreign.window.frame = { url: "https://example.com/", parent: null };
  const received: string[] = [];
  foreign.page.on("jobs.updated", () => received.push("event"));
  foreign.page.onState(() => received.push("state"));
  await failure(foreign.page.state());
  own.page.onState(({ status }) => received.push(status));
  await own.page.state();
  await own.page.jobs.create(backUp);
  await sidecar.stop();
  await until(
    (check) => own.page.onState(check),
    () => received.includes("stopped"),
  );
  assert.deepEqual(
    received.filter((what) => what === "event" || what === "state"),
    [],
  );
});

test("a frame inside a page does not replace the page", async (t) => {
  const { page, window } = app(t).open();
  const inner = { url: "file:///app/frame.html", parent: { url: "file:///app/index.html", parent: null } };
  const event = { sender: window.contents, senderFrame: inner };
  window.ipc.emit("sidecar:page-loaded", event, "the frame's page");
  assert.equal((await page.system.health()).status, "ok");
});

test("params that cannot be cloned are refused in the page", async (t) => {
  const { page } = app(t).open();
  const error = await failure(page.jobs.create({ type: "maintenance.backup", payload: { run: () => 1 } }));
  assert.match(error.message, /could not be cloned/);
});

test("connecting a page without a preload script throws", () => {
  assert.throws(() => connectSidecar(), /webPreferences.preload/);
});
