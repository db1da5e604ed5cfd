import { signal } from "@preact/signals";
import type { JSX } from "preact";
import * as format from "../format";
import { live, tick } from "../live/page_live";
import { useFigures } from "../series/use_figures";
import type { Watcher } from "../types";
import { Chart } from "../ui/chart";

const SPANS: { seconds: number; label: string }[] = [
  { seconds: 120, label: "2 min" },
  { seconds: 600, label: "10 min" },
  { seconds: 3600, label: "1 h" },
];
const MEGABYTE = 2 ** 20;

const span = signal(600);

/** What all processes of a watcher take together. */
export function WatcherCharts({ daemon, watcher }: { daemon: string; watcher: Watcher }): JSX.Element {
  const table = useFigures(daemon, { watcher: watcher.name }, 3600, { [watcher.name]: watcher });
  tick.value;
  const now = live.now();
  const { cpu, memory } = table.of(watcher.name);
  return (
    <section class="charts" aria-label="Figures of all processes together">
      <div class="segmented" role="group" aria-label="How far back">
        {SPANS.map(({ seconds, label }) => (
          <button key={seconds} type="button" aria-pressed={span.value === seconds} onClick={() => (span.value = seconds)}>
            {label}
          </button>
        ))}
      </div>
      <div class="chart-grid">
        <Chart title="CPU" look="cpu" {...cpu.since(now - span.value)} now={now} span={span.value} ceiling={5} format={format.percent} />
        <Chart title="Memory" look="memory" {...memory.since(now - span.value)} now={now} span={span.value} ceiling={MEGABYTE} format={format.bytes} />
      </div>
    </section>
  );
}
