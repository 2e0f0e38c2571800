/** @file Kinds of arguments for the error tests: one good value each, and the ways to get it wrong. */
import type { Tensor } from "torchlet";
import { ones, tensor, zeros } from "../on-device.js";

/** A good value, values that have to be refused, and values that may be refused but must do no harm. */
export interface Argument {
  good: unknown;
  bad: readonly unknown[];
  maybe?: readonly unknown[];
  /** May be left out. */
  optional?: boolean;
}

/** What no argument of a number, a list or a tensor can be. */
const JUNK: readonly unknown[] = [null, "3", "", {}, Symbol("x"), () => 1, 3n];
const HUGE = [2 ** 31, 2 ** 32, 2 ** 53, Infinity];

function disposed(): Tensor {
  const t = ones(2, 2);
  t.dispose();
  return t;
}

/** Tensors of other ranks, sizes and dtypes. */
function others(): Tensor[] {
  const shapes = [[], [1], [2], [3], [7], [0], [0, 3], [2, 5], [3, 3], [2, 0, 4], [1, 1, 1, 1, 1]];
  return [
    ...shapes.map((shape) => zeros(shape)),
    ...[[3], [2, 3], [2, 3, 4, 4]].map((shape) => zeros(shape, { dtype: "int32" })),
    ...[[3], [2, 3], [2, 3, 4, 4]].map((shape) => zeros(shape, { dtype: "bool" })),
    tensor([NaN, Infinity, -1]),
    ones(4, 1).expand(4, 70),
    ones(6, 5).t(),
  ];
}

const BAD_TENSORS = (): unknown[] => [
  undefined,
  ...JUNK,
  3,
  true,
  [],
  [1, 2],
  new Float32Array(3),
  disposed(),
];

/** A tensor that the operation needs. */
export function x(good: Tensor): Argument {
  return { good, bad: BAD_TENSORS(), maybe: others() };
}

/** A tensor of ones. */
export const t = (...shape: number[]): Argument => x(ones(shape));

/** A tensor of integers, or of truth values. */
export const ints = (...values: number[]): Argument => x(tensor(Int32Array.from(values)));

/** A tensor, or a number if the other operand is a tensor. */
export function left(good: Tensor): Argument {
  return { ...x(good), bad: x(good).bad.filter((v) => v !== 3) };
}

/** A tensor or a number. */
export function operand(good: Tensor): Argument {
  return {
    good,
    bad: [undefined, ...JUNK, [], disposed()],
    maybe: [...others(), 3, NaN, -Infinity],
  };
}

/** A tensor that may be missing. */
export function maybeTensor(good: Tensor): Argument {
  const bad = BAD_TENSORS().filter((v) => v !== undefined && v !== null);
  return { good, bad, maybe: others(), optional: true };
}

/** A list of tensors. */
export function tensors(...good: Tensor[]): Argument {
  const broken = BAD_TENSORS().map((v) => [good[0], v]);
  const mixed = others().map((o) => [good[0], o]);
  return { good, bad: [undefined, ...JUNK, [], 3, ...broken], maybe: mixed };
}

/** A whole number from `least` on that counts elements: sizes, strides, classes. */
export function count(good: number, least = 0): Argument {
  const below = [least - 1, -7];
  return { good, bad: [...JUNK, true, [], NaN, 2.5, -Infinity, ...HUGE, ...below] };
}

/** One such number, or two for height and width. */
export function pair(good: number, least = 0): Argument {
  const { bad } = count(good, least);
  const lists = [[], [good], [good, good, good], [good, "3"], ...bad.map((v) => [good, v])];
  return { good, bad: [...bad.filter((v) => !Array.isArray(v)), ...lists] };
}

/** A list of such numbers. */
export function counts(good: number[], least = 0): Argument {
  const { bad } = count(good[0] ?? 1, least);
  return { good, bad: [...JUNK, ...bad.map((v) => [...good.slice(0, -1), v])] };
}

/** The size of a new tensor; options alone are a 0-d tensor. */
export function sizes(good: number[]): Argument {
  return later(without(counts(good), {}));
}

/** An argument for which one of the bad values is a good one. */
export function without(argument: Argument, value: unknown): Argument {
  return { ...argument, bad: argument.bad.filter((v) => show(v) !== show(value)) };
}

/** An argument that may be left out, or be null. */
export const optional = (argument: Argument): Argument => later(without(argument, null));

/** A number, or an object with options; it may be left out. */
export const numberOrOptions = (argument: Argument): Argument => optional(without(argument, {}));

/** An argument that has a default. */
export function later(argument: Argument): Argument {
  return { ...argument, optional: true };
}

/** A dimension of a tensor. */
export const dim = (good: number): Argument => ({
  good,
  bad: [...JUNK, true, NaN, 0.5, 9, -9, -Infinity, ...HUGE],
});

/** Dimensions of a tensor. */
export const dims = (good: number[]): Argument => ({
  good,
  bad: [...JUNK, ...dim(0).bad.map((v) => [v]), [0, 0], [0, -3], [0, 1, 2, 3, 4]],
});

/** Any number, where its range is for the operation to judge. */
export const real = (good: number): Argument => ({
  good,
  bad: [...JUNK, true, []],
  maybe: [NaN, -1, 0, 2.5, -Infinity, ...HUGE],
});

/** A number between 0 and 1. */
export const probability = (good: number): Argument => ({
  good,
  bad: [...JUNK, true, [], NaN, -0.1, 1.1, Infinity, 2 ** 53],
});

/** True or false. */
export const flag = (good: boolean): Argument => ({ good, bad: [...JUNK, 1, 0, []] });

/** One of a few words. */
export const word = (good: string): Argument => ({
  good,
  bad: [null, 3, {}, "", "nonsense", true],
});

/** Short text for a value in a failure. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === "function") return "a function";
  if (typeof value === "string") return `"${value}"`;
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (typeof value !== "object") return (value as symbol).toString();
  if ("isDisposed" in value) {
    return value.isDisposed === true
      ? "disposed"
      : `${(value as Tensor).dtype}[${(value as Tensor).shape.join(",")}]`;
  }
  return `${value.constructor.name}{${Object.keys(value).join()}}`;
}
