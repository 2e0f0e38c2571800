/** @file Indexing as in Python: `x.at(0, [1, 3], "...", null)` for `x[0, 1:3, ..., None]`. */
import { describe } from "../check.js";
import { ArgumentError, IndexError } from "../errors.js";
import { composed } from "../composed.js";
import { handleOf, Tensor } from "../tensor.js";
import { expand, indexSelect, select, slice, squeeze, unsqueeze } from "./shape.js";

/**
 * One index: a number takes one slice and drops the dimension; `[start, end, step]` takes a range
 * (`null` or nothing where Python has nothing); `":"` takes all; `"..."` stands for as many `":"` as
 * are missing; `null` inserts a dimension; an `int32` tensor of one dimension picks slices, and one
 * without dimensions is a number.
 */
export type Index =
  | number
  | readonly [start?: number | null, end?: number | null, step?: number]
  | ":"
  | "..."
  | null
  | Tensor;

/** Index as in Python. Numbers and ranges give views, so that `x.at(0).fill_(1)` writes into `x`. */
export function at(x: Tensor, ...indices: readonly Index[]): Tensor {
  handleOf("at", x);
  const consumed = indices.filter((index) => index !== null && index !== "...").length;
  if (consumed > x.ndim) {
    throw new IndexError(
      `at: ${consumed} indices are too many for shape ${describe([...x.shape])}`,
    );
  }
  if (indices.filter((index) => index === "...").length > 1) {
    throw new ArgumentError('at: "..." can be used once only');
  }
  return composed("at", () => {
    let dim = 0;
    let result = x;
    for (const index of indices) {
      if (typeof index === "number") result = select(result, dim, index);
      else if (index === null) result = unsqueeze(result, dim++);
      else if (index === "...") dim += x.ndim - consumed;
      else if (index === ":") dim++;
      else if (index instanceof Tensor) {
        result = indexSelect(result, dim, index);
        if (index.ndim === 0) result = squeeze(result, dim);
        else dim++;
      } else result = range(result, dim++, index);
    }
    // Even without indices this is a tensor of its own, as x[...] in Python.
    return result === x ? expand(x, x.shape) : result;
  });
}

function range(
  x: Tensor,
  dim: number,
  index: Exclude<Index, number | string | null | Tensor>,
): Tensor {
  if (!Array.isArray(index) || index.length > 3) {
    throw new ArgumentError(
      `at: an index is a number, [start, end, step], ":", "...", null or a Tensor, got ${describe(index)}`,
    );
  }
  const [start, end, step] = index as [
    number | null | undefined,
    number | null | undefined,
    number?,
  ];
  return slice(x, { dim, start: start ?? undefined, end: end ?? undefined, step });
}
