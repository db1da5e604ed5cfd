import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icons";

export interface MenuItem {
  label: string;
  icon: IconName;
  onChoose: () => unknown;
  isDangerous?: boolean;
  disabled?: boolean;
}

/** A button that opens a list of actions; arrows, Home, End and Escape work in it as in menus of the system. */
export function Menu({ label, items }: { label: string; items: MenuItem[] }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();

  useEffect(() => {
    const shown = list.current;
    if (!isOpen || !shown || !button.current) return undefined;
    shown.showPopover();
    place(shown, button.current.getBoundingClientRect());
    entries(shown)[0]?.focus();
    const away = (event: Event): void => {
      if (!(event.target instanceof Node) || !shown.contains(event.target)) setOpen(false);
    };
    window.addEventListener("pointerdown", away);
    window.addEventListener("scroll", away, { passive: true });
    window.addEventListener("resize", away);
    return () => {
      window.removeEventListener("pointerdown", away);
      window.removeEventListener("scroll", away);
      window.removeEventListener("resize", away);
    };
  }, [isOpen]);

  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        class="button button-quiet button-icon"
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onPointerDown={(event) => event.stopPropagation()}
        onClick={() => setOpen(!isOpen)}
      >
        <Icon name="more" />
      </button>
      {isOpen && (
        <div
          ref={list}
          id={id}
          class="menu"
          role="menu"
          popover="manual"
          aria-label={label}
          onKeyDown={(event) => steer(event, close)}
        >
          {items.map((item) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              tabIndex={-1}
              class={item.isDangerous ? "menu-item dangerous" : "menu-item"}
              disabled={item.disabled}
              onClick={() => {
                close();
                void item.onChoose();
              }}
            >
              <Icon name={item.icon} size={18} />
              {item.label}
            </button>
          ))}
        </div>
      )}
    </>
  );
}

function entries(list: HTMLElement): HTMLButtonElement[] {
  return [...list.querySelectorAll<HTMLButtonElement>("button:not(:disabled)")];
}

function steer(event: KeyboardEvent & { currentTarget: HTMLElement }, close: () => void): void {
  const all = entries(event.currentTarget);
  const at = all.findIndex((entry) => entry === document.activeElement);
  const targets: { [key: string]: number } = {
    ArrowDown: (at + 1) % all.length,
    ArrowUp: (at - 1 + all.length) % all.length,
    Home: 0,
    End: all.length - 1,
  };
  const target = targets[event.key];
  if (target !== undefined) all[target]?.focus();
  else if (event.key === "Escape" || event.key === "Tab") close();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Below its button, at its right edge, or above it if there is no room. */
function place(list: HTMLElement, button: DOMRect): void {
  const { width, height } = list.getBoundingClientRect();
  const isBelow = button.bottom + height + 12 < window.innerHeight || button.top < height + 12;
  list.style.left = `${Math.max(8, Math.min(button.right - width, window.innerWidth - width - 8))}px`;
  list.style.top = `${isBelow ? button.bottom + 4 : button.top - height - 4}px`;
}
