import { type Signal, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { check, sessionEnded } from "../session";
import type { Daemons, Overview } from "../types";
import { Live, type Request } from "./connection";
import { Documents, type Shown } from "./documents";
import { Frames } from "./frames";

/** The connection of this page and what is followed over it. */
export const frames = new Frames();
export const live = new Live(sessionEnded, () => void check());
export const documents = new Documents(live, frames);

const NOTHING: Shown<never> = { data: null, problem: "" };

/** The newest state of a document, for as long as the component is there. */
export function useDocument<T>(request: Request | null): Shown<T> {
  const key = JSON.stringify(request);
  const [found, setFound] = useState<{ key: string; shown: Signal<Shown<T>> } | null>(null);
  useEffect(() => {
    if (!request) return undefined;
    const followed = documents.follow<T>(request);
    setFound({ key, shown: followed.shown });
    return followed.end;
  }, [key]);
  return found?.key === key ? found.shown.value : NOTHING;
}

export function useDaemons(): Daemons | null {
  return useDocument<Daemons>({ topic: "daemons" }).data;
}

export function useOverview(daemon: string): Shown<Overview> {
  return useDocument<Overview>(daemon ? { topic: "overview", daemon } : null);
}

/** Counts up once per interval of the server while the page is seen: what shows ages and charts reads it. */
export const tick = signal(0);

/** Let `tick` run; returns how to end it. */
export function startTicking(): () => void {
  let timer: number | undefined;
  const next = (): void => {
    timer = window.setTimeout(() => {
      if (!document.hidden) tick.value += 1;
      next();
    }, live.interval.value * 1000);
  };
  next();
  return () => window.clearTimeout(timer);
}
