import type { OptionDoc } from "../types";

/** The description of an option; `rlimit_nofile` is described under `rlimit_NAME`. */
export function docOf(docs: readonly OptionDoc[], name: string): OptionDoc | undefined {
  return docs.find((doc) => doc.name === name) ?? docs.find((doc) => isOwnChoice(doc.name, name));
}

function isOwnChoice(pattern: string, name: string): boolean {
  const fixed = pattern.split(/[A-Z]{2,}/);
  if (fixed.length < 2) return false;
  let at = 0;
  for (const [i, part] of fixed.entries()) {
    const found = i === 0 ? (name.startsWith(part) ? 0 : -1) : name.indexOf(part, at + 1);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length > at || fixed.at(-1) !== "";
}

/** Is this what the option would be without being set? */
export function isDefault(value: unknown, doc: OptionDoc | undefined): boolean {
  const standard = doc?.default ?? null;
  return JSON.stringify(value ?? null) === JSON.stringify(standard) || (standard === null && isEmpty(value));
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** What was typed as the kind of value that was there: numbers stay numbers, objects are read as JSON if they are some. */
export function edited(text: string, before: unknown): unknown {
  if (typeof before === "number" && text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
  if (typeof before === "object" && before !== null) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return text;
    }
  }
  return text;
}
