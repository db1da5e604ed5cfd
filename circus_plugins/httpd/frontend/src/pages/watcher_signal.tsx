import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { perform, watcherPath } from "../actions";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Field, TextField } from "../ui/field";

const SIGNALS = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "KILL", "STOP", "CONT", "WINCH", "TTIN", "TTOU"];

type Reach = "process" | "children" | "recursive";

/** Send a signal to one process, or with `pid` null to all of a watcher. */
export function SignalDialog(props: { daemon: string; watcher: string; pid: number | null; onClose: () => void }): JSX.Element {
  const { daemon, watcher, pid, onClose } = props;
  const [name, setName] = useState("HUP");
  const [reach, setReach] = useState<Reach>("process");
  const send = async (): Promise<void> => {
    const path = `${watcherPath(daemon, watcher)}${pid === null ? "" : `/processes/${pid}`}/signal`;
    const text = name.trim();
    const signum = /^\d+$/.test(text) ? Number(text) : text;
    const isSent = await perform(path, { signum, ...(reach === "process" ? {} : { [reach]: true }) });
    if (isSent) onClose();
  };
  return (
    <Dialog
      title={pid === null ? "Send a signal to all processes" : `Send a signal to process ${pid}`}
      onClose={onClose}
      onSubmit={send}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit">
            Send
          </Button>
        </>
      }
    >
      <TextField label="Signal" value={name} onInput={setName} isRequired isCode hasFocus suggestions={SIGNALS} hint="A name or a number" />
      <Field label="To">
        {(id) => (
          <select id={id} class="input" value={reach} onChange={(event) => setReach(event.currentTarget.value as Reach)}>
            <option value="process">{pid === null ? "the processes" : "the process"}</option>
            <option value="recursive">{pid === null ? "the processes and all their descendants" : "the process and all its descendants"}</option>
            <option value="children">direct children only</option>
          </select>
        )}
      </Field>
      <p class="hint">circusd starts a new process for each that ends of it.</p>
    </Dialog>
  );
}
