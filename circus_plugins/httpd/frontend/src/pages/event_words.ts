import { bytes, duration, optionText } from "../format";
import type { TimedEvent } from "../live/timeline";
import type { CircusEvent } from "../types";

export type Weight = "good" | "bad" | "change" | "quiet";

const WEIGHTS: { [action: string]: Weight } = {
  start: "good",
  ready: "good",
  spawn: "good",
  output_resumed: "good",
  backoff: "bad",
  unkillable: "bad",
  hung: "bad",
  reconnected: "bad",
  hook_failure: "bad",
  hook_timeout: "bad",
  output_held: "bad",
  output_dropped: "bad",
  events_dropped: "bad",
  stop: "change",
  reload: "change",
  updated: "change",
  add: "change",
  remove: "change",
};

/** How much an event matters to who looks for trouble. */
export function weightOf({ action, data, wasAsked }: TimedEvent): Weight {
  if (action === "reap") return data["exit_code"] === 0 || wasAsked ? "quiet" : "bad";
  return WEIGHTS[action] ?? "quiet";
}

/** What happened, in a sentence without its subject. */
export function words({ action, pid, data }: CircusEvent): string {
  const process = pid == null ? "process" : `process ${pid}`;
  const text = (key: string): string => optionText(data[key]);
  const number = (key: string): number => Number(data[key] ?? 0);
  switch (action) {
    case "spawn":
      return `${process} was started`;
    case "reap":
      return `${process} ${endOf(data["exit_code"])}`;
    case "kill":
      return `${process} was sent a stop signal`;
    case "unkillable":
      return `${process} does not end, it hangs in the kernel`;
    case "start":
      return "all processes are up";
    case "stop":
      return "stopped";
    case "reload":
      return "reloaded without a gap";
    case "add":
      return "added";
    case "remove":
      return "removed";
    case "updated":
      return "an option was changed";
    case "state":
      return `is ${text("state")}${text("reason") && `: ${text("reason")}`}`;
    case "ready":
      return `${process} is ready`;
    case "hung":
      return `${process} was silent for ${duration(number("silent"))} and is killed`;
    case "backoff":
      return `worker ${text("wid")} failed ${text("failures")} times in a row, next try in ${duration(number("delay"))}: ${text("reason")}`;
    case "hook_success":
      return `hook ${text("name")} returned`;
    case "hook_failure":
      return `hook ${text("name")} failed: ${text("error")}`;
    case "hook_timeout":
      return `hook ${text("name")} took longer than ${duration(number("timeout"))}`;
    case "output_held":
      return `${text("stream")} is held back: ${text("reason")}`;
    case "output_resumed":
      return `${text("stream")} goes on after ${duration(number("seconds"))}`;
    case "output_dropped":
      return `${bytes(number("lost_bytes"))} of ${text("stream")} were lost: ${text("reason")}`;
    case "events_dropped":
      return `${text("count")} events did not reach all subscribers`;
    default:
      return others(data);
  }
}

function endOf(code: unknown): string {
  if (typeof code !== "number") return "ended";
  return code < 0 ? `was ended by signal ${-code}` : `ended with ${code}`;
}

function others(data: { [name: string]: unknown }): string {
  if (typeof data["reason"] === "string" && data["reason"]) return data["reason"];
  return Object.entries(data)
    .filter(([key]) => key !== "time")
    .map(([key, value]) => `${key} ${optionText(value)}`)
    .join(", ");
}
