import assert from "node:assert/strict";
import { test } from "node:test";
import { Timeline } from "../src/live/timeline";
import { weightOf, words } from "../src/pages/event_words";
import { LogBuffer, withoutRepetition } from "../src/pages/log_buffer";
import type { CircusEvent, LogLine } from "../src/types";

function event(id: number, time: number, changes: Partial<CircusEvent> = {}): CircusEvent {
  return { id, time, watcher: "web", action: "spawn", topic: "watcher.web.spawn", data: {}, ...changes };
}

function line(time: number, message: string): LogLine {
  return { watcher: "web", wid: 1, pid: 10, stream: "stdout", time, message };
}

test("events of several daemons come into one line of time", () => {
  const timeline = new Timeline();
  timeline.add("a", [event(1, 10), event(2, 30)], 2);
  timeline.add("b", [event(7, 20)], 7);
  assert.deepEqual(timeline.all.map(({ daemon, time }) => [daemon, time]), [["a", 10], ["b", 20], ["a", 30]]);
  assert.deepEqual([timeline.after("a"), timeline.after("b"), timeline.after("c")], [2, 7, undefined]);
});

test("numbers of events that begin anew are followed", () => {
  const timeline = new Timeline();
  timeline.add("a", [event(900, 10)], 900);
  timeline.add("a", [event(1, 20)], 1);
  assert.equal(timeline.after("a"), 1);
  assert.equal(new Set(timeline.all.map(({ key }) => key)).size, 2);
});

test("a bounded number of events is kept, the newest ones", () => {
  const timeline = new Timeline();
  timeline.add("a", Array.from({ length: 6000 }, (_, i) => event(i, i)), 5999);
  assert.equal(timeline.all.length, 5000);
  assert.equal(timeline.all.at(-1)?.time, 5999);
});

test("an end that was asked for is no trouble, any other is", () => {
  const timeline = new Timeline();
  const killed = { action: "kill", pid: 5 };
  const ended = { action: "reap", data: { exit_code: -15 } };
  timeline.add("a", [event(1, 1, killed), event(2, 2, { ...ended, pid: 5 }), event(3, 3, { ...ended, pid: 6 })], 3);
  assert.deepEqual(timeline.all.map(weightOf), ["quiet", "quiet", "bad"]);
});

test("events are told in words, also those that nobody knows yet", () => {
  assert.equal(words(event(1, 1, { action: "reap", pid: 5, data: { exit_code: -9 } })), "process 5 was ended by signal 9");
  assert.equal(words(event(1, 1, { action: "future", data: { what: "x", time: 3 } })), "what x");
});

test("a new subscription replaces the lines of the one before", () => {
  const buffer = new LogBuffer();
  buffer.beginAnew();
  buffer.add({ lines: [line(1, "a"), line(2, "b")], lost: { web: 99 }, missing: {} });
  buffer.add({ lines: [line(3, "c")], lost: { web: 7 }, missing: {} });
  assert.deepEqual(buffer.lines.map(({ message }) => message), ["a", "b", "c"]);
  assert.equal(buffer.lostBytes, 7);
  buffer.beginAnew();
  assert.equal(buffer.lines.length, 3);
  buffer.add({ lines: [line(2, "b"), line(3, "c")], lost: {}, missing: {} });
  assert.deepEqual(buffer.lines.map(({ message }) => message), ["b", "c"]);
  assert.equal(new Set(buffer.lines.map(({ key }) => key)).size, 2);
});

test("what the server found and what is here already is shown once, in order", () => {
  const buffer = new LogBuffer();
  buffer.add({ lines: [line(2, "b"), line(3, "c")], lost: {}, missing: {} });
  const both = withoutRepetition([line(1, "a"), line(2, "b")], buffer.lines);
  assert.deepEqual(both.map(({ message }) => message), ["a", "b", "c"]);
});
