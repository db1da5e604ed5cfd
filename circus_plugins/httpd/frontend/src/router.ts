import { signal } from "@preact/signals";

/** What is shown, as the fragment of the address says it. */
export type Route =
  | { page: "overview" }
  | { page: "watcher"; daemon: string; watcher: string; tab: WatcherTab }
  | { page: "sockets" }
  | { page: "events"; watcher: string }
  | { page: "logs"; daemon: string; watcher: string }
  | { page: "daemons" }
  | { page: "unknown" };

export const WATCHER_TABS = ["processes", "options", "environment", "wiring", "exits", "events", "logs"] as const;
export type WatcherTab = (typeof WATCHER_TABS)[number];

/** The route of a fragment with or without its `#`. */
export function parseRoute(fragment: string): Route {
  const [path = "", query = ""] = fragment.replace(/^#/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean).map(decoded);
  const asked = new URLSearchParams(query);
  const [page, ...rest] = parts;
  switch (page) {
    case undefined:
      return { page: "overview" };
    case "sockets":
    case "daemons":
      return rest.length ? { page: "unknown" } : { page };
    case "events":
      return { page, watcher: asked.get("watcher") ?? "" };
    case "logs":
      return { page, daemon: asked.get("daemon") ?? "", watcher: asked.get("watcher") ?? "" };
    case "watchers": {
      const [daemon, watcher, tab] = rest;
      if (!daemon || !watcher) return { page: "unknown" };
      const known = WATCHER_TABS.find((name) => name === tab);
      return { page: "watcher", daemon, watcher, tab: known ?? "processes" };
    }
    default:
      return { page: "unknown" };
  }
}

/** The fragment of a route; `parseRoute` undoes it. */
export function routeAddress(route: Route): string {
  switch (route.page) {
    case "overview":
    case "unknown":
      return "#/";
    case "sockets":
    case "daemons":
      return `#/${route.page}`;
    case "events":
      return `#/events${queryText({ watcher: route.watcher })}`;
    case "logs":
      return `#/logs${queryText({ daemon: route.daemon, watcher: route.watcher })}`;
    case "watcher": {
      const tab = route.tab === "processes" ? "" : `/${route.tab}`;
      return `#/watchers/${encodeURIComponent(route.daemon)}/${encodeURIComponent(route.watcher)}${tab}`;
    }
  }
}

/** `?a=b` of what is not empty. */
export function queryText(values: { [key: string]: string | number | boolean | undefined }): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined && value !== "") query.set(key, String(value));
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const route = signal<Route>({ page: "overview" });

/** Follow the address of the window from now on. */
export function followAddress(): void {
  const read = (): void => {
    route.value = parseRoute(window.location.hash);
  };
  window.addEventListener("hashchange", read);
  read();
}

export function goTo(target: Route): void {
  window.location.hash = routeAddress(target).slice(1);
}

/** Change the address without a new entry in the history of the browser, for filters that are being typed. */
export function replaceRoute(target: Route): void {
  window.history.replaceState(null, "", routeAddress(target));
  route.value = target;
}
