import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ask } from "../api";
import { Button } from "../ui/button";
import { Empty, Loading } from "../ui/empty";

/**
 * What the server tells, its secrets masked until they are asked for. As long as it has not told, `instead` is
 * what to show.
 */
export interface Masked<T> {
  found: T | null;
  instead: JSX.Element;
  isRevealed: boolean;
  load: (reveal: boolean) => void;
  reload: () => void;
}

/** Asks for what is at `path`; `what` it is, such as "options". */
export function useMasked<T>(path: string, what: string): Masked<T> {
  const [found, setFound] = useState<T | null>(null);
  const [problem, setProblem] = useState("");
  const [isRevealed, setRevealed] = useState(false);
  const load = (reveal: boolean): void => {
    ask<T>("GET", `${path}${reveal ? "?reveal=true" : ""}`).then(
      (told) => {
        setFound(told);
        setRevealed(reveal);
        setProblem("");
      },
      (error: Error) => setProblem(error.message),
    );
  };
  useEffect(() => load(false), [path]);
  const instead = problem ? <Empty title={`The ${what} can't be shown`}>{problem}</Empty> : <Loading what={`the ${what}`} />;
  return { found: problem ? null : found, instead, isRevealed, load, reload: () => load(isRevealed) };
}

export function ShowSecrets<T extends { masked: string[] }>({ of }: { of: Masked<T> }): JSX.Element | null {
  if (!of.found?.masked.length) return null;
  return (
    <Button icon="eye" pressed={of.isRevealed} onClick={() => of.load(!of.isRevealed)}>
      Show secrets
    </Button>
  );
}
