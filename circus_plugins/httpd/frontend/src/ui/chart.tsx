import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { plain, roundCeiling } from "./scale";

export interface ChartProps {
  title: string;
  /** Instants in seconds, ascending, and the values at them; NaN where nothing is known. */
  times: number[];
  values: number[];
  /** The right edge, and the seconds that are shown before it. */
  now: number;
  span: number;
  /** The least value of the upper edge. */
  ceiling: number;
  look: "cpu" | "memory" | "reads";
  format: (value: number | null | undefined) => string;
}

const HEIGHT = 150;

/** A live chart of one figure, with its newest, mean and greatest value in words. */
export function Chart(props: ChartProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLOutputElement>(null);
  const newest = useRef(props);
  newest.current = props;
  const plot = useRef<uPlot | null>(null);

  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const made = make(element, newest, (text) => {
      if (readout.current) readout.current.textContent = text;
    });
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    const recoloured = new MutationObserver(() => made.redraw(false));
    recoloured.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const scheme = window.matchMedia("(prefers-color-scheme: dark)");
    const redraw = (): void => made.redraw(false);
    scheme.addEventListener("change", redraw);
    return () => {
      scheme.removeEventListener("change", redraw);
      recoloured.disconnect();
      resized.disconnect();
      made.destroy();
    };
  }, []);

  useEffect(() => {
    plot.current?.setData([props.times, holes(props.values)], true);
  });

  const { newestText, summary } = inWords(props);
  return (
    <figure class={`chart chart-${props.look}`}>
      <figcaption>
        <span class="chart-title">{props.title}</span>
        <strong class="chart-now">{newestText}</strong>
        <output class="chart-readout" ref={readout} aria-hidden="true" />
        <span class="chart-summary">{summary}</span>
      </figcaption>
      <div class="chart-box" ref={box} role="img" aria-label={`${props.title}: ${newestText} now, ${summary}`} />
    </figure>
  );
}

function make(element: HTMLElement, props: { current: ChartProps }, say: (text: string) => void): uPlot {
  const colour = (name: string) => () => resolved(element, name);
  const options: uPlot.Options = {
    width: element.clientWidth || 300,
    height: HEIGHT,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: {
      x: { time: true, range: () => [props.current.now - props.current.span, props.current.now] },
      y: { range: (_plot, _low, high) => [0, roundCeiling(Math.max(props.current.ceiling, (high || 0) * 1.05), props.current.look === "memory")] },
    },
    axes: [
      { stroke: colour("--ink-3"), grid: { show: false }, ticks: { show: false }, size: 26, space: 76, font: "11px IBM Plex Mono, monospace", values: (_plot, splits) => splits.map((time) => (isInside(time, props.current) ? clock(time) : "")) },
      {
        stroke: colour("--ink-3"),
        grid: { stroke: colour("--line"), width: 1 },
        ticks: { show: false },
        size: 62,
        font: "11px IBM Plex Mono, monospace",
        splits: (_plot, _axis, low, high) => [low, (low + high) / 2, high],
        values: (_plot, splits) => splits.map((value) => plain(props.current.format(value))),
      },
    ],
    series: [
      {},
      {
        stroke: colour(`--chart-${props.current.look}`),
        fill: colour(`--chart-${props.current.look}-area`),
        width: 1.6,
        points: { show: false },
        spanGaps: false,
      },
    ],
    hooks: {
      setCursor: [
        (plot) => {
          const at = plot.cursor.idx;
          const time = at == null ? undefined : plot.data[0][at];
          const value = at == null ? undefined : plot.data[1]?.[at];
          say(time === undefined || value == null ? "" : `${clockWithSeconds(time)}  ${props.current.format(value)}`);
        },
      ],
    },
  };
  return new uPlot(options, [props.current.times, holes(props.current.values)], element);
}

/** What a custom property is as a colour now; canvas knows neither `var()` nor `light-dark()`. */
function resolved(element: HTMLElement, name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

function holes(values: number[]): (number | null)[] {
  return values.map((value) => (Number.isNaN(value) ? null : value));
}

/** Is there room for the label of this instant, or would the edge cut it? */
function isInside(time: number, { now, span }: ChartProps): boolean {
  return now - time > span * 0.05 && time - (now - span) > span * 0.02;
}

function clock(moment: number): string {
  const date = new Date(moment * 1000);
  const minutes = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return date.getSeconds() ? `${minutes}:${two(date.getSeconds())}` : minutes;
}

function clockWithSeconds(moment: number): string {
  const date = new Date(moment * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

function inWords({ times, values, now, span, format }: ChartProps): { newestText: string; summary: string } {
  let [sum, amount, greatest] = [0, 0, Number.NaN];
  let newest = Number.NaN;
  values.forEach((value, i) => {
    if (Number.isNaN(value) || (times[i] ?? 0) < now - span) return;
    sum += value;
    amount += 1;
    newest = value;
    if (!(value <= greatest)) greatest = value;
  });
  if (!amount) return { newestText: "–", summary: "no figures yet" };
  return { newestText: format(newest), summary: `mean ${format(sum / amount)}, peak ${format(greatest)}` };
}
