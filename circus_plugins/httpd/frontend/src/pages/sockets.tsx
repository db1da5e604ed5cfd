import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import * as format from "../format";
import { live, tick, useDaemons, useDocument } from "../live/page_live";
import { routeAddress } from "../router";
import { Ring } from "../series/ring";
import type { Daemon, Socket, Sockets } from "../types";
import { Chart } from "../ui/chart";
import { Empty, Loading } from "../ui/empty";
import { Name } from "../ui/name";

const SPAN_SECONDS = 300;

/** The sockets of all daemons with what goes on at them. */
export function SocketsPage(): JSX.Element {
  const daemons = useDaemons();
  return (
    <>
      <header class="page-header">
        <h1>Sockets</h1>
      </header>
      {!daemons && <Loading what="sockets" />}
      {daemons?.order.map((id) => {
        const daemon = daemons.daemons[id];
        return daemon && <DaemonSockets key={id} daemon={daemon} />;
      })}
    </>
  );
}

function DaemonSockets({ daemon }: { daemon: Daemon }): JSX.Element {
  const { data, problem } = useDocument<Sockets>({ topic: "sockets", daemon: daemon.id });
  const headingId = `sockets-${daemon.id}`;
  const names = Object.keys(data?.sockets ?? {}).sort();
  return (
    <section class="daemon-section" aria-labelledby={headingId}>
      <div class="section-header">
        <h2 id={headingId} class="endpoint">
          <Name value={daemon.endpoint} />
        </h2>
      </div>
      {problem && <Empty title="The sockets can't be shown">{problem}</Empty>}
      {!data && !problem && <Loading what="sockets" />}
      {data && !names.length && <Empty title="This daemon has no sockets">A section [socket:NAME] of its configuration makes one.</Empty>}
      <div class="socket-grid">
        {names.map((name) => {
          const socket = data?.sockets[name];
          return socket && <SocketCard key={name} name={name} socket={socket} daemon={daemon.id} />;
        })}
      </div>
    </section>
  );
}

function SocketCard({ name, socket, daemon }: { name: string; socket: Socket; daemon: string }): JSX.Element {
  const ring = useMemo(() => new Ring(SPAN_SECONDS + 60), []);
  tick.value;
  const now = live.now();
  useMemo(() => ring.push(now, socket.reads), [tick.value]);
  return (
    <article class="card socket-card">
      <header>
        <h3>
          <Name value={name} />
        </h3>
        <span class="code">
          <Name value={socket.address} />
        </span>
      </header>
      <Chart title="Activity per second" look="reads" {...ring.since(now - SPAN_SECONDS)} now={now} span={SPAN_SECONDS} ceiling={5} format={format.rate} />
      <dl class="pairs pairs-row">
        <div>
          <dt>waiting to be accepted</dt>
          <dd class="number">{format.count(socket.waiting)}</dd>
        </div>
        <div>
          <dt>backlog</dt>
          <dd class="number">{format.count(socket.backlog)}</dd>
        </div>
        <div>
          <dt>fd</dt>
          <dd class="number">{socket.fd}</dd>
        </div>
        <div>
          <dt>used by</dt>
          <dd>{(socket.watchers ?? []).length ? socket.watchers?.map((watcher) => <Used key={watcher} daemon={daemon} watcher={watcher} />) : "nobody"}</dd>
        </div>
      </dl>
    </article>
  );
}

function Used({ daemon, watcher }: { daemon: string; watcher: string }): JSX.Element {
  return (
    <a class="used" href={routeAddress({ page: "watcher", daemon, watcher, tab: "processes" })}>
      <Name value={watcher} max={40} />
    </a>
  );
}
