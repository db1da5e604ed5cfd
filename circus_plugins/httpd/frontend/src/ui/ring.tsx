import type { JSX } from "preact";

const RADIUS = 11.5;
const ROUND = 2 * Math.PI * RADIUS;
// More segments than this can't be told apart: then the ring is filled in proportion.
const MOST_SEGMENTS = 16;

export type RingLook = "active" | "stopped" | "starting" | "stopping" | "trouble" | "accent";

/** The processes of a watcher as a ring: one segment for each that is wanted, filled for each that runs. */
export function Ring(props: { wanted: number; running: number; look: RingLook; size?: number }): JSX.Element {
  const { wanted, running, look, size = 28 } = props;
  return (
    <svg class={`ring ring-${look}`} width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <g transform="rotate(-90 16 16)">{segments(Math.max(wanted, running), running)}</g>
    </svg>
  );
}

function segments(total: number, running: number): JSX.Element[] {
  if (total <= 1) return [arc(0, 0, ROUND, running > 0)];
  if (total > MOST_SEGMENTS) {
    const filled = (ROUND * running) / total;
    return [arc(0, 0, ROUND, false), arc(1, 0, filled, true)];
  }
  const step = ROUND / total;
  const gap = Math.min(4, step * 0.3);
  return Array.from({ length: total }, (_, i) => arc(i, i * step + gap / 2, step - gap, i < running));
}

function arc(key: number, from: number, length: number, isFilled: boolean): JSX.Element {
  return (
    <circle
      key={key}
      class={isFilled ? "filled" : "open"}
      cx="16"
      cy="16"
      r={RADIUS}
      stroke-dasharray={`${length} ${ROUND - length}`}
      stroke-dashoffset={-from}
    />
  );
}
