import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface TabsProps<T extends string> {
  label: string;
  current: T;
  tabs: { name: T; label: string; count?: number | undefined }[];
  onChoose: (name: T) => void;
  children: ComponentChildren;
}

/** A row of tabs with the panel of the chosen one; the arrow keys go along the row. */
export function Tabs<T extends string>({ label, current, tabs, onChoose, children }: TabsProps<T>): JSX.Element {
  const row = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    // On a narrow screen the row scrolls: the chosen tab comes into view, without moving the page.
    const tab = row.current?.querySelector<HTMLElement>(`#tab-${current}`);
    if (row.current && tab) row.current.scrollLeft = tab.offsetLeft - (row.current.clientWidth - tab.clientWidth) / 2;
  }, [current]);
  const step = (event: KeyboardEvent & { currentTarget: HTMLElement }): void => {
    const at = tabs.findIndex((tab) => tab.name === current);
    const targets: { [key: string]: number } = {
      ArrowRight: (at + 1) % tabs.length,
      ArrowLeft: (at - 1 + tabs.length) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    };
    const target = targets[event.key];
    const chosen = target === undefined ? undefined : tabs[target];
    if (!chosen) return;
    event.preventDefault();
    onChoose(chosen.name);
    event.currentTarget.querySelector<HTMLElement>(`#tab-${chosen.name}`)?.focus();
  };
  return (
    <>
      <div class="tabs" ref={row} role="tablist" aria-label={label} onKeyDown={step}>
        {tabs.map((tab) => (
          <button
            key={tab.name}
            id={`tab-${tab.name}`}
            type="button"
            role="tab"
            class="tab"
            aria-selected={tab.name === current}
            aria-controls="tab-panel"
            tabIndex={tab.name === current ? 0 : -1}
            onClick={() => onChoose(tab.name)}
          >
            {tab.label}
            {tab.count !== undefined && <span class="tab-count">{tab.count}</span>}
          </button>
        ))}
      </div>
      <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${current}`} class="tab-panel">
        {children}
      </div>
    </>
  );
}
