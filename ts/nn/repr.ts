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

/** Write a module with its children below it, each by its name. */
export function tree(
  module: string,
  extra: string,
  children: readonly (readonly [name: string, text: string])[],
): string {
  const below = children.map(([name, text]) => `(${name}): ${text}`.replaceAll("\n", "\n  "));
  if (below.length === 0) return `${module}(${extra})`;
  const lines = extra === "" ? below : [extra, ...below];
  return `${module}(\n  ${lines.join("\n  ")}\n)`;
}
