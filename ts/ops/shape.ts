/** @file Views and rearrangements: what moves elements without computing. */
import { describe, number, numbers, withDefaults } from "../check.js";
import { composed } from "../composed.js";
import { ArgumentError, IndexError, ShapeError } from "../errors.js";
import type { OperationName } from "../raw.js";
import { apply, handleOf, type Tensor } from "../tensor.js";
import { dimOption, type DimOptions, frontDim, sizeList, type Sizes } from "./arguments.js";

type SizesFunction = (x: Tensor, ...sizes: Sizes) => Tensor;

const bySizes =
  (operation: OperationName): SizesFunction =>
  (x, ...sizes) => {
    const list = sizeList(operation, sizes);
    return apply(operation, [x], [list.length, ...list]);
  };

/** The same elements in another shape, without a copy; one size may be -1 */
export const view = bySizes("view");
/** The same elements in another shape, copied only if need be; one size may be -1 */
export const reshape = bySizes("reshape");
/** The dimensions in another order: `permute(0, 2, 1)` */
export const permute = bySizes("permute");
/** Repeat dimensions of size 1 without a copy; -1 keeps a size */
export const expand = bySizes("expand");
/** Reverse the order along the given dimensions */
export const flip = bySizes("flip");

function shapeOf(operation: string, other: Tensor): readonly number[] {
  handleOf(operation, other);
  return other.shape;
}

/** The same elements in the shape of `other`, without a copy */
export const viewAs = (x: Tensor, other: Tensor): Tensor => view(x, shapeOf("viewAs", other));
/** The same elements in the shape of `other` */
export const reshapeAs = (x: Tensor, other: Tensor): Tensor =>
  reshape(x, shapeOf("reshapeAs", other));
/** Repeat dimensions of size 1 to the shape of `other`, without a copy */
export const expandAs = (x: Tensor, other: Tensor): Tensor => expand(x, shapeOf("expandAs", other));

/** Join the dimensions from `startDim` to `endDim` into one. */
export function flatten(x: Tensor, startDim = 0, endDim = -1): Tensor {
  handleOf("flatten", x);
  if (x.ndim === 0) return reshape(x, 1);
  const start = frontDim("flatten", x, startDim);
  const end = frontDim("flatten", x, endDim);
  if (start > end) {
    throw new ArgumentError(`flatten: startDim ${startDim} comes after endDim ${endDim}`);
  }
  const joined = x.shape.slice(start, end + 1).reduce((product, size) => product * size, 1);
  return reshape(x, [...x.shape.slice(0, start), joined, ...x.shape.slice(end + 1)]);
}

/** Split one dimension into several; one of the sizes may be -1. */
export function unflatten(x: Tensor, dim: number, sizes: readonly number[]): Tensor {
  const at = frontDim("unflatten", x, dim);
  const list = [...numbers("unflatten", "sizes", sizes)];
  const product = list.reduce((a, b) => a * b, 1);
  const wild = list.indexOf(-1);
  if (wild >= 0) list[wild] = x.shape[at]! / -product;
  if (wild >= 0 ? !Number.isInteger(list[wild]) : product !== x.shape[at]) {
    throw new ShapeError(
      `unflatten: sizes ${describe([...sizes])} do not multiply to ${x.shape[at]}, the size of dim ${dim}`,
    );
  }
  return view(x, [...x.shape.slice(0, at), ...list, ...x.shape.slice(at + 1)]);
}

/** Swap two dimensions. */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
  handleOf("transpose", x);
  const order = x.shape.map((_, i) => i);
  if (order.length === 0) return permute(x, []);
  const a = frontDim("transpose", x, dim0);
  const b = frontDim("transpose", x, dim1);
  order[a] = b;
  order[b] = a;
  return permute(x, order);
}

/** Swap the dimensions of a matrix; fewer dimensions stay as they are. */
export function t(x: Tensor): Tensor {
  handleOf("t", x);
  if (x.ndim > 2) {
    throw new ShapeError(`t: expects at most 2 dimensions, got ${describe([...x.shape])}`);
  }
  return x.ndim < 2 ? apply("permute", [x], [x.ndim, ...x.shape.keys()]) : permute(x, 1, 0);
}

/** Drop dimensions of size 1: all of them, or those named. */
export function squeeze(x: Tensor, dim?: number | readonly number[]): Tensor {
  // Without dimensions there is nothing to squeeze, while an empty list means "all" to the core.
  const dims = dim === undefined ? [] : typeof dim === "number" ? [dim] : dim;
  numbers("squeeze", "dim", dims);
  if (dim !== undefined && dims.length === 0) return view(x, x.shape);
  return apply("squeeze", [x], [dims.length, ...dims]);
}

/** Insert a dimension of size 1. */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  return apply("unsqueeze", [x], [number("unsqueeze", "dim", dim)]);
}

/** No dimension is larger. */
const MAX_SIZE = 2 ** 31 - 1;

/** Options of `slice`. */
export interface SliceOptions {
  /** The dimension to cut. Default 0. */
  dim?: number;
  /** First index; negative ones count from the end. Default 0. */
  start?: number;
  /** Index after the last one; negative ones count from the end. Default: the end. */
  end?: number;
  /** Distance of the indices. Default 1. */
  step?: number;
}

/** A view of part of one dimension, as `x[start:end:step]` in Python. */
export function slice(x: Tensor, options?: SliceOptions): Tensor {
  const { dim, start, end, step } = withDefaults<Required<SliceOptions>>("slice", options, {
    dim: 0,
    start: 0,
    end: MAX_SIZE,
    step: 1,
  });
  return apply("slice", [x], [dim, start, end, step]);
}

/** A view of `length` indices of one dimension, from `start` on. */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  const size = x.shape[frontDim("narrow", x, dim)]!;
  const first = number("narrow", "start", start) < 0 ? start + size : start;
  const whole = Number.isInteger(first) && Number.isInteger(number("narrow", "length", length));
  if (!whole || first < 0 || length < 0 || first + length > size) {
    throw new IndexError(
      `narrow: start ${start} and length ${length} leave dim ${dim} of size ${size}`,
    );
  }
  return slice(x, { dim, start: first, end: first + length });
}

/** A view of one index of a dimension, which goes away. */
export function select(x: Tensor, dim: number, index: number): Tensor {
  return apply("select", [x], [number("select", "dim", dim), number("select", "index", index)]);
}

/** The elements at the given indices (`int32`, one dimension) along `dim`. */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
  return apply("index_select", [x, index], [number("indexSelect", "dim", dim)]);
}

/** The elements that `index` (`int32`, as many dimensions as `x`) names along `dim`. */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  return apply("gather", [x, index], [number("gather", "dim", dim)]);
}

/** Views of pieces along `dim`: of a size each (the last may be smaller), or of the listed sizes. */
export function split(
  x: Tensor,
  size: number | readonly number[],
  options?: number | DimOptions,
): Tensor[] {
  const dim = dimOption("split", options);
  const total = x.shape[frontDim("split", x, dim)]!;
  const sizes = typeof size === "number" ? pieces(total, size) : numbers("split", "sizes", size);
  const covered = sizes.reduce((a, b) => a + b, 0);
  if (covered !== total || sizes.some((n) => !(Number.isInteger(n) && n >= 0))) {
    throw new ArgumentError(
      `split: sizes ${describe([...sizes])} do not add up to ${total}, the size of dim ${dim}`,
    );
  }
  let start = 0;
  return sizes.map((n) => slice(x, { dim, start, end: (start += n) }));
}

function pieces(total: number, size: number): number[] {
  if (!(Number.isInteger(size) && (size > 0 || (size === 0 && total === 0)))) {
    throw new ArgumentError(`split: size must be a positive integer, got ${size}`);
  }
  if (total === 0) return [0];
  return Array.from({ length: Math.ceil(total / size) }, (_, i) =>
    Math.min(size, total - i * size),
  );
}

/** Views of at most `chunks` pieces of the same size along `dim`. */
export function chunk(x: Tensor, chunks: number, options?: number | DimOptions): Tensor[] {
  if (!(Number.isInteger(chunks) && chunks > 0)) {
    throw new ArgumentError(`chunk: chunks must be a positive integer, got ${describe(chunks)}`);
  }
  const dim = dimOption("chunk", options);
  const total = x.shape[frontDim("chunk", x, dim)]!;
  return split(x, Math.max(1, Math.ceil(total / chunks)), dim);
}

/** Views of every index along `dim`, which goes away. */
export function unbind(x: Tensor, options?: number | DimOptions): Tensor[] {
  const dim = dimOption("unbind", options);
  return Array.from({ length: x.shape[frontDim("unbind", x, dim)]! }, (_, i) => select(x, dim, i));
}

/** Repeat the whole tensor: `repeat(2, 3)` stacks 2 copies down and 3 across. */
export function repeat(x: Tensor, ...sizes: Sizes): Tensor {
  const times = sizeList("repeat", sizes);
  handleOf("repeat", x);
  if (times.length < x.ndim) {
    throw new ShapeError(
      `repeat: expects at least ${x.ndim} numbers for shape ${describe([...x.shape])}, got ${describe([...times])}`,
    );
  }
  const shape = [...new Array<number>(times.length - x.ndim).fill(1), ...x.shape];
  return composed("repeat", () => {
    const apart = reshape(
      x,
      shape.flatMap((size) => [1, size]),
    );
    // A copy even where nothing is repeated: what is written into the result stays there.
    const repeated = apply("clone", [
      expand(
        apart,
        shape.flatMap((size, i) => [times[i]!, size]),
      ),
    ]);
    return view(
      repeated,
      shape.map((size, i) => times[i]! * size),
    );
  });
}
