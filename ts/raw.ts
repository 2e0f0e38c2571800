/** @file The only importer of the WASM core: names become ids here, numbers become typed arrays. */
import { createError } from "./errors.js";
import { loadCore } from "./host/node.js";
import type { OperationName, Raw, UpdateName } from "./raw-types.js";

export type { OperationName, Raw, UpdateName } from "./raw-types.js";

/** The WASM core, ready to use once this module is loaded. */
export const raw: Raw = await loadCore();
raw.setErrorFactory(createError);

const ids = new Map(raw.operations().map((name, id) => [name, id]));

function idOf(name: OperationName | UpdateName): number {
  const id = ids.get(name);
  if (id === undefined) throw createError("argument", `${name}: this core has no such operation`);
  return id;
}

/** Pack numbers for the core; refuse whatever else a JavaScript caller may have slipped in. */
export function pack(operation: string, values: readonly number[]): Float64Array {
  const packed = new Float64Array(values.length);
  values.forEach((value, i) => {
    if (typeof value !== "number") {
      throw createError("argument", `${operation}: expected a number, got ${String(value)}`);
    }
    packed[i] = value;
  });
  return packed;
}

/** Run an operation; the handles of its outputs belong to the caller. */
export function call(
  name: OperationName,
  inputs: readonly number[],
  args: readonly number[],
): Uint32Array {
  return raw.apply(idOf(name), Uint32Array.from(inputs), pack(name, args));
}

/** Run an operation and write its output into `target`. */
export function callInPlace(
  name: OperationName,
  target: number,
  inputs: readonly number[],
  args: readonly number[],
): void {
  raw.applyInPlace(idOf(name), target, Uint32Array.from(inputs), pack(name, args));
}

/** Run one optimizer step over all `tensors` of a parameter group. */
export function callUpdate(
  name: UpdateName,
  tensors: readonly number[],
  args: readonly number[],
): void {
  raw.update(name, Uint32Array.from(tensors), pack(name, args));
}
