/** @file Operations that gather elements along dimensions: sums, extremes, norms, softmax. */
import { number } from "../check.js";
import { naming } from "../composed.js";
import { ArgumentError } from "../errors.js";
import type { OperationName } from "../raw.js";
import { apply, applyPair, handleOf, Tensor } from "../tensor.js";
import {
  type DimKeepOptions,
  type DimOptions,
  type Dims,
  reduceArgs,
  type ReduceOptions,
  withDim,
} from "./arguments.js";

const REDUCE: Required<ReduceOptions> = { dim: null, keepdim: false };

/** Options of an operation whose dimension stands before them. */
type Rest<Options> = Omit<Options, "dim">;

type Reduction = (
  x: Tensor,
  dim?: Dims | ReduceOptions | null,
  options?: Rest<ReduceOptions>,
) => Tensor;

const reduction =
  (operation: OperationName): Reduction =>
  (x, dim, options) => {
    const [dims, { keepdim }] = reduceArgs(operation, dim, options, REDUCE);
    return apply(operation, [x], [dims.length, ...dims, Number(keepdim)]);
  };

/** Sum over all elements or some dimensions */
export const sum = reduction("sum");
/** Mean over all elements or some dimensions */
export const mean = reduction("mean");
/** Product over all elements or some dimensions */
export const prod = reduction("prod");
/** Largest element; the gradient is shared evenly among equals */
export const amax = reduction("amax");
/** Smallest element; the gradient is shared evenly among equals */
export const amin = reduction("amin");
/** True where all elements are not 0 */
export const all = reduction("all");
/** True where some element is not 0 */
export const any = reduction("any");
/** log(sum(exp(x))), without overflow */
export const logsumexp = reduction("logsumexp");

/** Options of `variance` and `std`. */
export interface VarianceOptions extends ReduceOptions {
  /** What is taken off the number of elements in the divisor. Default 1. */
  correction?: number;
}

const deviation =
  (operation: "var" | "std") =>
  (x: Tensor, dim?: Dims | VarianceOptions | null, options?: Rest<VarianceOptions>): Tensor => {
    const defaults: Required<VarianceOptions> = { ...REDUCE, correction: 1 };
    const [dims, { keepdim, correction }] = reduceArgs(operation, dim, options, defaults);
    return apply(operation, [x], [dims.length, ...dims, Number(keepdim), correction]);
  };

const variance = deviation("var");
export {
  /** Variance over all elements or some dimensions */
  variance as var,
};
/** Standard deviation over all elements or some dimensions */
export const std = deviation("std");

/** Options of `norm`. */
export interface NormOptions extends ReduceOptions {
  /** The exponent: 2 is the Euclidean norm. Default 2. */
  p?: number;
}

/** (sum of |x|^p)^(1/p) over all elements or some dimensions: `norm(1)`, `norm({ dim: 1 })` */
export function norm(
  x: Tensor,
  p?: number | NormOptions,
  options?: Omit<NormOptions, "p">,
): Tensor {
  if (Array.isArray(p)) number("norm", "p", p);
  const defaults: Required<NormOptions> = { ...REDUCE, p: typeof p === "number" ? p : 2 };
  const [dims, filled] =
    typeof p === "number"
      ? reduceArgs("norm", options, undefined, defaults)
      : reduceArgs("norm", p, options, defaults);
  return apply("norm", [x], [dims.length, ...dims, Number(filled.keepdim), filled.p]);
}

/** Index of the largest element: of all of them, or along one dimension. */
export const argmax = indexOfExtreme("argmax");
/** Index of the smallest element: of all of them, or along one dimension. */
export const argmin = indexOfExtreme("argmin");

function indexOfExtreme(operation: "argmax" | "argmin") {
  return (
    x: Tensor,
    dim?: number | DimKeepOptions | null,
    options?: Rest<DimKeepOptions>,
  ): Tensor => {
    const defaults = { dim: null as number | null, keepdim: false };
    const filled = withDim(operation, dim, options, defaults);
    if (Number.isNaN(filled.dim)) throw new ArgumentError(`${operation}: dim must not be NaN`);
    // To the core NaN is "no dimension": the index then counts through all elements.
    return apply(operation, [x], [filled.dim ?? NaN, Number(filled.keepdim)]);
  };
}

/** `max` and `min`: of all elements, along a dimension with indices, or of two tensors. */
export interface Extreme {
  (x: Tensor): Tensor;
  (
    x: Tensor,
    dim: number | (DimKeepOptions & { dim: number }),
    options?: Rest<DimKeepOptions>,
  ): [values: Tensor, indices: Tensor];
  (x: Tensor, other: Tensor): Tensor;
}

function extreme(
  all: "amax" | "amin",
  along: "max_dim" | "min_dim",
  two: "maximum" | "minimum",
): Extreme {
  const name = along === "max_dim" ? "max" : "min";
  function call(x: Tensor): Tensor;
  function call(
    x: Tensor,
    dim: number | DimKeepOptions,
    options?: Rest<DimKeepOptions>,
  ): [Tensor, Tensor];
  function call(x: Tensor, other: Tensor): Tensor;
  function call(
    x: Tensor,
    second?: Tensor | number | DimKeepOptions,
    options?: Rest<DimKeepOptions>,
  ): Tensor | [Tensor, Tensor] {
    if (second === undefined) {
      handleOf(name, x);
      return naming(name, () => apply(all, [x], [0, 0]));
    }
    if (second instanceof Tensor) return apply(two, [x, second]);
    const filled = withDim<Required<DimKeepOptions>>(name, second, options, {
      dim: NaN,
      keepdim: false,
    });
    return applyPair(along, [x], [number(name, "dim", filled.dim), Number(filled.keepdim)]);
  }
  return call;
}

/** Largest element: `max(x)`; `max(x, { dim: 1 })` gives values and indices; `max(x, y)` of two. */
export const max: Extreme = extreme("amax", "max_dim", "maximum");
/** Smallest element: `min(x)`; `min(x, { dim: 1 })` gives values and indices; `min(x, y)` of two. */
export const min: Extreme = extreme("amin", "min_dim", "minimum");

/** An operation along one dimension, which is required: `softmax(x, 1)`, `softmax(x, { dim: 1 })`. */
const along =
  (operation: "softmax" | "log_softmax" | "cumsum", name: string) =>
  (x: Tensor, dim: number | DimOptions): Tensor => {
    const given = typeof dim === "number" ? dim : (dim as DimOptions | undefined)?.dim;
    return apply(operation, [x], [number(name, "dim", given)]);
  };

/** exp(x) divided by its sum along `dim` */
export const softmax = along("softmax", "softmax");
/** Logarithm of `softmax`, without its rounding errors */
export const logSoftmax = along("log_softmax", "logSoftmax");
/** Sums of the elements so far along `dim` */
export const cumsum = along("cumsum", "cumsum");
