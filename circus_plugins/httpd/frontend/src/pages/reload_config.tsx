import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { tellOutcome } from "../actions";
import { ask } from "../api";
import { plural } from "../format";
import type { Planned } from "../types";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Loading } from "../ui/empty";
import { Check } from "../ui/field";
import { Icon } from "../ui/icons";

/** Show what reading the configuration file again would do, then do it. */
export function ReloadConfigDialog({ daemon, onClose }: { daemon: string; onClose: () => void }): JSX.Element {
  const [planned, setPlanned] = useState<Planned | null>(null);
  const [problem, setProblem] = useState("");
  const [isForced, setForced] = useState(false);
  useEffect(() => {
    ask<Planned>("GET", `daemons/${daemon}/plan`).then(setPlanned, (error: Error) => setProblem(error.message));
  }, []);

  const steps = planned ? stepsOf(planned) : [];
  const apply = async (): Promise<void> => {
    const isDone = await tellOutcome(async () => {
      const path = `daemons/${daemon}/reloadconfig`;
      const done = await ask<Planned>("POST", path, { waiting: true, ...(isForced ? { force: true } : {}) });
      return { message: `configuration reloaded: ${plural(stepsOf(done).length, "step")}`, troubles: done.troubles };
    });
    if (isDone) onClose();
  };
  const mayApply = planned !== null && steps.length > 0 && (!planned.refused || isForced);
  return (
    <Dialog
      title="Reload the configuration"
      onClose={onClose}
      isWide
      footer={
        <>
          <Button onClick={onClose}>{mayApply ? "Cancel" : "Close"}</Button>
          {mayApply && (
            <Button look={planned.refused ? "danger" : "primary"} onClick={apply}>
              {`Apply ${plural(steps.length, "step")}`}
            </Button>
          )}
        </>
      }
    >
      {problem && (
        <div class="banner banner-down" role="alert">
          <Icon name="warning" />
          <p class="preserve">{problem}</p>
        </div>
      )}
      {!planned && !problem && <Loading what="the plan" />}
      {planned && !steps.length && <p>The file says what is in force. There is nothing to do.</p>}
      {planned && steps.length > 0 && <Plan planned={planned} />}
      {planned?.refused && (
        <>
          <div class="banner" role="note">
            <Icon name="warning" />
            <p>{planned.refused}</p>
          </div>
          <Check label="Do it all the same" isChecked={isForced} onChange={setForced} />
        </>
      )}
    </Dialog>
  );
}

function Plan({ planned }: { planned: Planned }): JSX.Element {
  return (
    <>
      <p>Nothing has been changed yet. This would be done, and only this:</p>
      <ol class="plan">
        {stepsOf(planned).map((step, i) => (
          <li key={i} class={`plan-step plan-${step.does}`}>
            <span class="plan-verb">{step.does}</span>
            <bdi dir="auto" class="preserve">
              {step.text}
            </bdi>
          </li>
        ))}
      </ol>
      {planned.doubts.length > 0 && (
        <ul class="doubts">
          {planned.doubts.map((doubt) => (
            <li key={doubt}>{doubt}</li>
          ))}
        </ul>
      )}
    </>
  );
}

function stepsOf(planned: Planned): { name?: string; does: string; text: string }[] {
  return Object.values(planned.plan ?? {}).flat();
}
