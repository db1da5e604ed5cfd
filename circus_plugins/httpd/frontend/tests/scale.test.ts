import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, percent, rate } from "../src/format";
import { plain, roundCeiling } from "../src/ui/scale";

test("the upper edge is a round number that is not below", () => {
  const cases: [number, number][] = [
    [0, 1],
    [1, 1],
    [5, 5],
    [28.4, 30],
    [31.4, 40],
    [61, 80],
    [99, 100],
    [100.1, 200],
    [0.07, 0.07999999999999999],
  ];
  for (const [value, edge] of cases) assert.ok(Math.abs(roundCeiling(value, false) - edge) < 0.011, `${value}`);
});

test("bytes are round in their unit", () => {
  const MB = 2 ** 20;
  const cases: [number, string][] = [
    [MB, "1 MB"],
    [45.1 * MB, "50 MB"],
    [790 * MB, "800 MB"],
    [900 * MB, "1 GB"],
    [3.4 * 1024 * MB, "4 GB"],
    [700, "800 B"],
    [820, "1 kB"],
  ];
  for (const [value, label] of cases) assert.equal(plain(bytes(roundCeiling(value, true))), label);
});

test("half of the edge is as long a label as the edge", () => {
  for (let value = 0.5; value < 2000; value *= 1.13) {
    const edge = roundCeiling(value, false);
    assert.ok(edge >= value * 0.999);
    assert.ok(plain(percent(edge / 2)).length <= 7);
    assert.ok(plain(rate(edge / 2)).length <= 5);
  }
});

test("only a decimal that says nothing is left out", () => {
  assert.deepEqual(["40.0 %", "0.05", "2.5", "1.0 GB", "10.04"].map(plain), ["40 %", "0.05", "2.5", "1 GB", "10.04"]);
});
