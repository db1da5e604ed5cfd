/**
 * Collects what is to be drawn: functions that are handed in run together before the next frame, each key once. In a hidden
 * page, which has no frames, they wait until it is seen again.
 */
export class Frames {
  private readonly waiting = new Map<object, () => void>();
  private asked = false;

  /** Run `draw` before the next frame, in place of what `key` had waiting. */
  next(key: object, draw: () => void): void {
    this.waiting.set(key, draw);
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => this.run());
  }

  private run(): void {
    this.asked = false;
    const due = [...this.waiting.values()];
    this.waiting.clear();
    for (const draw of due) draw();
  }
}
