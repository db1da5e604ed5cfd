/** What the pages can do to a daemon. Each tells its outcome; true if it was done. */

import { ask } from "./api";
import { segment } from "./base";
import { plural } from "./format";
import type { Outcome } from "./types";
import { confirmed } from "./ui/confirm";
import { tellDone, tellFailed } from "./ui/messages";
import { cut } from "./ui/name";

const DASHBOARD = "circushttpd";
const THEN_NO_DASHBOARD = "It serves these pages: they are gone until `circusctl start circushttpd` brings them back.";

/** The path of a watcher in the API. */
export function watcherPath(daemon: string, watcher: string): string {
  return `daemons/${daemon}/watchers/${segment(watcher)}`;
}

/** Send what changes something, and tell the outcome. */
export async function perform(path: string, body: object = {}, method: "POST" | "PATCH" | "DELETE" = "POST"): Promise<boolean> {
  return tellOutcome(() => ask<Outcome>(method, path, method === "DELETE" ? undefined : body));
}

/** Tell what came of `act`: its message, what is still wrong, or why it was refused. */
export async function tellOutcome(act: () => Promise<Outcome>): Promise<boolean> {
  try {
    const outcome = await act();
    const troubles = Object.entries(outcome.troubles ?? {});
    for (const [name, trouble] of troubles) tellFailed(`${shortName(name)}: ${trouble}`);
    if (!troubles.length) tellDone(outcome.message);
    return true;
  } catch (error) {
    tellFailed((error as Error).message);
    return false;
  }
}

/** Start what is stopped and stop what is not, after a question. */
export async function toggleWatcher(daemon: string, watcher: string, state: string, running: number): Promise<void> {
  if (state === "stopped") await startWatcher(daemon, watcher);
  else await stopWatcher(daemon, watcher, running);
}

async function startWatcher(daemon: string, watcher: string): Promise<void> {
  const yes = await confirmed({
    title: `Start ${shortName(watcher)}?`,
    text: "Its processes are started.",
    action: "Start",
  });
  if (yes) await perform(`${watcherPath(daemon, watcher)}/start`);
}

async function stopWatcher(daemon: string, watcher: string, running: number): Promise<void> {
  const yes = await confirmed({
    title: `Stop ${shortName(watcher)}?`,
    text: watcher === DASHBOARD ? THEN_NO_DASHBOARD : `${plural(running, "process", "processes")} will be stopped. It stays stopped until it is started again.`,
    action: "Stop",
    isDangerous: true,
  });
  if (yes) await perform(`${watcherPath(daemon, watcher)}/stop`);
}

export async function restartWatcher(daemon: string, watcher: string): Promise<void> {
  const yes = await confirmed({
    title: `Restart ${shortName(watcher)}?`,
    text: "All its processes are stopped, then started again. A reload has no gap.",
    action: "Restart",
    isDangerous: true,
  });
  if (yes) await perform(`${watcherPath(daemon, watcher)}/restart`);
}

export async function reloadWatcher(daemon: string, watcher: string, sequential = false): Promise<void> {
  await perform(`${watcherPath(daemon, watcher)}/reload`, sequential ? { sequential } : {});
}

/** Have one process more or one less. */
export async function resizeWatcher(daemon: string, watcher: string, way: "incr" | "decr"): Promise<void> {
  await perform(`${watcherPath(daemon, watcher)}/${way}`, { nb: 1 });
}

export async function removeWatcher(daemon: string, watcher: string): Promise<boolean> {
  const yes = await confirmed({
    title: `Remove ${shortName(watcher)}?`,
    text: "Its processes are stopped and circusd forgets it. The configuration file does not change.",
    action: "Remove",
    isDangerous: true,
  });
  return yes && (await perform(watcherPath(daemon, watcher), {}, "DELETE"));
}

export async function killProcess(daemon: string, watcher: string, pid: number): Promise<void> {
  const yes = await confirmed({
    title: `Kill process ${pid}?`,
    text: "It gets the stop signal, then SIGKILL if it has not ended in time, and so do its descendants. A new one takes its place.",
    action: "Kill",
    isDangerous: true,
  });
  if (yes) await perform(`${watcherPath(daemon, watcher)}/processes/${pid}/kill`);
}

function shortName(name: string): string {
  return cut(name, 60);
}
