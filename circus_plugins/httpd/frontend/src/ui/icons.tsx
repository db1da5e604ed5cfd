import type { JSX } from "preact";

/** Drawn on a grid of 20 with a line of 1.6, so that they look like one family. */
const PATHS = {
  watchers: "M3 5.5h14M3 10h14M3 14.5h9",
  sockets: "M7 3v4M13 3v4M5 7h10v3a5 5 0 0 1-10 0zM10 15v2.5",
  events: "M10 5.5V10l3 2M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14z",
  logs: "M4 5l3.5 3.5L4 12M9.5 13.5H16",
  daemons: "M4 4h12v5H4zM4 11h12v5H4zM7 6.5h.01M7 13.5h.01",
  start: "M6.5 4.5v11l9-5.5z",
  stop: "M5.5 5.5h9v9h-9z",
  restart: "M15.5 10a5.5 5.5 0 1 1-1.7-4M14.5 2.8V6.4h-3.6",
  reload: "M4.5 8.5a6 6 0 0 1 10.5-2L16.5 8M16.5 4.2V8h-3.8M15.5 11.5a6 6 0 0 1-10.5 2L3.5 12M3.5 15.8V12h3.8",
  more: "M10 5h.01M10 10h.01M10 15h.01",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  close: "M5 5l10 10M15 5L5 15",
  remove: "M4 6h12M8 6V4h4v2M6 6l.7 10h6.600L14 6",
  edit: "M4 16l.8-3.4L13 4.400l2.6 2.6-8.2 8.200z",
  download: "M10 3.500v9M6.5 9.500l3.5 3.5 3.5-3.500M4 16.500h12",
  signal: "M11 2.500L4.5 11.500H9.500L9 17.5 15.5 8.500H10.500z",
  kill: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7.5 7.500l5 5M12.5 7.500l-5 5",
  search: "M9 14.500a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM13 13l4 4",
  sun: "M10 13.500a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM10 2v1.500M10 16.500V18M2 10h1.500M16.5 10H18M4.3 4.300l1.1 1.100M14.6 14.600l1.1 1.100M4.3 15.700l1.1-1.100M14.6 5.400l1.1-1.1",
  moon: "M16 11.800A6.5 6.5 0 0 1 8.2 4 6.5 6.5 0 1 0 16 11.800z",
  auto: "M3 4.5h14v9H3zM7.5 17h5M10 13.5V17",
  leave: "M8 4H4v12h4M12 6.500L15.5 10 12 13.500M15 10H8",
  eye: "M2.5 10S5.5 5 10 5s7.5 5 7.5 5-3 5-7.5 5-7.5-5-7.5-5zM10 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  up: "M5 12l5-5 5 5",
  down: "M5 8l5 5 5-5",
  next: "M8 5l5 5-5 5",
  ok: "M4 10.500l4 4 8-9",
  warning: "M10 3l7.5 13.500h-15zM10 8v4M10 14.200h.01",
  pause: "M7 4.500v11M13 4.500v11",
  wrap: "M3 5h14M3 10h11a2.5 2.5 0 0 1 0 5h-3M13 12.800L10.8 15 13 17.200M3 15h4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
