import { signal } from "@preact/signals";
import { liveAddress } from "../base";
import type { CircusEvent, LogLine, Role } from "../types";
import { pause } from "./backoff";

export type Request =
  | { topic: "daemons" }
  | { topic: "overview" | "sockets"; daemon: string }
  | { topic: "watcher"; daemon: string; watcher: string }
  | { topic: "events"; daemon: string; after?: number }
  | { topic: "logs"; daemon: string; watcher?: string; stream?: string; lines?: number };

export type Message =
  | { type: "hello"; version: string; role: Role; now: number; interval: number }
  | { type: "snapshot"; id: string; seq: number; data: unknown }
  | { type: "delta"; id: string; seq: number; data: unknown }
  | { type: "gone"; id: string; detail: string }
  | { type: "events"; id: string; events: CircusEvent[]; last: number; missed: number }
  | {
      type: "lines";
      id: string;
      lines: LogLine[];
      lost: { [watcher: string]: number };
      missing: { [watcher: string]: string };
      ended: boolean;
    }
  | { type: "problem"; id?: string; status: number; detail: string };

export type Answer = Exclude<Message, { type: "hello" }>;

export type LinkState =
  | { kind: "connecting" }
  | { kind: "up" }
  | { kind: "waiting"; until: number; reason: string }
  | { kind: "closed" };

interface Subscription {
  /** Asked for anew at each connection, since it may have to say how far it has come. */
  request: () => Request;
  hear: (answer: Answer) => void;
}

const SESSION_ENDED = 4401;
const TOO_MANY_PAGES = 4408;
// The server says something at least each time a figure changes; a connection that opens so slowly is none.
const OPENING_MS = 10_000;

/** The websocket: one for the page, connected again for as long as the page is there, with all that is subscribed. */
export class Live {
  readonly state = signal<LinkState>({ kind: "closed" });
  /** Seconds between two deltas. */
  readonly interval = signal(1);
  private readonly subscriptions = new Map<string, Subscription>();
  private socket: WebSocket | null = null;
  private retry: number | undefined;
  private attempt = 0;
  private nextId = 0;
  private clockOffset = 0;

  private isGreeted = false;

  /** `onRefused` is called when there was no greeting; a browser does not tell whether the server said no. */
  constructor(
    private readonly onSessionEnded: () => void,
    private readonly onRefused: () => void,
  ) {}

  /** The clock of the server, in seconds since 1970. */
  now(): number {
    return Date.now() / 1000 + this.clockOffset;
  }

  /** Connect, now, also if the next try would be later. */
  connect(): void {
    window.clearTimeout(this.retry);
    if (this.socket) return;
    this.state.value = { kind: "connecting" };
    this.isGreeted = false;
    const socket = new WebSocket(liveAddress(window.location));
    this.socket = socket;
    const tooSlow = window.setTimeout(() => socket.close(), OPENING_MS);
    socket.onmessage = (event) => {
      window.clearTimeout(tooSlow);
      this.receive(JSON.parse(String(event.data)) as Message);
    };
    socket.onclose = (event) => {
      window.clearTimeout(tooSlow);
      if (this.socket === socket) this.lost(event.code, event.reason);
    };
  }

  /** Close for good, until `connect` is called. */
  close(): void {
    window.clearTimeout(this.retry);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.state.value = { kind: "closed" };
  }

  /** Subscribe until the function that is returned is called. */
  subscribe(request: () => Request, hear: (answer: Answer) => void): { resync: () => void; end: () => void } {
    const id = String(this.nextId++);
    this.subscriptions.set(id, { request, hear });
    this.say({ type: "subscribe", id, ...request() });
    return {
      resync: () => this.say({ type: "resync", id }),
      end: () => {
        this.subscriptions.delete(id);
        this.say({ type: "unsubscribe", id });
      },
    };
  }

  private receive(message: Message): void {
    if (message.type === "hello") this.greeted(message.now, message.interval);
    else if (message.id !== undefined) this.subscriptions.get(message.id)?.hear(message);
    else if (message.type === "problem") console.warn(`circushttpd: ${message.detail}`);
  }

  private greeted(now: number, interval: number): void {
    this.attempt = 0;
    this.isGreeted = true;
    this.clockOffset = now - Date.now() / 1000;
    this.interval.value = interval;
    this.state.value = { kind: "up" };
    for (const [id, { request }] of this.subscriptions) this.say({ type: "subscribe", id, ...request() });
  }

  private lost(code: number, reason: string): void {
    this.socket = null;
    if (code === SESSION_ENDED) {
      this.state.value = { kind: "closed" };
      this.onSessionEnded();
      return;
    }
    if (!this.isGreeted) this.onRefused();
    const wait = pause(code === TOO_MANY_PAGES ? 10 : this.attempt++, Math.random());
    const words = code === TOO_MANY_PAGES ? "too many pages are open" : reason;
    this.state.value = { kind: "waiting", until: Date.now() + wait, reason: words };
    this.retry = window.setTimeout(() => this.connect(), wait);
  }

  /** Before the greeting nothing is said: all subscriptions follow it. */
  private say(message: object): void {
    if (this.state.value.kind === "up" && this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(message));
    }
  }
}
