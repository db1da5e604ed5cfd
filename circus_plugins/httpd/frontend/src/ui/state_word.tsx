import type { JSX } from "preact";
import type { WatcherRow } from "../types";
import type { RingLook } from "./ring";
import { cut } from "./name";

/** How a watcher looks: its state, or trouble if it can't have the processes that it should. */
export function lookOf(row: Pick<WatcherRow, "state" | "reason" | "backoffs">): RingLook {
  if (row.backoffs) return "trouble";
  return row.state;
}

/** The state in words, never by colour alone. */
export function StateWord({ row }: { row: Pick<WatcherRow, "state" | "reason" | "backoffs"> }): JSX.Element {
  const look = lookOf(row);
  return (
    <span class={`state state-${look}`} title={row.reason ? cut(row.reason, 400) : undefined}>
      <span class="state-dot" aria-hidden="true" />
      {look === "trouble" ? "failing" : row.state}
      {row.reason && <span class="visually-hidden">: {cut(row.reason, 400)}</span>}
    </span>
  );
}
