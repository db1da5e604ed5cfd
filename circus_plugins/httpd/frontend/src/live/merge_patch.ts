/**
 * Documents that change by JSON merge patches (RFC 7396). Names of watchers are keys, so no object here has a prototype:
 * a watcher called `__proto__` is a watcher like any other.
 */

type Tree = { [key: string]: unknown };

/** A copy of `value` as it came from JSON whose objects have no prototype; nulls stay only inside arrays. */
export function withoutPrototypes(value: unknown): unknown {
  return isTree(value) ? merged(undefined, value) : copiedArrays(value);
}

/**
 * `target` with `patch` merged in. Nothing that is given is changed; what the patch does not touch is the same object
 * afterwards, so that a view can tell by `===` what it needs not draw again.
 */
export function merged(target: unknown, patch: unknown): unknown {
  if (!isTree(patch)) return copiedArrays(patch);
  const result = empty();
  if (isTree(target)) for (const key of Object.keys(target)) result[key] = target[key];
  for (const key of Object.keys(patch)) {
    if (patch[key] === null) delete result[key];
    else result[key] = merged(result[key], patch[key]);
  }
  return result;
}

function copiedArrays(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copiedArrays);
  if (!isTree(value)) return value;
  const result = empty();
  for (const key of Object.keys(value)) result[key] = copiedArrays(value[key]);
  return result;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function empty(): Tree {
  return Object.create(null) as Tree;
}
