import { Ring } from "./ring";
import type { HistoryColumns, Usage } from "../types";

/** The last figures of a watcher or a process. */
export interface Figures {
  cpu: Ring;
  memory: Ring;
}

const SPARE = 50;
// A figure that is late, as when statistics begin, makes no hole in a line; one that stays away does.
const HOLE_SECONDS = 4;

function note(ring: Ring, time: number, value: number | null | undefined): void {
  const isLate = value == null && (!ring.length || time - ring.lastTime() < HOLE_SECONDS);
  if (!isLate) ring.push(time, value);
}

/** Figures of many things by name, each made when it is first heard of. */
export class FigureTable {
  private readonly table = new Map<string, Figures>();

  constructor(private readonly capacity: number) {}

  of(name: string): Figures {
    const known = this.table.get(name);
    if (known) return known;
    const made = { cpu: new Ring(this.capacity), memory: new Ring(this.capacity) };
    this.table.set(name, made);
    return made;
  }

  /** Note how things are at `time` (seconds since 1970). */
  sample(time: number, usages: { [name: string]: Pick<Usage, "cpu" | "memory"> }): void {
    const names = Object.keys(usages);
    for (const name of names) {
      const { cpu, memory } = this.of(name);
      note(cpu, time, usages[name]?.cpu);
      note(memory, time, usages[name]?.memory);
    }
    if (this.table.size > 2 * names.length + SPARE) this.forgetAllBut(usages);
  }

  /** What is gone may come back, after a restart of the daemon for example; so it is kept while there is room. */
  private forgetAllBut(usages: object): void {
    for (const name of this.table.keys()) if (!Object.hasOwn(usages, name)) this.table.delete(name);
  }

  /** Put the past before what is known. */
  remember(name: string, past: HistoryColumns): void {
    const { cpu, memory } = this.of(name);
    cpu.prepend(past.time, past.cpu);
    memory.prepend(past.time, past.memory);
  }
}
