import assert from "node:assert/strict";
import { test } from "node:test";
import { basePath, liveAddress, segment } from "../src/base";
import { pause } from "../src/live/backoff";
import { type Route, parseRoute, routeAddress } from "../src/router";

const HOSTILE = ["web", "a b", "<script>", "../..", ".", "~x", "%2F", "a/b?c#d", "ملف", "🎪", "__proto__", "x".repeat(10_000)];

test("a route survives its address, whatever the watcher is called", () => {
  for (const watcher of HOSTILE) {
    const routes: Route[] = [
      { page: "watcher", daemon: "0123456789ab", watcher, tab: "options" },
      { page: "logs", daemon: "0123456789ab", watcher },
      { page: "events", watcher },
    ];
    for (const route of routes) assert.deepEqual(parseRoute(routeAddress(route)), route);
  }
});

test("an address that leads nowhere is unknown, not an error", () => {
  for (const fragment of ["#/nothing", "#/watchers", "#/watchers/x", "#/sockets/x"]) {
    assert.deepEqual(parseRoute(fragment), { page: "unknown" });
  }
  assert.deepEqual(parseRoute("#/%"), { page: "unknown" });
  assert.deepEqual(parseRoute(""), { page: "overview" });
});

test("names go through proxies unharmed", () => {
  assert.equal(segment("web-1.x"), "web-1.x");
  for (const name of HOSTILE) assert.match(segment(name), /^(?!\.)[A-Za-z0-9_.~-]+$/);
  assert.equal(segment("a b"), "~YSBi");
  assert.equal(segment("🎪"), "~8J-Oqg");
});

test("the websocket is beside the page under any prefix", () => {
  assert.equal(basePath("/ops/circus/index.html"), "/ops/circus/");
  const at = { protocol: "https:", host: "h:1", pathname: "/ops/" };
  assert.equal(liveAddress(at), "wss://h:1/ops/api/live");
  assert.equal(liveAddress({ protocol: "http:", host: "h", pathname: "/" }), "ws://h/api/live");
});

test("pauses between tries grow up to a limit", () => {
  assert.deepEqual([0, 1, 2, 3].map((attempt) => pause(attempt, 1)), [500, 1000, 2000, 4000]);
  assert.equal(pause(1000, 1), 15_000);
  assert.equal(pause(0, 0), 300);
});
