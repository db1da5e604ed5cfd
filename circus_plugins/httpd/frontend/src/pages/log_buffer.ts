import type { LogLine } from "../types";

export interface NumberedLine extends LogLine {
  key: number;
}

interface Batch {
  lines: readonly LogLine[];
  lost: { [watcher: string]: number };
  missing: { [watcher: string]: string };
}

const MOST = 10_000;

/** The last lines that came, a bounded number of them. */
export class LogBuffer {
  lines: readonly NumberedLine[] = [];
  missing: { [watcher: string]: string } = {};
  /** Bytes that went out of the memory of circusd before they could be shown. */
  lostBytes = 0;
  private nextKey = 0;
  private isAnew = false;

  /** The next lines replace all there are. */
  beginAnew(): void {
    this.isAnew = true;
  }

  add({ lines, lost, missing }: Batch): void {
    // What went by before the first line that is shown is not missed: older lines are not shown either.
    this.lostBytes = this.isAnew ? 0 : this.lostBytes + Object.values(lost).reduce((sum, bytes) => sum + bytes, 0);
    if (this.isAnew) this.lines = [];
    this.isAnew = false;
    this.missing = missing;
    const numbered = lines.map((line) => ({ ...line, key: this.nextKey++ }));
    this.lines = [...this.lines, ...numbered].slice(-MOST);
  }
}

/** What was `found` before, then what came since; lines that are in both are shown once. */
export function withoutRepetition(found: readonly LogLine[], here: readonly NumberedLine[]): readonly NumberedLine[] {
  const identity = (line: LogLine): string => `${line.time} ${line.pid} ${line.stream} ${line.message}`;
  const known = new Set(here.map(identity));
  const older = found.filter((line) => !known.has(identity(line))).map((line, i) => ({ ...line, key: -1 - i }));
  return older.length ? [...older, ...here].sort((a, b) => a.time - b.time) : here;
}
