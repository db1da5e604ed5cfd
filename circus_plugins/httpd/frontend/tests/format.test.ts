import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../src/format";

test("bytes have at most three digits and a unit", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [1536, "1.5 kB"],
    [1023 * 1024, "1.0 MB"],
    [52_428_800, "50.0 MB"],
    [150 * 2 ** 20, "150 MB"],
    [3.2 * 2 ** 30, "3.2 GB"],
  ];
  for (const [value, text] of cases) assert.equal(format.bytes(value), text);
});

test("durations are told by their two greatest units", () => {
  const cases: [number, string][] = [
    [0, "0 s"],
    [0.25, "250 ms"],
    [1.5, "1.5 s"],
    [59, "59 s"],
    [60, "1 min"],
    [200, "3 min 20 s"],
    [3600, "1 h"],
    [90_000, "1 d 1 h"],
    [86_400 * 400, "400 d"],
  ];
  for (const [value, text] of cases) assert.equal(format.duration(value), text);
});

test("an age is never negative and has no fraction", () => {
  assert.equal(format.age(100.4, 105.2), "5 s");
  assert.equal(format.age(110, 105), "0 s");
});

test("what is not known is a dash", () => {
  for (const write of [format.bytes, format.percent, format.duration, format.count, format.timeOfDay]) {
    assert.equal(write(null), "–");
    assert.equal(write(undefined), "–");
    assert.equal(write(Number.NaN), "–");
  }
});

test("percent loses its fraction when it is large", () => {
  assert.equal(format.percent(0.04), "0.0 %");
  assert.equal(format.percent(12.34), "12.3 %");
  assert.equal(format.percent(231.4), "231 %");
});
