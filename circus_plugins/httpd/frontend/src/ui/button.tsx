import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icons";

interface ButtonProps {
  onClick?: () => unknown;
  icon?: IconName;
  children?: ComponentChildren;
  /** What it does, where no text says it. */
  label?: string;
  look?: "plain" | "primary" | "danger" | "quiet";
  disabled?: boolean;
  pressed?: boolean;
  type?: "button" | "submit";
  class?: string;
  /** Has it the focus when its dialog opens? */
  hasFocus?: boolean;
}

/**
 * A button that can't be pressed again while what it does is under way. With another icon or label it does something else: a `Stop`
 * that was a `Start` can be pressed at once.
 */
export function Button(props: ButtonProps): JSX.Element {
  const { onClick, icon, children, label, look = "plain", disabled = false, pressed, type = "button" } = props;
  const what = `${icon} ${label}`;
  const [underWay, setUnderWay] = useState<string | null>(null);
  const isBusy = underWay === what;
  const isThere = useRef(true);
  useEffect(() => {
    isThere.current = true;
    return () => {
      isThere.current = false;
    };
  }, []);
  const press = async (): Promise<void> => {
    if (isBusy) return;
    const done = onClick?.();
    if (!(done instanceof Promise)) return;
    setUnderWay(what);
    try {
      await done;
    } finally {
      if (isThere.current) setUnderWay((now) => (now === what ? null : now));
    }
  };
  return (
    <button
      type={type}
      class={`button button-${look} ${children ? "" : "button-icon"} ${props.class ?? ""}`}
      onClick={press}
      disabled={disabled}
      aria-busy={isBusy}
      aria-label={label}
      title={children ? undefined : label}
      aria-pressed={pressed}
      autofocus={props.hasFocus}
    >
      {icon && <Icon name={icon} size={18} />}
      {children && <span>{children}</span>}
    </button>
  );
}
