import { basePath } from "./base";
import type { Session } from "./types";

/** What the server said no with, in words for people. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
    this.name = "Problem";
  }
}

type Method = "GET" | "POST" | "PATCH" | "DELETE";

let csrf: string | null = null;
let onLoggedOut: () => void = () => undefined;

/** Send this with what changes something. */
export function useCsrf(token: string | null): void {
  csrf = token;
}

/** Call `listener` when the server knows our session no more. */
export function whenLoggedOut(listener: () => void): void {
  onLoggedOut = listener;
}

/** The address of a path of the API, such as `daemons`. */
export function address(path: string): string {
  return `${basePath(window.location.pathname)}api/${path}`;
}

/**
 * Ask the API. Raises a Problem when it refuses or can't be reached.
 *
 * `timeout` is in milliseconds; longer than that of the server, which has the better words.
 */
export async function ask<T>(method: Method, path: string, body?: object, timeout = 60_000): Promise<T> {
  let answer = await send(method, path, body, timeout);
  if (answer.status === 403 && method !== "GET" && (await hasNewCsrf())) {
    answer = await send(method, path, body, timeout);
  }
  if (answer.status === 401 && path !== "session") onLoggedOut();
  if (!answer.ok) throw new Problem(answer.status, await reason(answer));
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** Take the token of now: who logs in anew in another tab has another one in all tabs. */
async function hasNewCsrf(): Promise<boolean> {
  const answer = await send("GET", "session");
  if (!answer.ok) return false;
  const old = csrf;
  csrf = ((await answer.json()) as Session).csrf;
  return csrf !== old;
}

async function send(method: Method, path: string, body?: object, timeout = 60_000): Promise<Response> {
  const headers = new Headers({ Accept: "application/json" });
  if (method !== "GET" && csrf) headers.set("X-CSRF-Token", csrf);
  if (body) headers.set("Content-Type", "application/json");
  return reach(address(path), {
    method,
    headers,
    credentials: "same-origin",
    cache: "no-store",
    signal: AbortSignal.timeout(timeout),
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
}

async function reach(url: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, request);
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new Problem(0, late ? "circushttpd did not answer in time" : "circushttpd can't be reached");
  }
}

async function reason(answer: Response): Promise<string> {
  try {
    const problem = (await answer.json()) as { detail?: unknown; title?: unknown };
    return String(problem.detail ?? problem.title ?? answer.statusText);
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}
