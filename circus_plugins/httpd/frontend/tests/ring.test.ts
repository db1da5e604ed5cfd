import assert from "node:assert/strict";
import { test } from "node:test";
import { FigureTable } from "../src/series/figures";
import { Ring } from "../src/series/ring";

function content(ring: Ring, from = 0): [number, number][] {
  const found: [number, number][] = [];
  ring.forEachSince(from, (time, value) => found.push([time, value]));
  return found;
}

test("a full ring forgets its oldest figures", () => {
  const ring = new Ring(3);
  for (let i = 1; i <= 5; i++) ring.push(i, i * 10);
  assert.deepEqual(content(ring), [[3, 30], [4, 40], [5, 50]]);
  assert.deepEqual(content(ring, 5), [[5, 50]]);
  assert.equal(ring.last(), 50);
});

test("figures that are not later than the last are ignored", () => {
  const ring = new Ring(3);
  ring.push(2, 1);
  ring.push(2, 9);
  ring.push(1, 9);
  assert.deepEqual(content(ring), [[2, 1]]);
});

test("a past goes before what came meanwhile", () => {
  const ring = new Ring(4);
  ring.push(10, 1);
  ring.push(11, 2);
  ring.prepend([8, 9, 10, 11], [5, null, 7, 8]);
  assert.deepEqual(content(ring), [[8, 5], [9, Number.NaN], [10, 1], [11, 2]]);
});

test("a figure that is late makes no hole, one that stays away does", () => {
  const table = new FigureTable(20);
  const usages: (number | null)[] = [null, 5, null, 6, null, null, null, null, null];
  usages.forEach((memory, i) => table.sample(i + 1, { web: { cpu: 1, memory } }));
  assert.deepEqual(content(table.of("web").memory), [[2, 5], [4, 6], [8, Number.NaN]]);
});

test("things that are gone are forgotten when there are too many", () => {
  const table = new FigureTable(5);
  for (let i = 0; i < 200; i++) table.sample(i, { [`pid${i}`]: { cpu: 1, memory: 1 } });
  assert.equal(table.of("pid199").cpu.length, 1);
  assert.equal(table.of("pid0").cpu.length, 0);
});
