/** @file Pieces of `extraRepr`. */

/** Write a pair, or a number, as PyTorch does. */
export function show(value: unknown): string {
  return Array.isArray(value) ? `(${value.map(show).join(", ")})` : String(value);
}

/** Write `name=value` for each entry, without those that are undefined. */
export function named(values: Record<string, unknown>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${show(value)}`)
    .join(", ");
}
