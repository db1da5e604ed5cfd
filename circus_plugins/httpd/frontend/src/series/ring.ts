/**
 * The last figures of one thing, a fixed number of them: instants in seconds, ascending, and one column of values per
 * instant. A value that is not known is NaN.
 */
export class Ring {
  private readonly times: Float64Array;
  private readonly values: Float64Array;
  private end = 0;
  private size = 0;

  constructor(readonly capacity: number) {
    this.times = new Float64Array(capacity);
    this.values = new Float64Array(capacity);
  }

  get length(): number {
    return this.size;
  }

  /** Add a figure. One that is not later than the last one is ignored, so that a past may be put in twice. */
  push(time: number, value: number | null | undefined): void {
    if (this.size && time <= this.lastTime()) return;
    this.times[this.end] = time;
    this.values[this.end] = value ?? Number.NaN;
    this.end = (this.end + 1) % this.capacity;
    this.size = Math.min(this.size + 1, this.capacity);
  }

  lastTime(): number {
    return this.size ? (this.times[(this.end - 1 + this.capacity) % this.capacity] ?? 0) : 0;
  }

  last(): number {
    return this.size ? (this.values[(this.end - 1 + this.capacity) % this.capacity] ?? Number.NaN) : Number.NaN;
  }

  /** Call `visit` for each figure since `from`, oldest first. */
  forEachSince(from: number, visit: (time: number, value: number) => void): void {
    for (let i = 0; i < this.size; i++) {
      const at = (this.end - this.size + i + this.capacity) % this.capacity;
      const time = this.times[at] ?? 0;
      if (time >= from) visit(time, this.values[at] ?? Number.NaN);
    }
  }

  /** The figures since `from` as columns, for a chart. */
  since(from: number): { times: number[]; values: number[] } {
    const times: number[] = [];
    const values: number[] = [];
    this.forEachSince(from, (time, value) => {
      times.push(time);
      values.push(value);
    });
    return { times, values };
  }

  /** Put `past` (ascending) before what is here already; where both know, the past gives way. */
  prepend(times: readonly number[], values: readonly (number | null)[]): void {
    const kept: [number, number][] = [];
    this.forEachSince(Number.NEGATIVE_INFINITY, (time, value) => kept.push([time, value]));
    const first = kept[0]?.[0] ?? Number.POSITIVE_INFINITY;
    this.end = 0;
    this.size = 0;
    times.forEach((time, i) => {
      if (time < first) this.push(time, values[i]);
    });
    for (const [time, value] of kept) this.push(time, value);
  }
}
