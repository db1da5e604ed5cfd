import assert from "node:assert/strict";
import { test } from "node:test";
import { plainText, runs } from "../src/ansi";

test("colours and weights become looks", () => {
  assert.deepEqual(runs("a\u001b[1;31mb\u001b[0mc"), [
    { text: "a", look: [] },
    { text: "b", look: ["bold", "fg1"] },
    { text: "c", look: [] },
  ]);
  assert.deepEqual(runs("\u001b[97;44mx\u001b[39my"), [
    { text: "x", look: ["fg15", "bg4"] },
    { text: "y", look: ["bg4"] },
  ]);
});

test("colours of the large palettes become one of sixteen", () => {
  assert.deepEqual(runs("\u001b[38;5;196mr\u001b[38;2;0;120;0mg\u001b[48;5;244mx"), [
    { text: "r", look: ["fg9"] },
    { text: "g", look: ["fg2"] },
    { text: "x", look: ["fg2", "bg7"] },
  ]);
});

test("whatever else a terminal would obey is dropped", () => {
  const hostile = "\u001b]0;title\u0007a\u001b[2J\u001b[1;1Hb\u0008\u0007\u001b]8;;http://x\u001b\\c\u001b(Bd\u009b31me";
  assert.equal(plainText(hostile), "abcde");
  assert.equal(runs(hostile).map((run) => run.text).join(""), "abcde");
});

test("an unfinished sequence takes nothing but itself", () => {
  assert.equal(plainText("a\u001b[31"), "a31");
  assert.equal(plainText("tab\there"), "tab\there");
});

test("markup stays text", () => {
  assert.deepEqual(runs("<script>alert(1)</script>"), [{ text: "<script>alert(1)</script>", look: [] }]);
});
