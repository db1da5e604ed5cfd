import type { JSX } from "preact";
import type { Ring } from "../series/ring";

const WIDTH = 72;
const HEIGHT = 22;

interface SparklineProps {
  ring: Ring;
  /** The right edge, in seconds since 1970. */
  now: number;
  /** Seconds from the left edge to the right one. */
  span: number;
  /** The least value of the upper edge, so that noise looks like noise. */
  ceiling: number;
  look: "cpu" | "memory" | "reads";
}

/** The last figures as a line. The figure itself stands beside it in words, so this is nothing for screen readers. */
export function Sparkline({ ring, now, span, ceiling, look }: SparklineProps): JSX.Element {
  const line = path(ring, now - span, now, ceiling);
  return (
    <svg class={`sparkline sparkline-${look}`} width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <path class="area" d={line ? `${line.d}L${line.end} ${HEIGHT}L${line.start} ${HEIGHT}Z` : ""} />
      <path class="line" d={line?.d ?? ""} />
    </svg>
  );
}

function path(ring: Ring, from: number, to: number, ceiling: number): { d: string; start: string; end: string } | undefined {
  let top = ceiling;
  ring.forEachSince(from, (_, value) => {
    if (value * 1.15 > top) top = value * 1.15;
  });
  const points: string[] = [];
  let start = "";
  let end = "";
  ring.forEachSince(from, (time, value) => {
    if (Number.isNaN(value)) return;
    const x = (((time - from) / (to - from)) * WIDTH).toFixed(1);
    const y = (HEIGHT - 1.5 - (value / top) * (HEIGHT - 3)).toFixed(1);
    if (!points.length) start = x;
    end = x;
    points.push(`${x} ${y}`);
  });
  return points.length > 1 ? { d: `M${points.join("L")}`, start, end } : undefined;
}
