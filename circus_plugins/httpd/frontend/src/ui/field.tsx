import type { ComponentChildren, InputHTMLAttributes, JSX } from "preact";
import { useId } from "preact/hooks";

interface FieldProps {
  label: ComponentChildren;
  hint?: ComponentChildren;
  children: (id: string, describedBy: string | undefined) => JSX.Element;
}

/** A label, what is filled in, and a hint that belongs to it. */
export function Field({ label, hint, children }: FieldProps): JSX.Element {
  const id = useId();
  const hintId = `${id}-hint`;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id, hint ? hintId : undefined)}
      {hint && (
        <p class="hint" id={hintId}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface TextFieldProps {
  label: ComponentChildren;
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
  type?: "text" | "password" | "number" | "url";
  isRequired?: boolean;
  isCode?: boolean;
  hasFocus?: boolean;
  suggestions?: string[];
  placeholder?: string;
  autocomplete?: string;
  rows?: number;
  min?: number;
}

export function TextField(props: TextFieldProps): JSX.Element {
  const listId = useId();
  const input = (event: { currentTarget: { value: string } }): void => props.onInput(event.currentTarget.value);
  return (
    <Field label={props.label} hint={props.hint}>
      {(id, describedBy) => {
        const shared = {
          id,
          value: props.value,
          onInput: input,
          required: props.isRequired,
          class: props.isCode ? "input code" : "input",
          "aria-describedby": describedBy,
          placeholder: props.placeholder,
          autofocus: props.hasFocus,
          autocomplete: props.autocomplete ?? "off",
          autocapitalize: "off" as const,
          spellcheck: false,
          dir: "auto" as const,
        };
        const list = props.suggestions ? listId : undefined;
        const own = { type: props.type ?? "text", min: props.min, list } as InputHTMLAttributes<HTMLInputElement>;
        if (props.rows) return <textarea {...shared} rows={props.rows} />;
        return (
          <>
            <input {...shared} {...own} />
            {props.suggestions && (
              <datalist id={listId}>
                {props.suggestions.map((text) => (
                  <option key={text} value={text} />
                ))}
              </datalist>
            )}
          </>
        );
      }}
    </Field>
  );
}

interface CheckProps {
  label: ComponentChildren;
  isChecked: boolean;
  onChange: (isChecked: boolean) => void;
  hint?: ComponentChildren;
}

export function Check({ label, isChecked, onChange, hint }: CheckProps): JSX.Element {
  const hintId = useId();
  return (
    <div class="check">
      <label>
        <input
          type="checkbox"
          checked={isChecked}
          aria-describedby={hint ? hintId : undefined}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
        <span>{label}</span>
      </label>
      {hint && (
        <p class="hint" id={hintId}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface SelectProps {
  label: string;
  value: string;
  choices: { value: string; label: string }[];
  onChange: (value: string) => void;
}

/** A choice among a few, its label only for screen readers: it stands in a bar of filters. */
export function Select({ label, value, choices, onChange }: SelectProps): JSX.Element {
  return (
    <select class="input select" aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      {choices.map((choice) => (
        <option key={choice.value} value={choice.value}>
          {choice.label}
        </option>
      ))}
    </select>
  );
}

/** What is typed to narrow a list. */
export function SearchField(props: { label: string; value: string; onInput: (value: string) => void }): JSX.Element {
  return (
    <input
      class="input search"
      type="search"
      aria-label={props.label}
      placeholder={props.label}
      value={props.value}
      dir="auto"
      autocomplete="off"
      spellcheck={false}
      onInput={(event) => props.onInput(event.currentTarget.value)}
    />
  );
}
