/** @file How samples become a batch. */
import { describe } from "../check.js";
import { ArgumentError } from "../errors.js";
import { stack, Tensor, tensor, type TypedArray } from "../index.js";
import type { Collated } from "./dataset.js";

/**
 * Join samples into a batch.
 *
 * Tensors (and typed arrays) are stacked; numbers become a tensor, `int32` if all are integers; booleans
 * become a `bool` tensor; strings are listed; lists and plain objects are joined part by part.
 */
export function defaultCollate<T>(samples: readonly T[]): Collated<T> {
  return collate(samples) as Collated<T>;
}

function collate(samples: readonly unknown[]): unknown {
  const [first] = samples;
  if (samples.every((sample) => sample instanceof Tensor)) return stack(samples);
  if (samples.every((sample) => typeof sample === "number")) {
    return tensor(samples, { dtype: samples.every(Number.isInteger) ? "int32" : "float32" });
  }
  if (samples.every((sample) => typeof sample === "boolean")) return tensor(samples);
  if (samples.every((sample) => typeof sample === "string")) return [...samples];
  if (samples.every(isTypedArray)) {
    const rows = samples.map((sample) => tensor(sample));
    const batch = stack(rows);
    rows.forEach((row) => row.dispose());
    return batch;
  }
  if (samples.every((sample) => Array.isArray(sample))) {
    const lists = samples as readonly unknown[][];
    if (lists.some((list) => list.length !== lists[0]!.length)) {
      throw new ArgumentError(
        "defaultCollate: each element in list of batch should be of equal size",
      );
    }
    return lists[0]!.map((_, i) => collate(lists.map((list) => list[i])));
  }
  if (samples.every(isPlainObject)) {
    const keys = Object.keys(first as object);
    return Object.fromEntries(
      keys.map((key) => [key, collate(samples.map((sample) => sample[key]))]),
    );
  }
  throw new ArgumentError(
    `defaultCollate: batch must contain tensors, typed arrays, numbers, strings, lists or objects; ` +
      `found ${describe(first)} (an image becomes a tensor by a transform such as new transforms.ToTensor())`,
  );
}

function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== "object") return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
