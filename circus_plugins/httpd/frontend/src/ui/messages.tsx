import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { Button } from "./button";
import { Icon } from "./icons";
import { cut } from "./name";

interface Message {
  id: number;
  kind: "done" | "failed";
  text: string;
}

const STAYS_MS = 7000;
const MOST = 5;
const LONGEST_TEXT = 600;

const messages = signal<Message[]>([]);
let nextId = 0;

/** Say that something was done; the words go away by themselves. */
export function tellDone(text: string): void {
  const id = tell("done", text);
  window.setTimeout(() => dismiss(id), STAYS_MS);
}

/** Say that something failed; the words stay until they are closed. */
export function tellFailed(text: string): void {
  tell("failed", text);
}

function tell(kind: Message["kind"], text: string): number {
  const id = nextId++;
  messages.value = [...messages.value.slice(1 - MOST), { id, kind, text: cut(text, LONGEST_TEXT) }];
  return id;
}

function dismiss(id: number): void {
  messages.value = messages.value.filter((message) => message.id !== id);
}

/** Where the messages appear; screen readers read each as it comes. */
export function Messages(): JSX.Element {
  const shown = messages.value;
  return (
    <div class="messages">
      <div role="status" aria-live="polite">
        {shown.filter((message) => message.kind === "done").map(row)}
      </div>
      <div role="alert">{shown.filter((message) => message.kind === "failed").map(row)}</div>
    </div>
  );
}

function row({ id, kind, text }: Message): JSX.Element {
  return (
    <div key={id} class={`message message-${kind}`}>
      <Icon name={kind === "done" ? "ok" : "warning"} />
      <p dir="auto">{text}</p>
      <Button look="quiet" icon="close" label="Dismiss" onClick={() => dismiss(id)} />
    </div>
  );
}
