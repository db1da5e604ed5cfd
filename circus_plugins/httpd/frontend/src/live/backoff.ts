const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/**
 * Milliseconds to wait before try number `attempt` (from 0) to connect again: doubled each time up to a limit, and spread by `random`
 * (0 to 1), so that the pages of a restarted server do not all come back at once.
 */
export function pause(attempt: number, random: number): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(full * (0.6 + 0.4 * random));
}
