import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { reloadWatcher, removeWatcher, resizeWatcher, restartWatcher, toggleWatcher } from "../actions";
import * as format from "../format";
import { live, tick, useDocument } from "../live/page_live";
import { type Route, WATCHER_TABS, type WatcherTab, goTo, routeAddress } from "../router";
import { mayChange } from "../session";
import type { Watcher } from "../types";
import { Button } from "../ui/button";
import { Empty, Loading } from "../ui/empty";
import { Icon } from "../ui/icons";
import { Menu } from "../ui/menu";
import { Name } from "../ui/name";
import { isNarrow } from "../ui/narrow";
import { Ring } from "../ui/ring";
import { StateWord, lookOf } from "../ui/state_word";
import { Tabs } from "../ui/tabs";
import { EventsPanel } from "./events";
import { LogsPanel } from "./logs";
import { EnvironmentPanel } from "./watcher_environment";
import { ExitsPanel } from "./watcher_exits";
import { OptionsPanel } from "./watcher_options";
import { ProcessesPanel } from "./watcher_processes";
import { SignalDialog } from "./watcher_signal";
import { WatcherCharts } from "./watcher_charts";
import { WiringPanel } from "./watcher_wiring";

type WatcherRoute = Extract<Route, { page: "watcher" }>;

const LABELS: { [tab in WatcherTab]: string } = {
  processes: "Processes",
  options: "Options",
  environment: "Environment",
  wiring: "Sockets & hooks",
  exits: "Last exits",
  events: "Events",
  logs: "Logs",
};
// What only the role `full` may see.
const PRIVATE: WatcherTab[] = ["options", "environment"];

export function WatcherPage({ route }: { route: WatcherRoute }): JSX.Element {
  const { daemon, watcher: name } = route;
  const { data, problem } = useDocument<Watcher>({ topic: "watcher", daemon, watcher: name });
  return (
    <>
      <nav class="crumbs" aria-label="Where this is">
        <a href={routeAddress({ page: "overview" })}>Watchers</a>
        <Icon name="next" size={14} />
        <span aria-current="page">
          <Name value={name} max={60} />
        </span>
      </nav>
      {data ? <Content route={route} watcher={data} /> : problem ? <Gone text={problem} /> : <Loading what="the watcher" />}
    </>
  );
}

function Gone({ text }: { text: string }): JSX.Element {
  return (
    <Empty title="There is nothing to show">
      <p>{text}</p>
      <a href={routeAddress({ page: "overview" })}>All watchers</a>
    </Empty>
  );
}

function Content({ route, watcher }: { route: WatcherRoute; watcher: Watcher }): JSX.Element {
  const { daemon, watcher: name } = route;
  const counts: { [tab in WatcherTab]?: number | undefined } = {
    processes: watcher.running,
    exits: watcher.exits?.length,
    wiring: (watcher.sockets?.length ?? 0) + Object.keys(watcher.hooks ?? {}).length,
  };
  const tabs = WATCHER_TABS.filter((tab) => mayChange() || !PRIVATE.includes(tab)).map((tab) => ({
    name: tab,
    label: LABELS[tab],
    count: counts[tab],
  }));
  return (
    <>
      <Header daemon={daemon} watcher={watcher} />
      {(route.tab === "processes" || !isNarrow.value) && <WatcherCharts daemon={daemon} watcher={watcher} />}
      <Tabs label="Parts of this watcher" current={route.tab} tabs={tabs} onChoose={(tab) => goTo({ ...route, tab })}>
        {route.tab === "processes" && <ProcessesPanel daemon={daemon} watcher={watcher} />}
        {route.tab === "options" && <OptionsPanel daemon={daemon} watcher={name} />}
        {route.tab === "environment" && <EnvironmentPanel daemon={daemon} watcher={name} />}
        {route.tab === "wiring" && <WiringPanel watcher={watcher} />}
        {route.tab === "exits" && <ExitsPanel exits={watcher.exits ?? []} />}
        {route.tab === "events" && <EventsPanel watcher={name} daemon={daemon} />}
        {route.tab === "logs" && <LogsPanel daemon={daemon} watcher={name} />}
      </Tabs>
    </>
  );
}

function Header({ daemon, watcher }: { daemon: string; watcher: Watcher }): JSX.Element {
  tick.value; // ages go on
  const { name } = watcher;
  const user = [watcher.uid, watcher.gid].filter((part) => part !== undefined && part !== null).join(":");
  return (
    <header class="watcher-header">
      <Ring wanted={watcher.numprocesses} running={watcher.running} look={lookOf(watcher)} size={52} />
      <div class="watcher-title">
        <h1>
          <Name value={name} />
          {watcher.kind !== "watcher" && <span class="badge">{watcher.kind}</span>}
        </h1>
        <p class="watcher-state">
          <StateWord row={watcher} />
          <span>
            {format.count(watcher.running)} of {format.plural(watcher.numprocesses, "process", "processes")}
          </span>
          {watcher.since !== undefined && <span>for {format.age(watcher.since, live.now())}</span>}
          {user && <span>as {user}</span>}
          {watcher.singleton && <span class="badge">singleton</span>}
          {watcher.on_demand && <span class="badge">on demand</span>}
        </p>
        {watcher.reason && (
          <p class="watcher-reason" dir="auto">
            {watcher.reason}
          </p>
        )}
        {watcher.cmd && (
          <p class="command">
            <Name value={watcher.cmd} max={400} />
          </p>
        )}
      </div>
      {mayChange() && <Actions daemon={daemon} watcher={watcher} />}
    </header>
  );
}

function Actions({ daemon, watcher }: { daemon: string; watcher: Watcher }): JSX.Element {
  const { name, state, singleton = false } = watcher;
  const [isSignalling, setSignalling] = useState(false);
  const isStopped = state === "stopped";
  const remove = async (): Promise<void> => {
    if (await removeWatcher(daemon, name)) goTo({ page: "overview" });
  };
  return (
    <div class="watcher-actions">
      <div class="stepper" role="group" aria-label="Number of processes">
        <Button icon="minus" label="One process less" disabled={singleton} onClick={() => resizeWatcher(daemon, name, "decr")} />
        <span class="stepper-value" aria-live="polite">
          {format.count(watcher.numprocesses)}
        </span>
        <Button icon="plus" label="One process more" disabled={singleton} onClick={() => resizeWatcher(daemon, name, "incr")} />
      </div>
      <Button icon={isStopped ? "start" : "stop"} onClick={() => toggleWatcher(daemon, name, state, watcher.running)}>
        {isStopped ? "Start" : "Stop"}
      </Button>
      <Button icon="reload" onClick={() => reloadWatcher(daemon, name)}>
        Reload
      </Button>
      <Button icon="restart" onClick={() => restartWatcher(daemon, name)}>
        Restart
      </Button>
      <Menu
        label="More"
        items={[
          { label: "Reload one after the other", icon: "reload", onChoose: () => reloadWatcher(daemon, name, true) },
          { label: "Send a signal to all", icon: "signal", onChoose: () => setSignalling(true) },
          { label: "Remove", icon: "remove", isDangerous: true, onChoose: remove },
        ]}
      />
      {isSignalling && <SignalDialog daemon={daemon} watcher={name} pid={null} onClose={() => setSignalling(false)} />}
    </div>
  );
}
