import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

interface VirtualListProps {
  count: number;
  /** Pixels; all rows are of the same height. */
  rowHeight: number;
  render: (index: number) => ComponentChildren;
  /** What scrolls: the window, or the nearest element with this class. */
  scroller?: string;
  class?: string;
  role?: "rowgroup" | "list";
}

// Rows beyond the edges that are there already when one scrolls, and for the Tab key.
const BEYOND = 6;

/** Rows of which only those are made that can be seen; the row that has the focus is kept. */
export function VirtualList(props: VirtualListProps): JSX.Element {
  const { count, rowHeight, render, scroller } = props;
  const box = useRef<HTMLDivElement>(null);
  const [[first, last], setRange] = useState<[number, number]>([0, 30]);
  const [focused, setFocused] = useState(-1);

  const measure = (): void => {
    const element = box.current;
    if (!element) return;
    const port = scroller ? element.closest(`.${scroller}`)?.getBoundingClientRect() : undefined;
    const top = (port?.top ?? 0) - element.getBoundingClientRect().top;
    const height = port?.height ?? window.innerHeight;
    const from = Math.max(0, Math.floor(top / rowHeight) - BEYOND);
    const to = Math.max(from, Math.ceil((top + height) / rowHeight) + BEYOND);
    setRange((range) => (range[0] === from && range[1] === to ? range : [from, to]));
  };

  useEffect(() => {
    const port = (scroller && box.current?.closest(`.${scroller}`)) || window;
    let asked = 0;
    const later = (): void => {
      cancelAnimationFrame(asked);
      asked = requestAnimationFrame(measure);
    };
    port.addEventListener("scroll", later, { passive: true });
    window.addEventListener("resize", later);
    return () => {
      cancelAnimationFrame(asked);
      port.removeEventListener("scroll", later);
      window.removeEventListener("resize", later);
    };
  }, [rowHeight, scroller]);
  useLayoutEffect(measure);

  const indices = visible(first, Math.min(last, count), focused < count ? focused : -1);
  return (
    <div
      ref={box}
      class={`virtual ${props.class ?? ""}`}
      role={props.role}
      style={{ height: `${count * rowHeight}px` }}
      onFocusIn={(event) => setFocused(indexOf(event.target))}
      onFocusOut={() => setFocused(-1)}
    >
      {indices.map((index) => (
        <div
          key={index}
          class="virtual-row"
          role="presentation"
          data-index={index}
          style={{ top: `${index * rowHeight}px`, height: `${rowHeight}px` }}
        >
          {render(index)}
        </div>
      ))}
    </div>
  );
}

function visible(first: number, last: number, focused: number): number[] {
  const indices: number[] = [];
  if (focused >= 0 && focused < first) indices.push(focused);
  for (let index = first; index < last; index++) indices.push(index);
  if (focused >= last) indices.push(focused);
  return indices;
}

function indexOf(target: EventTarget | null): number {
  const row = target instanceof Element ? target.closest<HTMLElement>(".virtual-row") : null;
  return Number(row?.dataset["index"] ?? -1);
}
