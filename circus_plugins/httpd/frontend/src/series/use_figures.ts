import { useEffect, useMemo, useState } from "preact/hooks";
import { Problem, ask } from "../api";
import { segment } from "../base";
import { live, tick } from "../live/page_live";
import { queryText } from "../router";
import type { History, Usage } from "../types";
import { FigureTable } from "./figures";

const UNREACHABLE = 503;
const RETRY_MS = 3000;

/**
 * The figures of all of `usages`, sampled once per interval while the page is seen, with the last `seconds` of the history of the
 * daemon before them. `past` says whose history: that of all watchers, of one, or none (the processes of a
 * watcher have none).
 */
export function useFigures(
  daemon: string,
  past: { watcher?: string } | null,
  seconds: number,
  usages: { [name: string]: Pick<Usage, "cpu" | "memory"> } | undefined,
): FigureTable {
  const table = useMemo(() => new FigureTable(seconds + 60), [daemon, seconds]);
  const [, setPast] = useState(0);
  const watcher = past?.watcher;
  const isWanted = past !== null;
  useEffect(() => {
    if (!isWanted) return undefined;
    let isThere = true;
    const remember = async (): Promise<void> => {
      const history = await load(daemon, watcher, seconds);
      if (!isThere) return;
      for (const [name, columns] of Object.entries(history.watchers)) table.remember(name, columns);
      setPast((n) => n + 1);
    };
    // Without circusd-stats there is no history: charts begin empty, and the page says why.
    remember().catch(async (error: unknown) => {
      if (!(error instanceof Problem) || error.status !== UNREACHABLE) return;
      await new Promise((resolve) => window.setTimeout(resolve, RETRY_MS));
      if (isThere) await remember().catch(() => undefined);
    });
    return () => {
      isThere = false;
    };
  }, [table, watcher, isWanted]);
  const now = tick.value;
  useMemo(() => {
    if (usages && live.state.peek().kind === "up") table.sample(live.now(), usages);
  }, [now, table]);
  return table;
}

function load(daemon: string, watcher: string | undefined, seconds: number): Promise<History> {
  return ask<History>("GET", `daemons/${segment(daemon)}/history${queryText({ watcher, seconds })}`);
}
