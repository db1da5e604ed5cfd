import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { live, tick, useDaemons } from "./live/page_live";
import { type Route, route, routeAddress } from "./router";
import { logOut, session } from "./session";
import { type Theme, saveTheme, savedTheme } from "./theme";
import type { Daemon } from "./types";
import { Button } from "./ui/button";
import { Icon, type IconName } from "./ui/icons";
import { Logo } from "./ui/logo";
import { Name } from "./ui/name";

const PLACES: { route: Route; label: string; icon: IconName }[] = [
  { route: { page: "overview" }, label: "Watchers", icon: "watchers" },
  { route: { page: "sockets" }, label: "Sockets", icon: "sockets" },
  { route: { page: "events", watcher: "" }, label: "Events", icon: "events" },
  { route: { page: "logs", daemon: "", watcher: "" }, label: "Logs", icon: "logs" },
  { route: { page: "daemons" }, label: "Daemons", icon: "daemons" },
];

/** What is around every page: where one can go, who is connected, and whether what is shown is fresh. */
export function Shell({ children }: { children: ComponentChildren }): JSX.Element {
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <header class="rail">
        <a class="brand" href={routeAddress({ page: "overview" })}>
          <Logo />
          <span class="brand-name">circus</span>
        </a>
        <nav class="places" aria-label="Pages">
          {PLACES.map(place)}
        </nav>
        <DaemonList />
        <div class="rail-end">
          <ThemeButton />
          <RoleAndLeave />
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <LinkBanner />
        {children}
      </main>
    </div>
  );
}

function place({ route: target, label, icon }: (typeof PLACES)[number]): JSX.Element {
  const here = route.value.page === target.page || (route.value.page === "watcher" && target.page === "overview");
  return (
    <a key={label} href={routeAddress(target)} class="place" aria-current={here ? "page" : undefined}>
      <Icon name={icon} />
      <span>{label}</span>
    </a>
  );
}

function DaemonList(): JSX.Element | null {
  const daemons = useDaemons();
  if (!daemons) return null;
  return (
    <section class="rail-daemons" aria-label="Connected daemons">
      <h2>Connected</h2>
      <ul>
        {daemons.order.map((id) => {
          const daemon = daemons.daemons[id];
          return daemon && <DaemonEntry key={id} daemon={daemon} />;
        })}
      </ul>
    </section>
  );
}

function DaemonEntry({ daemon }: { daemon: Daemon }): JSX.Element {
  const words = { up: "connected", down: "not reachable", connecting: "connecting" }[daemon.state];
  return (
    <li class={`rail-daemon daemon-${daemon.state}`}>
      <span class="state-dot" aria-hidden="true" />
      <Name value={shortEndpoint(daemon.endpoint)} />
      <span class="visually-hidden">{words}</span>
    </li>
  );
}

/** An endpoint without what most have in common. */
export function shortEndpoint(endpoint: string): string {
  if (endpoint.startsWith("ipc://")) return endpoint.slice(6).split("/").slice(-2).join("/");
  return endpoint.replace(/^tcp:\/\//, "");
}

const THEMES: { theme: Theme; label: string; icon: IconName }[] = [
  { theme: "auto", label: "Colours as the system has them", icon: "auto" },
  { theme: "light", label: "Light colours", icon: "sun" },
  { theme: "dark", label: "Dark colours", icon: "moon" },
];
const theme = signal<Theme>(savedTheme());

function ThemeButton(): JSX.Element {
  const at = THEMES.findIndex((entry) => entry.theme === theme.value);
  const current = THEMES[at] ?? THEMES[0];
  const next = THEMES[(at + 1) % THEMES.length];
  const change = (): void => {
    if (!next) return;
    theme.value = next.theme;
    saveTheme(next.theme);
  };
  return <Button look="quiet" icon={current?.icon ?? "auto"} label={`${current?.label}. Change`} onClick={change} />;
}

function RoleAndLeave(): JSX.Element | null {
  const state = session.value;
  if (state.kind !== "in") return null;
  return (
    <>
      {state.session.role === "read" && <span class="badge">read only</span>}
      <Button look="quiet" icon="leave" label="Log out" onClick={logOut} />
    </>
  );
}

/** Says that what is shown may be old, and when it is tried again. */
function LinkBanner(): JSX.Element {
  const state = live.state.value;
  return (
    <div role="status" aria-live="polite">
      {state.kind === "waiting" && <Waiting until={state.until} reason={state.reason} />}
    </div>
  );
}

function Waiting({ until, reason }: { until: number; reason: string }): JSX.Element {
  tick.value; // the seconds run
  const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  return (
    <div class="banner banner-wait">
      <Icon name="warning" />
      <p>
        The connection is broken{reason && `: ${reason}`}. What you see is the last known state.{" "}
        <span aria-hidden="true">Next try in {seconds} s.</span>
      </p>
      <Button onClick={() => live.connect()}>Try now</Button>
    </div>
  );
}
