/** @file Arguments that several operations take in the same forms. */
import { number, numbers, withDefaults } from "../check.js";
import { ArgumentError, IndexError } from "../errors.js";
import { apply, handleOf, type Tensor } from "../tensor.js";

/** Sizes one by one, or as one list: `view(2, 3)`, `view([2, 3])`. */
export type Sizes = readonly number[] | readonly [sizes: readonly number[]];

/** The list that a call with `Sizes` means. */
export function sizeList(operation: string, sizes: Sizes): readonly number[] {
  const list = sizes.length === 1 && Array.isArray(sizes[0]) ? (sizes[0] as unknown) : sizes;
  return numbers(operation, "sizes", list);
}

/** A dimension counted from the front. */
export function frontDim(operation: string, x: Tensor, dim: number): number {
  handleOf(operation, x);
  const { ndim } = x;
  number(operation, "dim", dim);
  if (!Number.isInteger(dim) || dim < -ndim || dim >= ndim) {
    throw new IndexError(
      `${operation}: dim must be an integer in [${-ndim}, ${ndim - 1}], got ${dim}`,
    );
  }
  return dim < 0 ? dim + ndim : dim;
}

/** One dimension or several; negative ones count from the end. */
export type Dims = number | readonly number[];

/** Options of a reduction. */
export interface ReduceOptions {
  /** The dimensions to reduce. Default: all. */
  dim?: Dims | null;
  /** Whether reduced dimensions stay, with size 1. Default false. */
  keepdim?: boolean;
}

/** Options of an operation along one dimension. */
export interface DimOptions {
  /** The dimension; negative ones count from the end. */
  dim?: number;
}

/** Options of a reduction along one dimension. */
export interface DimKeepOptions extends DimOptions {
  /** Whether the reduced dimension stays, with size 1. Default false. */
  keepdim?: boolean;
}

/** Whether an argument is a dimension, or a list of them, rather than an options object. */
function isDims(value: unknown): value is Dims {
  return typeof value === "number" || Array.isArray(value);
}

/** Read `f(1, { keepdim: true })` as `f({ dim: 1, keepdim: true })`. */
export function withDim<T extends { dim: unknown }>(
  operation: string,
  dim: Dims | Partial<T> | null | undefined,
  rest: Omit<Partial<T>, "dim"> | undefined,
  defaults: T,
): T {
  if (dim === undefined || dim === null || isDims(dim)) {
    const { dim: usual, ...others } = defaults;
    const options = withDefaults<Omit<T, "dim">>(operation, rest, others);
    return { ...options, dim: dim ?? usual } as T;
  }
  if (rest === undefined) return withDefaults<T>(operation, dim, defaults);
  throw new ArgumentError(`${operation}: expected one options object, got two`);
}

/** Read `sum(1)`, `sum([0, 1])` and `sum({ dim: 1 })` alike; `[]` stands for all dimensions. */
export function reduceArgs<T extends Required<ReduceOptions>>(
  operation: string,
  dim: Dims | Partial<T> | null | undefined,
  rest: Omit<Partial<T>, "dim"> | undefined,
  defaults: T,
): [dims: readonly number[], options: T] {
  const options = withDim(operation, dim, rest, defaults);
  if (options.dim === null) return [[], options];
  const dims = typeof options.dim === "number" ? [options.dim] : options.dim;
  return [numbers(operation, "dim", dims), options];
}

/** Read `cat(list, 1)` and `cat(list, { dim: 1 })` alike. */
export function dimOption(operation: string, options: number | DimOptions | undefined): number {
  if (typeof options === "number") return options;
  return withDefaults<Required<DimOptions>>(operation, options, { dim: 0 }).dim;
}

/** Options of `add` and `sub`. */
export interface AlphaOptions {
  /** Factor of the second operand. Default 1. */
  alpha?: number;
}

/** `other`, times alpha where that is not 1. */
export function scaled(
  operation: string,
  other: Tensor | number,
  options?: AlphaOptions,
): Tensor | number {
  const { alpha } = withDefaults<Required<AlphaOptions>>(operation, options, { alpha: 1 });
  if (alpha === 1) return other;
  return typeof other === "number" ? other * alpha : apply("mul_scalar", [other], [alpha]);
}

/** Bounds of `clamp`; what is missing does not bound. */
export interface ClampOptions {
  min?: number | null;
  max?: number | null;
}

/** The bounds that a call of `clamp` means: as two numbers, or as an options object. */
export function clampBounds(
  operation: string,
  min?: number | null | ClampOptions,
  max?: number | null,
): [number, number] {
  const given = typeof min === "object" && min !== null ? min : { min, max };
  const bounds = withDefaults<Required<ClampOptions>>(operation, given, { min: null, max: null });
  if (bounds.min === null && bounds.max === null) {
    throw new ArgumentError(`${operation}: needs min, max or both`);
  }
  return [bounds.min ?? -Infinity, bounds.max ?? Infinity];
}
