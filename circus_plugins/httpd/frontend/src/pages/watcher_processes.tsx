import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { killProcess } from "../actions";
import * as format from "../format";
import { live, tick } from "../live/page_live";
import type { FigureTable } from "../series/figures";
import { useFigures } from "../series/use_figures";
import { mayChange } from "../session";
import type { Backoff, Process, Watcher } from "../types";
import { Button } from "../ui/button";
import { Empty } from "../ui/empty";
import { isNarrow } from "../ui/narrow";
import { Sparkline } from "../ui/sparkline";
import { VirtualList } from "../ui/virtual_list";
import { ProcessDialog } from "./watcher_process";
import { SignalDialog } from "./watcher_signal";

const SPARK_SECONDS = 120;
const ROW_HEIGHT = 46;
const NARROW_ROW_HEIGHT = 76;
const MEGABYTE = 2 ** 20;

/** The processes of a watcher by worker number, and the workers that wait to be tried again. */
export function ProcessesPanel({ daemon, watcher }: { daemon: string; watcher: Watcher }): JSX.Element {
  const figures = useFigures(daemon, null, SPARK_SECONDS, watcher.processes);
  const [signalled, setSignalled] = useState<number | null>(null);
  const [examined, setExamined] = useState<number | null>(null);
  const processes = useMemo(
    () => Object.values(watcher.processes).sort((a, b) => a.wid - b.wid || a.pid - b.pid),
    [watcher.processes],
  );
  const row = (index: number): JSX.Element | null => {
    const process = processes[index];
    return process ? (
      <ProcessRow
        key={process.pid}
        index={index}
        process={process}
        figures={figures}
        onExamine={() => setExamined(process.pid)}
        onSignal={() => setSignalled(process.pid)}
        onKill={() => killProcess(daemon, watcher.name, process.pid)}
      />
    ) : null;
  };
  return (
    <>
      <Waiting waiting={watcher.waiting ?? {}} />
      {processes.length === 0 && <Empty title="No process is running" />}
      {processes.length > 0 && (
        <div class="table processes" role="table" aria-label="Processes" aria-rowcount={processes.length + 1}>
          <ProcessHead />
          <VirtualList
            count={processes.length}
            rowHeight={isNarrow.value ? NARROW_ROW_HEIGHT : ROW_HEIGHT}
            render={row}
            role="rowgroup"
            class="table-body"
          />
        </div>
      )}
      {examined !== null && (
        <ProcessDialog
          pid={examined}
          process={watcher.processes[examined]}
          figures={figures.of(String(examined))}
          onClose={() => setExamined(null)}
        />
      )}
      {signalled !== null && (
        <SignalDialog daemon={daemon} watcher={watcher.name} pid={signalled} onClose={() => setSignalled(null)} />
      )}
    </>
  );
}

const HEADINGS = [
  ["wid", "Worker"],
  ["pid", "PID"],
  ["pstate", "State"],
  ["age", "Age"],
  ["cpu", "CPU"],
  ["memory", "Memory"],
  ["threads", "Threads"],
  ["files", "Files"],
] as const;

function ProcessHead(): JSX.Element {
  return (
    <div class="table-head" role="rowgroup">
      <div class="row row-head" role="row" aria-rowindex={1}>
        {HEADINGS.map(([name, label]) => (
          <div key={name} class={`cell cell-${name}`} role="columnheader">
            {label}
          </div>
        ))}
        <div class="cell cell-actions" role="columnheader">
          <span class="visually-hidden">Actions</span>
        </div>
      </div>
    </div>
  );
}

interface ProcessRowProps {
  index: number;
  process: Process;
  figures: FigureTable;
  onExamine: () => void;
  onSignal: () => void;
  onKill: () => unknown;
}

function ProcessRow({ index, process, figures, onExamine, onSignal, onKill }: ProcessRowProps): JSX.Element {
  tick.value; // ages go on, and figures are added to what `figures` holds
  const now = live.now();
  const { cpu, memory } = figures.of(String(process.pid));
  return (
    <div class="row" role="row" aria-rowindex={index + 2}>
      <div class="cell cell-wid number" role="cell">
        <span class="unit-narrow">worker </span>
        {process.wid}
      </div>
      <div class="cell cell-pid number" role="cell">
        <span class="unit-narrow">pid </span>
        <button type="button" class="link" aria-label={`Process ${process.pid}: charts and more`} onClick={onExamine}>
          {process.pid}
        </button>
        {(process.children ?? 0) > 0 && (
          <span class="of" title="descendants that are counted in">
            {" "}
            +{process.children}
          </span>
        )}
      </div>
      <div class="cell cell-pstate" role="cell">
        <span class={`state state-process-${process.state}`}>
          <span class="state-dot" aria-hidden="true" />
          {process.state}
        </span>
        {deadline(process, now)}
      </div>
      <div class="cell cell-age number" role="cell">
        {format.age(process.started, now)}
      </div>
      <div class="cell cell-cpu" role="cell">
        <span class="number">{format.percent(process.cpu)}</span>
        <Sparkline ring={cpu} now={now} span={SPARK_SECONDS} ceiling={10} look="cpu" />
      </div>
      <div class="cell cell-memory" role="cell">
        <span class="number">{format.bytes(process.memory)}</span>
        <Sparkline ring={memory} now={now} span={SPARK_SECONDS} ceiling={8 * MEGABYTE} look="memory" />
      </div>
      <div class="cell cell-threads number" role="cell">
        {format.count(process.threads)}
      </div>
      <div class="cell cell-files number" role="cell">
        {format.count(process.open_files)}
      </div>
      <div class="cell cell-actions" role="cell">
        {mayChange() && (
          <>
            <Button look="quiet" icon="signal" label={`Send a signal to ${process.pid}`} onClick={onSignal} />
            <Button look="quiet" icon="kill" label={`Kill process ${process.pid}`} onClick={onKill} />
          </>
        )}
      </div>
    </div>
  );
}

/** When something will end a process, if that is known. */
function deadline(process: Process, now: number): JSX.Element | null {
  if (process.killed_at) return <span class="of">killed in {format.duration(Math.round(process.killed_at - now))}</span>;
  if (process.expires) {
    return (
      <span class="of" title="then another process takes its place">
        {format.duration(Math.round(process.expires - now))} left
      </span>
    );
  }
  return null;
}

function Waiting({ waiting }: { waiting: { [wid: string]: Backoff } }): JSX.Element | null {
  tick.value;
  const wids = Object.keys(waiting);
  if (!wids.length) return null;
  const now = live.now();
  return (
    <ul class="waiting" aria-label="Workers that wait to be tried again">
      {wids.slice(0, 20).map((wid) => {
        const { failures = 0, next_try: nextTry, reason = "" } = waiting[wid] ?? {};
        return (
          <li key={wid} class="banner banner-down">
            <p>
              <strong>Worker {wid}</strong> failed {failures} times in a row
              {nextTry !== undefined && `, next try in ${format.duration(Math.max(0, Math.round(nextTry - now)))}`}
              {reason && ": "}
              <bdi dir="auto">{reason}</bdi>
            </p>
          </li>
        );
      })}
    </ul>
  );
}
