import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { documents, live, startTicking } from "./live/page_live";
import { LoginPage } from "./pages/login";
import { DaemonsPage } from "./pages/daemons";
import { EventsPage } from "./pages/events";
import { LogsPage } from "./pages/logs";
import { OverviewPage } from "./pages/overview";
import { SocketsPage } from "./pages/sockets";
import { WatcherPage } from "./pages/watcher";
import { type Route, route, routeAddress } from "./router";
import { session } from "./session";
import { Shell } from "./shell";
import { Confirmation } from "./ui/confirm";
import { Empty, Loading } from "./ui/empty";
import { Messages } from "./ui/messages";
import { Mishap } from "./ui/mishap";
import { cut } from "./ui/name";

/** The login, or the pages for as long as the session lasts. */
export function App(): JSX.Element {
  const state = session.value;
  const isIn = state.kind === "in";
  useEffect(() => {
    if (!isIn) return undefined;
    live.connect();
    const stopTicking = startTicking();
    return () => {
      stopTicking();
      live.close();
      documents.clear();
    };
  }, [isIn]);
  return (
    <>
      {state.kind === "asking" && <Loading what="the dashboard" />}
      {state.kind === "out" && <LoginPage problem={state.problem} />}
      {isIn && <Pages />}
      <Confirmation />
      <Messages />
    </>
  );
}

function Pages(): JSX.Element {
  const shown = route.value;
  useEffect(() => {
    document.title = `${title(shown)} · circus`;
  }, [shown]);
  // What belongs to one watcher is never shown for another, not even for a moment.
  const key = shown.page === "watcher" ? `${shown.daemon} ${shown.watcher}` : shown.page;
  useAnnounced(key);
  return (
    <Shell>
      <div key={key} class={`page page-${shown.page}`}>
        <Mishap>{content(shown)}</Mishap>
      </div>
    </Shell>
  );
}

/** Begin each further page at its top, with the focus there too, so that screen readers tell of it. */
function useAnnounced(key: string): void {
  const last = useRef(key);
  useLayoutEffect(() => {
    if (last.current === key) return;
    last.current = key;
    window.scrollTo(0, 0);
    document.getElementById("main")?.focus({ preventScroll: true });
  }, [key]);
}

function content(shown: Route): JSX.Element {
  switch (shown.page) {
    case "overview":
      return <OverviewPage />;
    case "watcher":
      return <WatcherPage route={shown} />;
    case "sockets":
      return <SocketsPage />;
    case "events":
      return <EventsPage watcher={shown.watcher} />;
    case "logs":
      return <LogsPage daemon={shown.daemon} watcher={shown.watcher} />;
    case "daemons":
      return <DaemonsPage />;
    case "unknown":
      return (
        <Empty title="There is no such page">
          <a href={routeAddress({ page: "overview" })}>All watchers</a>
        </Empty>
      );
  }
}

function title(shown: Route): string {
  if (shown.page === "watcher") return cut(shown.watcher, 60);
  const titles = { overview: "Watchers", sockets: "Sockets", events: "Events", logs: "Logs", daemons: "Daemons", unknown: "Nothing here" };
  return titles[shown.page];
}
