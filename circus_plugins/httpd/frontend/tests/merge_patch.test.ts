import assert from "node:assert/strict";
import { test } from "node:test";
import { merged, withoutPrototypes } from "../src/live/merge_patch";

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

// The examples of RFC 7396, appendix A, as far as documents hold no null.
const EXAMPLES: [unknown, unknown, unknown][] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [["a", "b"], ["c", "d"], ["c", "d"]],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, "bar", "bar"],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

test("a merge patch does what the examples of the standard say", () => {
  for (const [target, patch, expected] of EXAMPLES) {
    assert.deepEqual(plain(merged(withoutPrototypes(target), patch)), expected);
  }
});

test("what a patch does not touch stays the same object", () => {
  const before = withoutPrototypes({ a: { x: 1 }, b: { x: 1 } }) as { a: object; b: object };
  const after = merged(before, { b: { x: 2 } }) as { a: object; b: object };
  assert.equal(after.a, before.a);
  assert.notEqual(after.b, before.b);
  assert.deepEqual(plain(before), { a: { x: 1 }, b: { x: 1 } });
});

test("a watcher may be called __proto__, constructor or toString", () => {
  const patch = JSON.parse('{"__proto__": {"cpu": 1}, "constructor": {"cpu": 2}, "toString": {"cpu": 3}}') as unknown;
  const first = withoutPrototypes({ web: { cpu: 0 } });
  const after = merged(first, patch) as { [name: string]: { cpu: number } };
  assert.deepEqual(Object.keys(after), ["web", "__proto__", "constructor", "toString"]);
  assert.equal(after["__proto__"]?.cpu, 1);
  assert.equal(({} as { cpu?: number }).cpu, undefined);
  assert.deepEqual(Object.keys(merged(after, JSON.parse('{"__proto__": null}')) as object), [
    "web",
    "constructor",
    "toString",
  ]);
});
