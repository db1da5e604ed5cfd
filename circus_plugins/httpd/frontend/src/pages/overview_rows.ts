import type { Overview, WatcherRow } from "../types";

export type Column = "name" | "state" | "processes" | "cpu" | "memory" | "restarts";

export interface Order {
  column: Column;
  isDescending: boolean;
}

const STATES = ["starting", "stopping", "active", "stopped"];

/** The names of the watchers of these kinds that fit `filter`, in order; figures that are not known count least. */
export function arranged(
  watchers: { [name: string]: WatcherRow },
  kinds: readonly WatcherRow["kind"][],
  filter: string,
  order: Order,
): string[] {
  const wanted = filter.trim().toLowerCase();
  const names = Object.keys(watchers).filter((name) => fits(name, watchers[name], kinds, wanted));
  const sign = order.isDescending ? -1 : 1;
  return names.sort((a, b) => sign * compared(watchers[a], watchers[b], order.column) || byName(a, b) * (order.column === "name" ? sign : 1));
}

/** The overview with the figures of circusd-stats and circushttpd, which belong to the daemon, in their rows too. */
export function withServices(overview: Overview): Overview {
  const watchers = Object.assign(Object.create(null), overview.watchers) as Overview["watchers"];
  for (const [name, usage] of Object.entries(overview.daemon.services ?? {})) {
    const row = watchers[name];
    if (row?.kind === "service") watchers[name] = { ...usage, ...row };
  }
  return { ...overview, watchers };
}

/** `fresh` in the order of `old`; what is new comes last. */
export function inOldOrder(fresh: readonly string[], old: readonly string[]): string[] {
  const isFresh = new Set(fresh);
  const kept = old.filter((name) => isFresh.has(name));
  const isKept = new Set(kept);
  return [...kept, ...fresh.filter((name) => !isKept.has(name))];
}

/** What a click on a column makes of the order: names and states from the top, figures from the greatest. */
export function reordered(order: Order, column: Column): Order {
  if (order.column === column) return { column, isDescending: !order.isDescending };
  return { column, isDescending: column !== "name" && column !== "state" };
}

function fits(name: string, row: WatcherRow | undefined, kinds: readonly WatcherRow["kind"][], wanted: string): boolean {
  if (!row || !kinds.includes(row.kind)) return false;
  if (!wanted) return true;
  return name.toLowerCase().includes(wanted) || (row.cmd ?? "").toLowerCase().includes(wanted) || row.state === wanted;
}

function compared(a: WatcherRow | undefined, b: WatcherRow | undefined, column: Column): number {
  if (!a || !b) return 0;
  switch (column) {
    case "name":
      return 0;
    case "state":
      return rank(a) - rank(b);
    case "processes":
      return a.running - b.running;
    case "restarts":
      return a.restarts - b.restarts;
    case "cpu":
    case "memory":
      return (a[column] ?? -1) - (b[column] ?? -1);
  }
}

/** Trouble first. */
function rank(row: WatcherRow): number {
  return row.backoffs ? -1 : STATES.indexOf(row.state);
}

function byName(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
