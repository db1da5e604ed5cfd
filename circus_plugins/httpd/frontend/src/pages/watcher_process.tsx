import type { JSX } from "preact";
import * as format from "../format";
import { live, tick } from "../live/page_live";
import type { Figures } from "../series/figures";
import type { Process } from "../types";
import { Chart } from "../ui/chart";
import { Dialog } from "../ui/dialog";

const SPAN_SECONDS = 120;
const MEGABYTE = 2 ** 20;

interface ProcessDialogProps {
  pid: number;
  /** Undefined once it has ended. */
  process: Process | undefined;
  figures: Figures;
  onClose: () => void;
}

/** One process at length, with its charts since the page was opened. */
export function ProcessDialog({ pid, process, figures, onClose }: ProcessDialogProps): JSX.Element {
  tick.value;
  const now = live.now();
  const from = now - SPAN_SECONDS;
  return (
    <Dialog title={`Process ${pid}`} onClose={onClose} isWide>
      {!process && <p class="note">It has ended.</p>}
      <Chart title="CPU" look="cpu" {...figures.cpu.since(from)} now={now} span={SPAN_SECONDS} ceiling={5} format={format.percent} />
      <Chart title="Memory" look="memory" {...figures.memory.since(from)} now={now} span={SPAN_SECONDS} ceiling={MEGABYTE} format={format.bytes} />
      {process && <Facts process={process} now={now} />}
    </Dialog>
  );
}

function Facts({ process, now }: { process: Process; now: number }): JSX.Element {
  const facts: [string, string][] = [
    ["worker", format.count(process.wid)],
    ["state", process.state],
    ["age", format.age(process.started, now)],
    ["user", process.username ?? format.UNKNOWN],
    ["nice", String(process.nice ?? format.UNKNOWN)],
    ["cpu time", format.duration(process.cpu_time)],
    ["threads", format.count(process.threads)],
    ["open files", format.count(process.open_files)],
    ["descendants", format.count(process.children)],
    ["reads", format.bytesPerSecond(process.io_read)],
    ["writes", format.bytesPerSecond(process.io_write)],
    ["restarts of this worker", format.count(process.restarts)],
  ];
  return (
    <dl class="pairs pairs-row">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd class="number">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
