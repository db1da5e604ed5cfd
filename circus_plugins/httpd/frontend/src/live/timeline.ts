import type { CircusEvent } from "../types";

/** An event of one of several daemons; `key` is its own for as long as the page lives. */
export interface TimedEvent extends CircusEvent {
  daemon: string;
  key: number;
  /** Is it the end of a process that had been told to end? */
  wasAsked: boolean;
}

const MOST = 5000;

/** The events of several daemons in one line of time, newest last, a bounded number of them. */
export class Timeline {
  private events: TimedEvent[] = [];
  private nextKey = 0;
  /** Processes that were sent a stop signal and have not been seen to end. */
  private readonly asked = new Set<string>();
  private readonly lastIds = new Map<string, number>();

  /** The newest state; another array after each change. */
  get all(): readonly TimedEvent[] {
    return this.events;
  }

  /** The id after which `daemon` has more to tell. */
  after(daemon: string): number | undefined {
    return this.lastIds.get(daemon);
  }

  /** Note what came; `last` is the id of the last event there is, smaller than before if its numbers have begun anew. */
  add(daemon: string, events: readonly CircusEvent[], last: number): void {
    this.lastIds.set(daemon, last);
    if (!events.length) return;
    const timed = events.map((event) => this.timed(daemon, event));
    const isInOrder = (timed[0]?.time ?? 0) >= (this.events.at(-1)?.time ?? 0);
    const both = [...this.events, ...timed];
    if (!isInOrder) both.sort((a, b) => a.time - b.time || a.key - b.key);
    this.events = both.slice(-MOST);
  }

  private timed(daemon: string, event: CircusEvent): TimedEvent {
    const process = `${daemon} ${event.pid}`;
    if (event.action === "kill") this.asked.add(process);
    const wasAsked = event.action === "reap" && this.asked.delete(process);
    return { ...event, daemon, key: this.nextKey++, wasAsked };
  }
}
