import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Button } from "./button";

interface DialogProps {
  title: ComponentChildren;
  onClose: () => void;
  children: ComponentChildren;
  /** What stands below, such as the buttons. */
  footer?: ComponentChildren;
  onSubmit?: () => unknown;
  isWide?: boolean;
}

/** A modal dialog; Escape and the cross close it. The focus goes back to where it came from. */
export function Dialog({ title, onClose, children, footer, onSubmit, isWide = false }: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const isBusy = useRef(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy.current) return;
    isBusy.current = true;
    await onSubmit?.();
    isBusy.current = false;
  };
  return (
    <dialog
      ref={dialog}
      class={isWide ? "dialog dialog-wide" : "dialog"}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <form class="dialog-form" onSubmit={submit}>
        <header class="dialog-header">
          <h2 id={titleId}>{title}</h2>
          <Button look="quiet" icon="close" label="Close" onClick={onClose} />
        </header>
        <div class="dialog-body">{children}</div>
        {footer && <footer class="dialog-footer">{footer}</footer>}
      </form>
    </dialog>
  );
}
