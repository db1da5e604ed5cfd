import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { toggleWatcher } from "../actions";
import { ask } from "../api";
import * as format from "../format";
import { live, tick, useDaemons, useOverview } from "../live/page_live";
import { routeAddress } from "../router";
import { useFigures } from "../series/use_figures";
import { mayChange, session } from "../session";
import type { Daemon, Overview } from "../types";
import { Button } from "../ui/button";
import { confirmed } from "../ui/confirm";
import { Dialog } from "../ui/dialog";
import { Loading } from "../ui/empty";
import { TextField } from "../ui/field";
import { tellDone, tellFailed } from "../ui/messages";
import { Name } from "../ui/name";
import { Sparkline } from "../ui/sparkline";
import { StateWord } from "../ui/state_word";

const SPARK_SECONDS = 120;
const MEGABYTE = 2 ** 20;

/** The daemons that are connected: where they are, what they themselves take, and their plugins. */
export function DaemonsPage(): JSX.Element {
  const daemons = useDaemons();
  const [isConnecting, setConnecting] = useState(false);
  return (
    <>
      <header class="page-header">
        <h1>Daemons</h1>
        {mayChange() && (
          <Button icon="plus" onClick={() => setConnecting(true)}>
            Connect another
          </Button>
        )}
      </header>
      {!daemons && <Loading what="daemons" />}
      <div class="daemon-grid">
        {daemons?.order.map((id) => {
          const daemon = daemons.daemons[id];
          return daemon && <DaemonCard key={id} daemon={daemon} />;
        })}
      </div>
      {isConnecting && <ConnectDialog onClose={() => setConnecting(false)} />}
    </>
  );
}

const STATE_LOOKS = { up: "active", connecting: "starting", down: "trouble" };
const STATE_WORDS = { up: "connected", connecting: "connecting", down: "not reachable" };

function DaemonCard({ daemon }: { daemon: Daemon }): JSX.Element {
  const overview = useOverview(daemon.id).data;
  const headingId = `card-${daemon.id}`;
  return (
    <article class="card daemon-card" aria-labelledby={headingId}>
      <header>
        <h2 id={headingId} class="endpoint">
          <Name value={daemon.endpoint} />
        </h2>
        <span class={`state state-${STATE_LOOKS[daemon.state]}`}>
          <span class="state-dot" aria-hidden="true" />
          {STATE_WORDS[daemon.state]}
        </span>
        {mayChange() && <Button look="quiet" icon="close" label={`Forget ${daemon.endpoint}`} onClick={() => forget(daemon)} />}
      </header>
      {daemon.problem && (
        <p class="note" dir="auto">
          {daemon.problem}
        </p>
      )}
      <Facts daemon={daemon} />
      <Services daemon={daemon} />
      {overview && <Plugins overview={overview} />}
    </article>
  );
}

/** What the options of the daemon say, each with its explanation. */
function Facts({ daemon }: { daemon: Daemon }): JSX.Element {
  tick.value;
  const dropped = Object.entries(daemon.dropped ?? {}).filter(([, amount]) => amount > 0);
  const stats = daemon.stats;
  const facts: [string, string, string][] = [
    ["Endpoint", daemon.endpoint, "where commands are sent to"],
    ["Events", daemon.pubsub_endpoint || "off", "where events are published"],
    ["Statistics", daemon.stats_endpoint || "off", stats && !stats.is_on ? stats.problem : "where circusd-stats publishes figures"],
    ["Check delay", format.duration(daemon.check_delay), "between two checks of all watchers"],
    ["Up for", format.age(daemon.started, live.now()), ""],
  ];
  if (daemon.ssh) facts.push(["Through", daemon.ssh, "reached over ssh"]);
  return (
    <dl class="pairs pairs-explained">
      {facts.map(([label, value, text]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            <span class="code">
              <Name value={value} />
            </span>
            {text && <p class="hint">{text}</p>}
          </dd>
        </div>
      ))}
      {dropped.map(([what, amount]) => (
        <div key={what}>
          <dt>Dropped</dt>
          <dd class="end-bad">
            {format.count(amount)} {what.replaceAll("_", " ")}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Services({ daemon }: { daemon: Daemon }): JSX.Element | null {
  const services = daemon.services ?? {};
  const figures = useFigures(daemon.id, null, SPARK_SECONDS, services);
  const now = live.now();
  const names = Object.keys(services).sort();
  if (!names.length) return null;
  return (
    <table class="facts facts-compact">
      <caption>Its own processes</caption>
      <thead>
        <tr>
          <th scope="col">Process</th>
          <th scope="col">PID</th>
          <th scope="col">CPU</th>
          <th scope="col">Memory</th>
        </tr>
      </thead>
      <tbody>
        {names.map((name) => {
          const usage = services[name];
          return (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="number">{usage?.pid ?? format.UNKNOWN}</td>
              <td class="number">
                {format.percent(usage?.cpu)} <Sparkline ring={figures.of(name).cpu} now={now} span={SPARK_SECONDS} ceiling={10} look="cpu" />
              </td>
              <td class="number">
                {format.bytes(usage?.memory)}{" "}
                <Sparkline ring={figures.of(name).memory} now={now} span={SPARK_SECONDS} ceiling={8 * MEGABYTE} look="memory" />
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Plugins({ overview }: { overview: Overview }): JSX.Element | null {
  const { daemon, watchers } = overview;
  const names = Object.keys(watchers).filter((name) => watchers[name]?.kind === "plugin").sort();
  if (!names.length) return null;
  return (
    <section aria-label="Plugins">
      <h3 class="small-heading">Plugins</h3>
      <ul class="plain plugins">
        {names.map((name) => {
          const row = watchers[name];
          if (!row) return null;
          const isStopped = row.state === "stopped";
          return (
            <li key={name} class="plugin">
              <a href={routeAddress({ page: "watcher", daemon: daemon.id, watcher: name, tab: "processes" })}>
                <Name value={name} />
              </a>
              <StateWord row={row} />
              {mayChange() && (
                <Button
                  look="quiet"
                  icon={isStopped ? "start" : "stop"}
                  label={`${isStopped ? "Start" : "Stop"} ${name.slice(0, 80)}`}
                  onClick={() => toggleWatcher(daemon.id, name, row.state, row.running)}
                />
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

async function forget(daemon: Daemon): Promise<void> {
  const yes = await confirmed({
    title: "Forget this daemon?",
    text: `${daemon.endpoint} goes on running. It is only not shown here any more.`,
    action: "Forget",
  });
  if (!yes) return;
  try {
    await ask("DELETE", `daemons/${daemon.id}`);
    tellDone(`${daemon.endpoint} is forgotten`);
  } catch (error) {
    tellFailed((error as Error).message);
  }
}

function ConnectDialog({ onClose }: { onClose: () => void }): JSX.Element {
  const [endpoint, setEndpoint] = useState("tcp://127.0.0.1:5555");
  const [ssh, setSsh] = useState("");
  const [found, setFound] = useState<string[] | null>(null);
  const mayDiscover = session.value.kind === "in" && session.value.session.multicast;
  const connect = async (): Promise<void> => {
    try {
      const daemon = await ask<Daemon>("POST", "daemons", { endpoint: endpoint.trim(), ...(ssh.trim() ? { ssh: ssh.trim() } : {}) });
      tellDone(`${daemon.endpoint} is connected`);
      onClose();
    } catch (error) {
      tellFailed((error as Error).message);
    }
  };
  const discover = async (): Promise<void> => {
    try {
      setFound((await ask<{ endpoints: string[] }>("POST", "discover", {})).endpoints);
    } catch (error) {
      tellFailed((error as Error).message);
    }
  };
  return (
    <Dialog
      title="Connect another daemon"
      onClose={onClose}
      onSubmit={connect}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit">
            Connect
          </Button>
        </>
      }
    >
      <TextField
        label="Endpoint"
        value={endpoint}
        onInput={setEndpoint}
        isRequired
        isCode
        hasFocus
        hint="tcp://HOST:PORT or ipc://PATH, as circushttpd reaches it"
      />
      <TextField label="Through ssh" value={ssh} onInput={setSsh} isCode placeholder="user@host:port" hint="Only if it can't be reached directly" />
      {mayDiscover && (
        <div class="discovery">
          <Button icon="search" onClick={discover}>
            Look in the network
          </Button>
          {found && !found.length && <p class="of">Nobody answered.</p>}
          <ul class="plain">
            {found?.map((text) => (
              <li key={text}>
                <Button onClick={() => setEndpoint(text)}>{text}</Button>
              </li>
            ))}
          </ul>
        </div>
      )}
    </Dialog>
  );
}
