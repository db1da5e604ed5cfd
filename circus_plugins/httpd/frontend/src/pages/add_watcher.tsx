import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { tellOutcome } from "../actions";
import { ask } from "../api";
import { goTo } from "../router";
import type { Outcome } from "../types";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Check, TextField } from "../ui/field";

/** Add a watcher to a daemon and go to its page. */
export function AddWatcherDialog({ daemon, onClose }: { daemon: string; onClose: () => void }): JSX.Element {
  const [name, setName] = useState("");
  const [cmd, setCmd] = useState("");
  const [numprocesses, setNumprocesses] = useState("1");
  const [workingDir, setWorkingDir] = useState("");
  const [isShell, setShell] = useState(false);
  const [isStarted, setStarted] = useState(true);

  const submit = async (): Promise<void> => {
    const options = {
      numprocesses: Number(numprocesses),
      ...(workingDir ? { working_dir: workingDir } : {}),
      ...(isShell ? { shell: true } : {}),
    };
    const body = { name, cmd, options, start: isStarted };
    const isAdded = await tellOutcome(() => ask<Outcome>("POST", `daemons/${daemon}/watchers`, body));
    if (!isAdded) return;
    onClose();
    goTo({ page: "watcher", daemon, watcher: name, tab: "processes" });
  };
  return (
    <Dialog
      title="Add a watcher"
      onClose={onClose}
      onSubmit={submit}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit">
            Add
          </Button>
        </>
      }
    >
      <TextField label="Name" value={name} onInput={setName} isRequired hasFocus />
      <TextField
        label="Command"
        value={cmd}
        onInput={setCmd}
        isRequired
        isCode
        hint="Program and arguments, such as: python -m http.server 8001"
      />
      <div class="field-pair">
        <TextField label="Processes" type="number" min={0} value={numprocesses} onInput={setNumprocesses} isRequired />
        <TextField label="Working directory" value={workingDir} onInput={setWorkingDir} isCode placeholder="that of circusd" />
      </div>
      <Check label="Run it in a shell" isChecked={isShell} onChange={setShell} />
      <Check label="Start it at once" isChecked={isStarted} onChange={setStarted} />
      <p class="hint">It is gone when the configuration file is read again. Write it there to keep it.</p>
    </Dialog>
  );
}
