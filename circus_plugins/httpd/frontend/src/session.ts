import { signal } from "@preact/signals";
import { Problem, ask, useCsrf, whenLoggedOut } from "./api";
import type { Session } from "./types";

export type SessionState =
  | { kind: "asking" }
  | { kind: "out"; problem: string }
  | { kind: "in"; session: Session };

export const session = signal<SessionState>({ kind: "asking" });

/** May what is shown be changed? */
export function mayChange(): boolean {
  return session.value.kind === "in" && session.value.session.role === "full";
}

/** Find out who we are: by the token that the address brings, once, or by the cookie of an earlier login. */
export async function begin(): Promise<void> {
  whenLoggedOut(sessionEnded);
  window.addEventListener("hashchange", () => void changeUser());
  const token = takeToken();
  if (token) await logIn(token);
  else await resume();
}

/** Begin anew with the token of an address that was pasted into a page that is open. */
async function changeUser(): Promise<void> {
  const token = takeToken();
  if (!token) return;
  leave("");
  await logIn(token);
}

/** Find out whether the session has ended while the server could not be heard. */
export async function check(): Promise<void> {
  try {
    await ask("GET", "session");
  } catch (error) {
    if (error instanceof Problem && error.status === 401) sessionEnded();
  }
}

async function resume(): Promise<void> {
  try {
    enter(await ask<Session>("GET", "session"));
  } catch (error) {
    leave(error instanceof Problem && error.status === 401 ? "" : String((error as Error).message));
  }
}

export async function logIn(token: string): Promise<void> {
  try {
    enter(await ask<Session>("POST", "session", { token: token.trim() }));
  } catch (error) {
    leave((error as Error).message);
  }
}

export async function logOut(): Promise<void> {
  try {
    await ask("DELETE", "session");
    leave("");
  } catch (error) {
    leave(error instanceof Problem && error.status === 401 ? "" : `Not logged out: ${(error as Error).message}`);
  }
}

function enter(found: Session): void {
  useCsrf(found.csrf);
  session.value = { kind: "in", session: found };
}

export function sessionEnded(): void {
  leave("The session has ended. Log in again.");
}

function leave(problem: string): void {
  useCsrf(null);
  session.value = { kind: "out", problem };
}

/**
 * The token of `#token=...`, which is removed from the address and from the history. A fragment is never sent, so it is in no log.
 */
function takeToken(): string {
  const found = /^#\/?token=([^&/]+)/.exec(window.location.hash);
  if (!found) return "";
  window.history.replaceState(null, "", `${window.location.pathname}#/`);
  try {
    return decodeURIComponent(found[1] ?? "");
  } catch {
    return found[1] ?? ""; // cut off or mistyped: the server says that it is not known
  }
}
