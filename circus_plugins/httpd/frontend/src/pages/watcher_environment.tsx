import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { perform, watcherPath } from "../actions";
import type { Environment } from "../types";
import { Button } from "../ui/button";
import { confirmed } from "../ui/confirm";
import { Dialog } from "../ui/dialog";
import { Empty } from "../ui/empty";
import { SearchField, TextField } from "../ui/field";
import { Name } from "../ui/name";
import { ShowSecrets, useMasked } from "./masked";

/** The environment of the processes; secrets come masked from the server until they are asked for. */
export function EnvironmentPanel({ daemon, watcher }: { daemon: string; watcher: string }): JSX.Element {
  const path = `${watcherPath(daemon, watcher)}/environment`;
  const [filter, setFilter] = useState("");
  const [changing, setChanging] = useState<string | null>(null);

  const masked = useMasked<Environment>(path, "environment");
  const { found, isRevealed, reload } = masked;
  if (!found) return masked.instead;

  const unset = async (name: string): Promise<void> => {
    const yes = await confirmed({
      title: `Remove ${name}?`,
      text: "The processes are replaced by ones without this variable.",
      action: "Remove",
      isDangerous: true,
    });
    if (yes && (await perform(path, { unset: [name], waiting: true }, "PATCH"))) reload();
  };
  const wanted = filter.trim().toLowerCase();
  const names = Object.keys(found.environment).filter((name) => name.toLowerCase().includes(wanted)).sort();
  return (
    <>
      <div class="filters">
        <SearchField label="Filter variables" value={filter} onInput={setFilter} />
        <ShowSecrets of={masked} />
        <Button icon="plus" onClick={() => setChanging("")}>
          Add variable
        </Button>
      </div>
      {!names.length && <Empty title={wanted ? "No variable fits the filter" : "Nothing is set for these processes"} />}
      {names.length > 0 && (
        <table class="facts">
          <thead>
            <tr>
              <th scope="col">Variable</th>
              <th scope="col">Value</th>
              <th scope="col">
                <span class="visually-hidden">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {names.map((name) => (
              <tr key={name}>
                <th scope="row">
                  <code>
                    <Name value={name} />
                  </code>
                </th>
                <td>
                  <span class="code value">
                    <Name value={found.environment[name] ?? ""} max={2000} />
                  </span>
                  {!isRevealed && found.masked.includes(name) && <span class="badge">secret</span>}
                </td>
                <td class="facts-action">
                  <Button look="quiet" icon="edit" label={`Change ${name}`} onClick={() => setChanging(name)} />
                  <Button look="quiet" icon="remove" label={`Remove ${name}`} onClick={() => unset(name)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {changing !== null && (
        <VariableDialog
          name={changing}
          value={found.masked.includes(changing) && !isRevealed ? "" : (found.environment[changing] ?? "")}
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

interface VariableDialogProps {
  name: string;
  value: string;
  path: string;
  onClose: () => void;
  onChanged: () => void;
}

function VariableDialog({ name, value, path, onClose, onChanged }: VariableDialogProps): JSX.Element {
  const [newName, setNewName] = useState(name);
  const [text, setText] = useState(value);
  const submit = async (): Promise<void> => {
    if (await perform(path, { set: { [newName]: text }, waiting: true }, "PATCH")) onChanged();
  };
  return (
    <Dialog
      title={name ? `Change ${name}` : "Add a variable"}
      onClose={onClose}
      onSubmit={submit}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit">
            {name ? "Change" : "Add"}
          </Button>
        </>
      }
    >
      {!name && <TextField label="Name" value={newName} onInput={setNewName} isRequired isCode hasFocus />}
      <TextField label="Value" value={text} onInput={setText} isCode hasFocus={Boolean(name)} rows={3} />
      <p class="note">The processes are replaced by ones with the new value.</p>
    </Dialog>
  );
}
