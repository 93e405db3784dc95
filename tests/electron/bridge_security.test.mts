// The border between pages and the sidecar: what may not cross it, whoever tries.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SidecarBridge } from "../../protocol/typescript/channels.ts";
import { exposeSidecar } from "../../protocol/typescript/preload.ts";
import { connectSidecar, RpcError } from "../../protocol/typescript/renderer.ts";
import { failure, until } from "./sidecar_harness.mts";
import { app, backUp, load } from "./window_harness.mts";

test("initialize, shutdown and what else belongs to the host is out of reach", async (t) => {
  const { open, ipc } = app(t);
  const { bridge, page, window } = open();
  for (const name of ["initialize", "shutdown", "exit", "$/cancelRequest", "no.such", "__proto__", "secrets.rotate"]) {
    const outcome = await bridge.call(1, name, {});
    assert.deepEqual([outcome.ok, outcome.ok ? "" : outcome.error.data?.kind], [false, "not_allowed"], name);
  }
  assert.throws(() => bridge.subscribe(["$/progress"], null, () => undefined), /not_allowed/);
  assert.deepEqual(Object.keys(bridge).sort(), [
    "call",
    "cancel",
    "methods",
    "notifications",
    "onState",
    "position",
    "schemaHash",
    "signIn",
    "state",
    "subscribe",
  ]);
  assert.ok(Object.isFrozen(bridge) && Object.isFrozen(bridge.methods));
  // A page that was taken over speaks to the main process past its preload script.
  const forged: any[] = [];
  window.load(({ ipcRenderer }: any) => {
    ipcRenderer.send("sidecar:hello", "me");
    for (const method of ["shutdown", "initialize"]) {
      forged.push(
        ipcRenderer.invoke("sidecar:call", {
          page: "me",
          call: 1,
          method,
          params: {},
        }),
      );
    }
    forged.push(
      ipcRenderer.invoke("sidecar:call", {
        page: "other",
        call: 1,
        method: "system.health",
      }),
    );
    forged.push(
      ipcRenderer.invoke("sidecar:call", {
        page: "me",
        call: 1,
        method: "jobs.list",
        params: "all",
      }),
    );
    forged.push(ipcRenderer.invoke("sidecar:call"));
    for (const wrong of [undefined, 7, null, {}, ["x"]]) {
      for (const channel of ["hello", "subscribe", "unsubscribe", "cancel"])
        ipcRenderer.send(`sidecar:${channel}`, wrong, wrong, wrong, wrong);
    }
    ipcRenderer.send("sidecar:subscribe", "me", 1, ["$/progress", "events.lag", 7], { epoch: 1 });
  });
  for (const answer of forged) assert.equal((await answer).error.data.kind, "not_allowed");
  assert.equal((await open().page.system.health()).status, "ok");
  assert.ok(ipc.channels.every((channel) => channel.startsWith("sidecar:")));
  void page;
});

test("a host may narrow what windows can do", async (t) => {
  const { open, faults } = app(t, {
    methods: ["jobs.list"],
    notifications: [],
  });
  const { page } = open();
  assert.deepEqual((await page.jobs.list()).jobs, []);
  assert.equal((await failure(page.jobs.create(backUp))).kind, "not_allowed");
  page.on("jobs.updated", () => undefined);
  page.on("events.resync", () => undefined); // that something was lost is never kept from a page
  await page.jobs.list();
  assert.deepEqual(faults.map(String), ["Error: a page may not hear jobs.updated"]);
});

test("a preload script may narrow what its page can do", async (t) => {
  const { open } = app(t);
  const { window } = open();
  const narrow = (electron: any): void =>
    exposeSidecar({
      ...electron,
      methods: ["jobs.list"],
      notifications: [],
      key: "hub",
    });
  const bridge = window.load(narrow)["hub"] as SidecarBridge;
  const page = connectSidecar(bridge);
  assert.deepEqual([bridge.methods, bridge.notifications], [["jobs.list"], ["events.resync"]]);
  assert.deepEqual((await page.jobs.list()).jobs, []);
  assert.equal((await failure(page.jobs.create(backUp))).kind, "not_allowed");
  assert.throws(() => page.on("jobs.updated", () => undefined), /jobs.updated is not for pages/);
});

test("only the app's own pages may use the bridge", async (t) => {
  const { open } = app(t);
  const { window, page } = open();
  const may = async (url: string, parent: { url: string; parent: null } | null = null): Promise<boolean> => {
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
    assert.equal(await may(url), true, url);
  }
  for (const url of [
    "https://example.com/",
    "http://localhost.example.com/",
    "data:text/html,x",
    "about:blank",
    "blob:null/1",
    "",
  ]) {
    assert.equal(await may(url), false, url);
  }
  assert.equal(
    await may("file:///app/frame.html", {
      url: "file:///app/index.html",
      parent: null,
    }),
    false,
  );
  window.frame = null; // it was read after the frame had gone
  assert.equal((await failure(page.system.health())).kind, "not_allowed");
  assert.match((await failure(page.state())).message, /not_allowed/);
});

test("a host may say itself which pages may use the bridge", async (t) => {
  const { open } = app(t, {
    trust: ({ url }) => url.startsWith("https://hub.example/"),
  });
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

test("a page of others is told nothing, not even how the sidecar is", async (t) => {
  const { open, sidecar } = app(t);
  const [own, foreign] = [open(), open()];
  foreign.window.frame = { url: "https://example.com/", parent: null };
  const heard: string[] = [];
  foreign.page.on("jobs.updated", () => heard.push("event"));
  foreign.page.onState(() => heard.push("state"));
  await failure(foreign.page.state());
  own.page.onState(({ status }) => heard.push(status));
  await own.page.state();
  await own.page.jobs.create(backUp);
  await sidecar.stop();
  await until(
    (look) => own.page.onState(look),
    () => heard.includes("stopped"),
  );
  assert.deepEqual(
    heard.filter((what) => what === "event" || what === "state"),
    [],
  );
});

test("a frame inside a page does not take its place", async (t) => {
  const { page, window } = app(t).open();
  const inner = {
    url: "file:///app/frame.html",
    parent: { url: "file:///app/index.html", parent: null },
  };
  const event = { sender: window.contents, senderFrame: inner };
  window.ipc.emit("sidecar:hello", event, "the frame's page");
  assert.equal((await page.system.health()).status, "ok");
});

test("what a page cannot send is refused in the page", async (t) => {
  const { page } = app(t).open();
  const error = await failure(page.jobs.create({ type: "maintenance.backup", payload: { run: () => 1 } }));
  assert.match(error.message, /could not be cloned/);
});

test("a page without its preload script says so", () => {
  assert.throws(() => connectSidecar(), /webPreferences.preload/);
});
