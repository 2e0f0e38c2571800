/** @file Pooling as functions. */
import { describe, pair, type Size2d, withDefaults } from "../check.js";
import { ArgumentError } from "../errors.js";
import { apply, applyPair, type Tensor } from "../tensor.js";

/** Options of `maxPool2d`. */
export interface MaxPool2dOptions {
  /** Distance of the windows. Default: the kernel size. */
  stride?: Size2d | null;
  /** Rows and columns of -infinity at each side. Default 0. */
  padding?: Size2d;
  /** Distance of the elements of a window. Default 1. */
  dilation?: Size2d;
  /** Whether windows may hang over the edge. Default false. */
  ceilMode?: boolean;
  /** Whether to give `[output, indices]`. Default false. */
  returnIndices?: boolean;
}

function isStride(value: unknown): value is Size2d | null {
  return typeof value === "number" || Array.isArray(value) || value === null;
}

/** Read a stride that stands before the options, as in `maxPool2d(x, 2, 2)`, as one of them. */
export function withStride<O extends { stride?: Size2d | null }>(
  operation: string,
  stride: Size2d | O | null | undefined,
  options: O | undefined,
): O | undefined {
  if (isStride(stride)) return { ...options!, stride };
  if (options !== undefined && stride !== undefined) {
    throw new ArgumentError(
      `${operation}: stride must be a number or a pair, got ${describe(stride)}`,
    );
  }
  return options ?? stride;
}

/** Largest elements of windows over images [N, C, H, W] or [C, H, W]. */
export function maxPool2d(
  x: Tensor,
  kernelSize: Size2d,
  options: MaxPool2dOptions & { returnIndices: true },
): [output: Tensor, indices: Tensor];
export function maxPool2d(
  x: Tensor,
  kernelSize: Size2d,
  stride?: Size2d | null,
  options?: MaxPool2dOptions & { returnIndices?: false },
): Tensor;
export function maxPool2d(
  x: Tensor,
  kernelSize: Size2d,
  options?: MaxPool2dOptions & { returnIndices?: false },
): Tensor;
export function maxPool2d(
  x: Tensor,
  kernelSize: Size2d,
  stride?: Size2d | MaxPool2dOptions | null,
  options?: MaxPool2dOptions,
): Tensor | [Tensor, Tensor] {
  const name = "maxPool2d";
  const given = withDefaults<Required<MaxPool2dOptions>>(name, withStride(name, stride, options), {
    stride: null,
    padding: 0,
    dilation: 1,
    ceilMode: false,
    returnIndices: false,
  });
  const args = [
    ...pair(name, "kernelSize", kernelSize),
    ...pair(name, "stride", given.stride ?? kernelSize),
    ...pair(name, "padding", given.padding),
    ...pair(name, "dilation", given.dilation),
    Number(given.ceilMode),
  ];
  return given.returnIndices
    ? applyPair("max_pool2d_with_indices", [x], args)
    : apply("max_pool2d", [x], args);
}

/** Options of `avgPool2d`. */
export interface AvgPool2dOptions {
  /** Distance of the windows. Default: the kernel size. */
  stride?: Size2d | null;
  /** Zeros at each side. Default 0. */
  padding?: Size2d;
  /** Whether windows may hang over the edge. Default false. */
  ceilMode?: boolean;
  /** Whether the zeros of the padding count in the mean. Default true. */
  countIncludePad?: boolean;
  /** What to divide the sums by. Default: the number of elements. */
  divisorOverride?: number | null;
}

/** Means of windows over images [N, C, H, W] or [C, H, W]. */
export function avgPool2d(
  x: Tensor,
  kernelSize: Size2d,
  stride?: Size2d | null,
  options?: AvgPool2dOptions,
): Tensor;
export function avgPool2d(x: Tensor, kernelSize: Size2d, options?: AvgPool2dOptions): Tensor;
export function avgPool2d(
  x: Tensor,
  kernelSize: Size2d,
  stride?: Size2d | AvgPool2dOptions | null,
  options?: AvgPool2dOptions,
): Tensor {
  const name = "avgPool2d";
  const given = withDefaults<Required<AvgPool2dOptions>>(name, withStride(name, stride, options), {
    stride: null,
    padding: 0,
    ceilMode: false,
    countIncludePad: true,
    divisorOverride: null,
  });
  if (given.divisorOverride === 0) {
    throw new ArgumentError("avgPool2d: divisorOverride must not be 0");
  }
  return apply(
    "avg_pool2d",
    [x],
    [
      ...pair(name, "kernelSize", kernelSize),
      ...pair(name, "stride", given.stride ?? kernelSize),
      ...pair(name, "padding", given.padding),
      Number(given.ceilMode),
      Number(given.countIncludePad),
      given.divisorOverride ?? 0,
    ],
  );
}
