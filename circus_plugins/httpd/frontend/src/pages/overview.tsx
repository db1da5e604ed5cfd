import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { removeWatcher, reloadWatcher, resizeWatcher, restartWatcher, toggleWatcher } from "../actions";
import * as format from "../format";
import { live, tick, useDaemons, useOverview } from "../live/page_live";
import { routeAddress } from "../router";
import type { FigureTable } from "../series/figures";
import { useFigures } from "../series/use_figures";
import { mayChange } from "../session";
import type { Daemon, Overview, WatcherRow } from "../types";
import { Button } from "../ui/button";
import { Empty, Loading } from "../ui/empty";
import { SearchField } from "../ui/field";
import { Icon } from "../ui/icons";
import { Menu } from "../ui/menu";
import { Name } from "../ui/name";
import { isNarrow } from "../ui/narrow";
import { Ring } from "../ui/ring";
import { Sparkline } from "../ui/sparkline";
import { StateWord, lookOf } from "../ui/state_word";
import { VirtualList } from "../ui/virtual_list";
import { AddWatcherDialog } from "./add_watcher";
import { type Column, type Order, arranged, inOldOrder, reordered, withServices } from "./overview_rows";
import { ReloadConfigDialog } from "./reload_config";

const SPARK_SECONDS = 120;
const ROW_HEIGHT = 52;
const NARROW_ROW_HEIGHT = 84;
const MEGABYTE = 2 ** 20;
const OWN: readonly WatcherRow["kind"][] = ["watcher"];
const SERVING: readonly WatcherRow["kind"][] = ["plugin", "service"];

const filter = signal("");
const order = signal<Order>({ column: "name", isDescending: false });

export function OverviewPage(): JSX.Element {
  const daemons = useDaemons();
  return (
    <>
      <header class="page-header">
        <h1>Watchers</h1>
        <SearchField label="Filter by name, command or state" value={filter.value} onInput={(text) => (filter.value = text)} />
      </header>
      {!daemons && <Loading what="watchers" />}
      {daemons && !daemons.order.length && (
        <Empty title="No daemon is connected">
          <a href={routeAddress({ page: "daemons" })}>Connect one</a>
        </Empty>
      )}
      {daemons?.order.map((id) => <DaemonSection key={id} id={id} isAlone={daemons.order.length === 1} />)}
    </>
  );
}

function DaemonSection({ id, isAlone }: { id: string; isAlone: boolean }): JSX.Element {
  const { data: received, problem } = useOverview(id);
  const data = useMemo(() => received && withServices(received), [received]);
  const figures = useFigures(id, {}, SPARK_SECONDS, data?.watchers);
  const headingId = `daemon-${id}`;
  if (!data) {
    return problem ? <Empty title="This daemon can't be shown">{problem}</Empty> : <Loading what="watchers" />;
  }
  return (
    <section class="daemon-section" aria-labelledby={headingId}>
      <SectionHeader overview={data} headingId={headingId} isAlone={isAlone} />
      <WatcherTable overview={data} kinds={OWN} figures={figures} label={`Watchers of ${data.daemon.endpoint}`} />
      {Object.values(data.watchers).some((row) => SERVING.includes(row.kind)) && (
        <>
          <h3 class="table-heading">Plugins and services</h3>
          <WatcherTable overview={data} kinds={SERVING} figures={figures} label={`Plugins and services of ${data.daemon.endpoint}`} />
        </>
      )}
    </section>
  );
}

function SectionHeader(props: { overview: Overview; headingId: string; isAlone: boolean }): JSX.Element {
  const { daemon, watchers } = props.overview;
  const [dialog, setDialog] = useState<"add" | "reload" | null>(null);
  return (
    <>
      <div class="section-header">
        <div class="section-title">
          <h2 id={props.headingId} class="endpoint">
            <Name value={daemon.endpoint} />
          </h2>
          {daemon.state !== "up" && <span class="badge badge-down">{daemon.state === "down" ? "not reachable" : "connecting"}</span>}
        </div>
        {mayChange() && (
          <div class="section-actions">
            <Button icon="reload" onClick={() => setDialog("reload")}>
              Reload config
            </Button>
            <Button icon="plus" onClick={() => setDialog("add")}>
              Add watcher
            </Button>
          </div>
        )}
      </div>
      <Trouble daemon={daemon} />
      <Totals watchers={watchers} overview={props.overview} />
      {dialog === "add" && <AddWatcherDialog daemon={daemon.id} onClose={() => setDialog(null)} />}
      {dialog === "reload" && <ReloadConfigDialog daemon={daemon.id} onClose={() => setDialog(null)} />}
    </>
  );
}

/** Why figures or everything are missing. */
function Trouble({ daemon }: { daemon: Daemon }): JSX.Element | null {
  const text = daemon.state !== "up" ? daemon.problem : daemon.stats && !daemon.stats.is_on ? daemon.stats.problem : "";
  if (!text) return null;
  return (
    <div class={daemon.state === "down" ? "banner banner-down" : "banner"} role="note">
      <Icon name="warning" />
      <p dir="auto">{text}</p>
    </div>
  );
}

function Totals({ watchers, overview }: { watchers: Overview["watchers"]; overview: Overview }): JSX.Element {
  let [running, active, failing, cpu, memory] = [0, 0, 0, 0, 0];
  const rows = Object.values(watchers).filter((row) => OWN.includes(row.kind));
  const hasFigures = rows.some((row) => typeof row.memory === "number");
  for (const row of rows) {
    running += row.running;
    active += row.state === "active" ? 1 : 0;
    failing += row.backoffs ? 1 : 0;
    cpu += row.cpu ?? 0;
    memory += row.memory ?? 0;
  }
  const facts: [string, string][] = [
    ["active", `${format.count(active)} of ${format.count(rows.length)}`],
    ["processes", format.count(running)],
    ["cpu", format.percent(hasFigures ? cpu : null)],
    ["memory", format.bytes(hasFigures ? memory : null)],
  ];
  if (overview.sockets.count) facts.push(["socket activity", format.perSecond(overview.sockets.reads)]);
  if (failing) facts.push(["failing", format.count(failing)]);
  return (
    <dl class="totals">
      {facts.map(([label, value]) => (
        <div key={label} class={label === "failing" ? "total total-bad" : "total"}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const COLUMNS: { column: Column; label: string }[] = [
  { column: "name", label: "Watcher" },
  { column: "state", label: "State" },
  { column: "processes", label: "Processes" },
  { column: "cpu", label: "CPU" },
  { column: "memory", label: "Memory" },
  { column: "restarts", label: "Restarts" },
];

interface WatcherTableProps {
  overview: Overview;
  kinds: readonly WatcherRow["kind"][];
  figures: FigureTable;
  label: string;
}

function WatcherTable({ overview, kinds, figures, label }: WatcherTableProps): JSX.Element {
  const [isHeld, setHeld] = useState(false);
  const shown = useRef<string[]>([]);
  const names = useMemo(() => {
    const fresh = arranged(overview.watchers, kinds, filter.value, order.value);
    return isHeld ? inOldOrder(fresh, shown.current) : fresh;
  }, [overview.watchers, filter.value, order.value, isHeld]);
  shown.current = names;
  if (!names.length) {
    return <Empty title={filter.value ? "No watcher fits the filter" : "This daemon has no watchers"} />;
  }
  const rowHeight = isNarrow.value ? NARROW_ROW_HEIGHT : ROW_HEIGHT;
  const row = (index: number): JSX.Element | null => {
    const name = names[index];
    const shown = name === undefined ? undefined : overview.watchers[name];
    if (name === undefined || !shown) return null;
    return <Row key={name} index={index} name={name} row={shown} daemon={overview.daemon.id} figures={figures} />;
  };
  return (
    <div class="table watchers" role="table" aria-label={label} aria-rowcount={names.length + 1}>
      <TableHead />
      {/* Rows that change places under the pointer would be hit by mistake. */}
      <div role="presentation" onPointerEnter={() => setHeld(true)} onPointerLeave={() => setHeld(false)}>
        <VirtualList count={names.length} rowHeight={rowHeight} render={row} role="rowgroup" class="table-body" />
      </div>
    </div>
  );
}

function TableHead(): JSX.Element {
  const { column: current, isDescending } = order.value;
  return (
    <div class="table-head" role="rowgroup">
      <div class="row row-head" role="row" aria-rowindex={1}>
        {COLUMNS.map(({ column, label }) => (
          <div
            key={column}
            class={`cell cell-${column}`}
            role="columnheader"
            aria-sort={column === current ? (isDescending ? "descending" : "ascending") : "none"}
          >
            <button type="button" class="sort" onClick={() => (order.value = reordered(order.value, column))}>
              {label}
              {column === current && <Icon name={isDescending ? "down" : "up"} size={14} />}
            </button>
          </div>
        ))}
        <div class="cell cell-actions" role="columnheader">
          <span class="visually-hidden">Actions</span>
        </div>
      </div>
    </div>
  );
}

interface RowProps {
  index: number;
  name: string;
  row: WatcherRow;
  daemon: string;
  figures: FigureTable;
}

function Row({ index, name, row, daemon, figures }: RowProps): JSX.Element {
  tick.value; // figures are added to what `figures` holds, so props alone do not tell that there is something new
  const { cpu, memory } = figures.of(name);
  const now = live.now();
  return (
    <div class="row" role="row" aria-rowindex={index + 2}>
      <div class="cell cell-name" role="cell">
        <Ring wanted={row.numprocesses} running={row.running} look={lookOf(row)} />
        <div class="name-and-command">
          <span class="name-line">
            <a href={routeAddress({ page: "watcher", daemon, watcher: name, tab: "processes" })}>
              <Name value={name} />
            </a>
            {row.kind !== "watcher" && <span class="badge">{row.kind}</span>}
          </span>
          <Beneath row={row} />
        </div>
      </div>
      <div class="cell cell-state" role="cell">
        <StateWord row={row} />
      </div>
      <div class="cell cell-processes number" role="cell">
        {format.count(row.running)}
        <span class="of">/{format.count(row.numprocesses)}</span>
        <span class="unit-narrow"> processes</span>
      </div>
      <div class="cell cell-cpu" role="cell">
        <span class="number">{format.percent(row.cpu)}</span>
        <Sparkline ring={cpu} now={now} span={SPARK_SECONDS} ceiling={10} look="cpu" />
      </div>
      <div class="cell cell-memory" role="cell">
        <span class="number">{format.bytes(row.memory)}</span>
        <Sparkline ring={memory} now={now} span={SPARK_SECONDS} ceiling={8 * MEGABYTE} look="memory" />
      </div>
      <div class="cell cell-restarts number" role="cell">
        {format.count(row.restarts)}
        <span class="unit-narrow"> restarts</span>
      </div>
      <div class="cell cell-actions" role="cell">
        {mayChange() && <RowActions daemon={daemon} name={name} row={row} />}
      </div>
    </div>
  );
}

/** Why it is not as it should be, or else what it runs. */
function Beneath({ row }: { row: WatcherRow }): JSX.Element | null {
  const text = row.reason || row.cmd;
  if (!text) return null;
  return (
    <span class={row.reason ? "reason" : "command"}>
      <Name value={text} />
    </span>
  );
}

function RowActions({ daemon, name, row }: { daemon: string; name: string; row: WatcherRow }): JSX.Element {
  const isStopped = row.state === "stopped";
  return (
    <>
      <Button
        look="quiet"
        icon={isStopped ? "start" : "stop"}
        label={`${isStopped ? "Start" : "Stop"} ${name.slice(0, 80)}`}
        onClick={() => toggleWatcher(daemon, name, row.state, row.running)}
      />
      <Menu
        label={`More for ${name.slice(0, 80)}`}
        items={[
          { label: "Restart", icon: "restart", onChoose: () => restartWatcher(daemon, name) },
          { label: "Reload, without a gap", icon: "reload", onChoose: () => reloadWatcher(daemon, name) },
          { label: "One process more", icon: "plus", disabled: row.singleton === true, onChoose: () => resizeWatcher(daemon, name, "incr") },
          { label: "One process less", icon: "minus", disabled: row.singleton === true, onChoose: () => resizeWatcher(daemon, name, "decr") },
          { label: "Remove", icon: "remove", isDangerous: true, onChoose: () => removeWatcher(daemon, name) },
        ]}
      />
    </>
  );
}
