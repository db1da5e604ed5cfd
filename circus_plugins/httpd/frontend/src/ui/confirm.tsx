import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { Button } from "./button";
import { Dialog } from "./dialog";

interface Question {
  title: ComponentChildren;
  text: ComponentChildren;
  /** What the button says that does it. */
  action: string;
  isDangerous?: boolean;
}

const asked = signal<(Question & { answer: (yes: boolean) => void }) | null>(null);

/** Ask before something is done; true if it is to be done. */
export function confirmed(question: Question): Promise<boolean> {
  asked.value?.answer(false);
  return new Promise((resolve) => {
    const answer = (yes: boolean): void => {
      asked.value = null;
      resolve(yes);
    };
    asked.value = { ...question, answer };
  });
}

/** Where the questions appear; once per page. */
export function Confirmation(): JSX.Element | null {
  const question = asked.value;
  if (!question) return null;
  return (
    <Dialog
      title={question.title}
      onClose={() => question.answer(false)}
      onSubmit={() => question.answer(true)}
      footer={
        <>
          <Button look="plain" hasFocus={question.isDangerous === true} onClick={() => question.answer(false)}>
            Cancel
          </Button>
          <Button look={question.isDangerous ? "danger" : "primary"} type="submit" hasFocus={!question.isDangerous}>
            {question.action}
          </Button>
        </>
      }
    >
      <p>{question.text}</p>
    </Dialog>
  );
}
