import assert from "node:assert/strict";
import { test } from "node:test";
import { docOf, edited, isDefault } from "../src/pages/option_values";
import { arranged, inOldOrder, reordered, withServices } from "../src/pages/overview_rows";
import type { OptionDoc, Overview, WatcherRow } from "../src/types";

function row(changes: Partial<WatcherRow> = {}): WatcherRow {
  return { kind: "watcher", state: "active", numprocesses: 1, running: 1, restarts: 0, ...changes };
}

const WATCHERS = {
  web10: row({ cpu: 5, cmd: "gunicorn app" }),
  web9: row({ cpu: 50 }),
  old: row({ state: "stopped", running: 0 }),
  ill: row({ state: "active", backoffs: 2, cpu: null }),
  "plugin:x": row({ kind: "plugin" }),
};

test("names are in the order of people, not of characters", () => {
  const order = { column: "name", isDescending: false } as const;
  assert.deepEqual(arranged(WATCHERS, ["watcher"], "", order), ["ill", "old", "web9", "web10"]);
  assert.deepEqual(arranged(WATCHERS, ["plugin"], "", order), ["plugin:x"]);
});

test("figures are ordered by size, unknown ones count least", () => {
  const names = arranged(WATCHERS, ["watcher"], "", { column: "cpu", isDescending: true });
  assert.deepEqual(names.slice(0, 2), ["web9", "web10"]);
});

test("trouble comes first when ordered by state", () => {
  assert.equal(arranged(WATCHERS, ["watcher"], "", { column: "state", isDescending: false })[0], "ill");
});

test("the filter looks at name, command and state", () => {
  const order = { column: "name", isDescending: false } as const;
  assert.deepEqual(arranged(WATCHERS, ["watcher"], "GUNI", order), ["web10"]);
  assert.deepEqual(arranged(WATCHERS, ["watcher"], "stopped", order), ["old"]);
});

test("a second click on a column turns the order round", () => {
  const first = reordered({ column: "name", isDescending: false }, "cpu");
  assert.deepEqual(first, { column: "cpu", isDescending: true });
  assert.deepEqual(reordered(first, "cpu"), { column: "cpu", isDescending: false });
});

test("services have the figures of the daemon in their rows", () => {
  const overview = {
    daemon: { services: { "circusd-stats": { cpu: 1.5, memory: 7 } } },
    watchers: { "circusd-stats": row({ kind: "service" }), web: row() },
  } as unknown as Overview;
  assert.equal(withServices(overview).watchers["circusd-stats"]?.cpu, 1.5);
  assert.equal(withServices(overview).watchers["web"]?.cpu, undefined);
});

test("an option of one's own choice is found by its pattern", () => {
  const docs = ["rlimit_NAME", "hooks.NAME", "numprocesses"].map((name) => ({ name }) as OptionDoc);
  assert.equal(docOf(docs, "rlimit_nofile")?.name, "rlimit_NAME");
  assert.equal(docOf(docs, "numprocesses")?.name, "numprocesses");
  assert.equal(docOf(docs, "rlimit_"), undefined);
  assert.equal(docOf(docs, "other"), undefined);
});

test("what is typed stays the kind of value that was there", () => {
  assert.equal(edited("12", 3), 12);
  assert.equal(edited("soon", 3), "soon");
  assert.deepEqual(edited('{"a": 1}', {}), { a: 1 });
  assert.equal(edited("12", "3"), "12");
});

test("a default is told by its value, empty counts as not set", () => {
  const doc = { default: 30 } as OptionDoc;
  assert.equal(isDefault(30, doc), true);
  assert.equal(isDefault(31, doc), false);
  assert.equal(isDefault({}, { default: null } as OptionDoc), true);
});

test("an order that is held loses who is gone and adds who is new", () => {
  assert.deepEqual(inOldOrder(["c", "d", "a"], ["a", "b", "c"]), ["a", "c", "d"]);
});
