/** What the HTTP API and the websocket send: `circus_httpd/openapi.yaml`, as types. Unknown numbers are absent or null. */

export type ByName<T> = { [name: string]: T };
type Figure = number | null;

export type Role = "full" | "read";
export type WatcherStateWord = "active" | "stopped" | "starting" | "stopping";
export type ProcessStateWord = "pending" | "starting" | "running" | "stopping" | "exited";
export type Stream = "stdout" | "stderr";

export interface Session {
  role: Role;
  csrf: string | null;
  version: string;
  multicast: boolean;
}

export interface Outcome {
  message: string;
  numprocesses?: number;
  troubles?: ByName<string>;
}

export interface Usage {
  pid?: Figure;
  cpu?: Figure;
  mem?: Figure;
  memory?: Figure;
  threads?: Figure;
  open_files?: Figure;
  io_read?: Figure;
  io_write?: Figure;
  children?: Figure;
  started?: Figure;
}

export interface Daemon {
  id: string;
  endpoint: string;
  ssh?: string;
  state: "connecting" | "up" | "down";
  problem: string;
  is_first: boolean;
  pubsub_endpoint?: string | null;
  stats_endpoint?: string | null;
  multicast_endpoint?: string | null;
  check_delay?: Figure;
  started?: Figure;
  dropped?: ByName<number>;
  stats?: { is_on: boolean; problem: string; interval?: Figure };
  services?: ByName<Usage>;
  usage?: Usage;
  watchers?: number;
  states?: ByName<number>;
}

export interface Daemons {
  daemons: ByName<Daemon>;
  order: string[];
}

export interface Exit {
  time?: number;
  pid?: number;
  wid?: number;
  exit_code?: Figure;
  end?: string;
  lived?: number;
  asked?: boolean;
}

export interface WatcherRow {
  kind: "watcher" | "plugin" | "service";
  state: WatcherStateWord;
  reason?: string;
  since?: number;
  numprocesses: number;
  running: number;
  spawned?: number;
  restarts: number;
  failed_spawns?: number;
  ended?: number;
  backoffs?: number;
  last_exit?: Exit;
  cmd?: string;
  shell?: boolean;
  uid?: string | number | null;
  gid?: string | number | null;
  singleton?: boolean;
  on_demand?: boolean;
  priority?: number;
  cpu?: Figure;
  mem?: Figure;
  memory?: Figure;
}

export interface Overview {
  daemon: Daemon;
  watchers: ByName<WatcherRow>;
  sockets: { count?: number; reads?: Figure };
}

export interface Process extends Usage {
  pid: number;
  wid: number;
  state: ProcessStateWord;
  restarts?: number;
  cpu_time?: Figure;
  nice?: Figure;
  username?: string | null;
  expires?: Figure;
  killed_at?: Figure;
}

export interface Backoff {
  failures?: number;
  next_try?: number;
  reason?: string;
}

export interface Hook {
  target?: string | null;
  ignore_failure?: boolean;
  failed_at?: number;
  error?: string;
}

export interface Watcher extends WatcherRow {
  name: string;
  working_dir?: string | null;
  graceful_timeout?: number;
  max_age?: number;
  respawn?: boolean;
  processes: ByName<Process>;
  waiting?: ByName<Backoff>;
  exits?: Exit[];
  hooks?: ByName<Hook>;
  sockets?: string[];
  streams?: ByName<ByName<unknown>>;
}

export interface Socket {
  fd: number;
  address: string;
  host?: string;
  port?: number;
  path?: string;
  backlog?: number;
  reads?: Figure;
  waiting?: Figure;
  watchers?: string[];
}

export interface Sockets {
  sockets: ByName<Socket>;
}

export interface Planned {
  plan: ByName<{ name?: string; does: string; text: string }[]> | null;
  applied: boolean;
  refused: string;
  doubts: string[];
  troubles: ByName<string>;
}

export interface CircusEvent {
  id: number;
  time: number;
  watcher: string;
  action: string;
  topic: string;
  pid?: Figure;
  data: ByName<unknown>;
}

export interface LogLine {
  watcher: string;
  wid: number;
  pid: number;
  stream: Stream;
  time: number;
  message: string;
}

export interface LogPage {
  lines: LogLine[];
  lost: ByName<number>;
  missing: ByName<string>;
  cut: boolean;
}

export interface HistoryColumns {
  time: number[];
  cpu: Figure[];
  memory: Figure[];
  processes?: Figure[];
}

export interface History {
  watchers: ByName<HistoryColumns>;
}

export interface Options {
  options: ByName<unknown>;
  masked: string[];
}

export interface Environment {
  environment: ByName<string>;
  masked: string[];
}

export interface OptionDoc {
  name: string;
  doc: string;
  accepts: string;
  default?: unknown;
  unit?: string;
  effect?: string;
  settable: boolean;
  suggestions?: string[];
}
