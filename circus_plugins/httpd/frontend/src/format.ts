/** Figures as people read them. What is not known is a dash. */

export const UNKNOWN = "–";

type Figure = number | null | undefined;

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes with three digits at most and a unit of 1024: `3.1 MB`. */
export function bytes(value: Figure): string {
  if (!isKnown(value)) return UNKNOWN;
  let unit = 0;
  let rest = Math.abs(value);
  while (rest >= 999.5 && unit < BYTE_UNITS.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || rest >= 99.95 ? 0 : 1;
  return `${value < 0 ? "-" : ""}${rest.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

export function bytesPerSecond(value: Figure): string {
  return isKnown(value) ? `${bytes(value)}/s` : UNKNOWN;
}

/** Percent of one processor: `0.4 %`, `231 %`. */
export function percent(value: Figure): string {
  if (!isKnown(value)) return UNKNOWN;
  return `${value.toFixed(value < 99.95 ? 1 : 0)} %`;
}

export function count(value: Figure): string {
  return isKnown(value) ? Math.round(value).toLocaleString("en").replaceAll(",", "\u202f") : UNKNOWN;
}

/** A rate with its unit: `3.5/s`. */
export function perSecond(value: Figure): string {
  return isKnown(value) ? `${rate(value)}/s` : UNKNOWN;
}

/** A rate of things per second. */
export function rate(value: Figure): string {
  if (!isKnown(value)) return UNKNOWN;
  return value > 0 && value < 10 ? value.toFixed(1) : count(value);
}

/** Seconds by their two greatest units: `4 s`, `3 min 20 s`, `2 d 4 h`. */
export function duration(seconds: Figure): string {
  if (!isKnown(seconds)) return UNKNOWN;
  const whole = Math.max(0, seconds);
  if (whole > 0 && whole < 0.9995) return `${Math.round(whole * 1000)} ms`;
  if (whole < 9.95 && !Number.isInteger(whole)) return `${whole.toFixed(1)} s`;
  const units: [number, string][] = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const rounded = Math.round(whole);
  const first = units.findIndex(([size]) => rounded >= size);
  const unit = units[first];
  if (unit === undefined) return "0 s";
  const [size, word] = unit;
  const next = units[first + 1];
  const amount = Math.floor(rounded / size);
  const remainder = next ? Math.floor((rounded - amount * size) / next[0]) : 0;
  return next && remainder ? `${amount} ${word} ${remainder} ${next[1]}` : `${amount} ${word}`;
}

/** How long ago a moment was, as `duration` says it, without fractions of a second. */
export function age(moment: Figure, now: number): string {
  return isKnown(moment) ? duration(Math.max(0, Math.round(now - moment))) : UNKNOWN;
}

/** The time of day in the zone of the browser, with milliseconds if asked for. */
export function timeOfDay(moment: Figure, { milliseconds = false } = {}): string {
  if (!isKnown(moment)) return UNKNOWN;
  const date = new Date(moment * 1000);
  const text = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(":");
  return milliseconds ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** `2026-11-21`, in the zone of the browser. */
export function day(moment: Figure): string {
  if (!isKnown(moment)) return UNKNOWN;
  const date = new Date(moment * 1000);
  return `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`;
}

export function dayAndTime(moment: Figure): string {
  return isKnown(moment) ? `${day(moment)} ${timeOfDay(moment)}` : UNKNOWN;
}

/** `1 process`, `3 processes`. */
export function plural(amount: number, one: string, many = `${one}s`): string {
  return `${count(amount)} ${amount === 1 ? one : many}`;
}

/** A value of an option as a person would write it into the configuration. */
export function optionText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(optionText).join(" ");
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

function isKnown(value: Figure): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
