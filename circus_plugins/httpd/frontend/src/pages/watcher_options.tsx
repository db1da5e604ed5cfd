import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { perform, watcherPath } from "../actions";
import { ask } from "../api";
import { optionText } from "../format";
import type { OptionDoc, Options } from "../types";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Empty } from "../ui/empty";
import { Check, SearchField, TextField } from "../ui/field";
import { Name } from "../ui/name";
import { ShowSecrets, useMasked } from "./masked";
import { docOf, edited, isDefault } from "./option_values";

/** All options of a watcher, what they mean, and a way to change them. */
export function OptionsPanel({ daemon, watcher }: { daemon: string; watcher: string }): JSX.Element {
  const path = `${watcherPath(daemon, watcher)}/options`;
  const [docs, setDocs] = useState<OptionDoc[]>([]);
  const [filter, setFilter] = useState("");
  const [onlyChanged, setOnlyChanged] = useState(false);
  const [changing, setChanging] = useState<string | null>(null);

  useEffect(() => {
    ask<{ options: OptionDoc[] }>("GET", "options").then(
      (table) => setDocs(table.options),
      () => undefined,
    );
  }, []);
  const masked = useMasked<Options>(path, "options");
  const { found, isRevealed, reload } = masked;
  if (!found) return masked.instead;

  const wanted = filter.trim().toLowerCase();
  const names = Object.keys(found.options)
    .filter((name) => name.toLowerCase().includes(wanted))
    .filter((name) => !onlyChanged || !isDefault(found.options[name], docOf(docs, name)))
    .sort();
  return (
    <>
      <div class="filters">
        <SearchField label="Filter options" value={filter} onInput={setFilter} />
        <Check label="Only those that differ from the default" isChecked={onlyChanged} onChange={setOnlyChanged} />
        <ShowSecrets of={masked} />
      </div>
      {!names.length && <Empty title="No option fits the filter" />}
      {names.length > 0 && (
        <table class="facts">
          <thead>
            <tr>
              <th scope="col">Option</th>
              <th scope="col">Value</th>
              <th scope="col">
                <span class="visually-hidden">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {names.map((name) => (
              <OptionRow
                key={name}
                name={name}
                value={found.options[name]}
                doc={docOf(docs, name)}
                onChange={() => setChanging(name)}
              />
            ))}
          </tbody>
        </table>
      )}
      {changing !== null && (
        <OptionDialog
          name={changing}
          value={found.options[changing]}
          isMasked={!isRevealed && found.masked.some((name) => name === changing || name.startsWith(`${changing}.`))}
          doc={docOf(docs, changing)}
          path={path}
          onClose={() => setChanging(null)}
          onChanged={() => {
            setChanging(null);
            reload();
          }}
        />
      )}
    </>
  );
}

interface OptionRowProps {
  name: string;
  value: unknown;
  doc: OptionDoc | undefined;
  onChange: () => void;
}

function OptionRow({ name, value, doc, onChange }: OptionRowProps): JSX.Element {
  const text = optionText(value);
  return (
    <tr class={isDefault(value, doc) ? "" : "changed"}>
      <th scope="row">
        <code>{name}</code>
        {doc && <p class="hint">{doc.doc}</p>}
      </th>
      <td>
        {text ? (
          <span class="code value">
            <Name value={text} max={2000} />
          </span>
        ) : (
          <span class="of">not set</span>
        )}
        {text && doc?.unit && <span class="of"> {doc.unit}</span>}
      </td>
      <td class="facts-action">
        {doc?.settable !== false && <Button look="quiet" icon="edit" label={`Change ${name}`} onClick={onChange} />}
      </td>
    </tr>
  );
}

interface OptionDialogProps extends Omit<OptionRowProps, "onChange"> {
  isMasked: boolean;
  path: string;
  onClose: () => void;
  onChanged: () => void;
}

function OptionDialog({ name, value, isMasked, doc, path, onClose, onChanged }: OptionDialogProps): JSX.Element {
  const [text, setText] = useState(isMasked ? "" : optionText(value));
  const [isOn, setOn] = useState(value === true);
  const isSwitch = typeof value === "boolean";
  const submit = async (): Promise<void> => {
    const sent = isSwitch ? isOn : edited(text, value);
    if (await perform(path, { options: { [name]: sent }, waiting: true }, "PATCH")) onChanged();
  };
  return (
    <Dialog
      title={
        <>
          Change <code>{name}</code>
        </>
      }
      onClose={onClose}
      onSubmit={submit}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit">
            Change
          </Button>
        </>
      }
    >
      {doc && <p>{doc.doc}</p>}
      {isSwitch ? (
        <Check label={name} isChecked={isOn} onChange={setOn} />
      ) : (
        <TextField
          label={`Value${doc?.unit ? ` (${doc.unit})` : ""}`}
          value={text}
          onInput={setText}
          isCode
          hasFocus
          hint={doc && `Accepts ${doc.accepts}`}
          {...(doc?.suggestions?.length ? { suggestions: doc.suggestions } : {})}
        />
      )}
      {isMasked && <p class="hint">The value is a secret and not shown; what you write replaces it.</p>}
      {doc?.effect && <p class="note">{doc.effect}</p>}
      <p class="hint">The configuration file does not change.</p>
    </Dialog>
  );
}
