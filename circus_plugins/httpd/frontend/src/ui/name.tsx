import type { JSX } from "preact";

const LONGEST_TITLE = 400;

/**
 * A name that somebody else chose: its direction stays its own, and however long it is it takes one line.
 * The whole of it is in the title.
 */
export function Name({ value, max = 160 }: { value: string; max?: number }): JSX.Element {
  return (
    <bdi class="name" dir="auto" title={cut(value, LONGEST_TITLE)}>
      {cut(value, max)}
    </bdi>
  );
}

/** `text` with at most `max` characters, the last one an ellipsis if something was left off. */
export function cut(text: string, max: number): string {
  return text.length > max ? `${[...text.slice(0, max - 1)].join("")}…` : text;
}
