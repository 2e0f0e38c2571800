/** @file Operations on each element, with broadcasting. */
import { scalar } from "../check.js";
import { type OperationName, raw } from "../raw.js";
import { apply, handleOf, type Tensor } from "../tensor.js";
import { type AlphaOptions, clampBounds, type ClampOptions, scaled } from "./arguments.js";

type UnaryFunction = (x: Tensor) => Tensor;
type BinaryFunction = (x: Tensor | number, other: Tensor | number) => Tensor;

const unary =
  (operation: OperationName): UnaryFunction =>
  (x) =>
    apply(operation, [x]);

/** An operation of two tensors, with its forms for a number on the right and on the left. */
const binary =
  (operation: OperationName, right: OperationName, left: OperationName): BinaryFunction =>
  (x, other) => {
    if (typeof other === "number") return apply(right, [x as Tensor], [other]);
    return typeof x === "number" ? apply(left, [other], [x]) : apply(operation, [x, other]);
  };

/** -x */
export const neg = unary("neg");
/** |x| */
export const abs = unary("abs");
/** -1, 0 or 1 */
export const sign = unary("sign");
/** e to the power of x */
export const exp = unary("exp");
/** e to the power of x, minus 1; exact for small x */
export const expm1 = unary("expm1");
/** Natural logarithm */
export const log = unary("log");
/** log(1 + x); exact for small x */
export const log1p = unary("log1p");
/** Logarithm to the base 2 */
export const log2 = unary("log2");
/** Logarithm to the base 10 */
export const log10 = unary("log10");
/** Square root */
export const sqrt = unary("sqrt");
/** 1 / sqrt(x) */
export const rsqrt = unary("rsqrt");
/** x * x */
export const square = unary("square");
/** 1 / x */
export const reciprocal = unary("reciprocal");
/** Sine */
export const sin = unary("sin");
/** Cosine */
export const cos = unary("cos");
/** Tangent */
export const tan = unary("tan");
/** Hyperbolic tangent */
export const tanh = unary("tanh");
/** 1 / (1 + exp(-x)) */
export const sigmoid = unary("sigmoid");
/** max(x, 0) */
export const relu = unary("relu");
/** Gauss' error function */
export const erf = unary("erf");
/** Largest integer that is not above x */
export const floor = unary("floor");
/** Smallest integer that is not below x */
export const ceil = unary("ceil");
/** Nearest integer; a half goes to the even one */
export const round = unary("round");
/** Integer part */
export const trunc = unary("trunc");
/** True where x is 0 */
export const logicalNot = unary("logical_not");
/** True where x is NaN */
export const isnan = unary("isnan");
/** True where x is infinite */
export const isinf = unary("isinf");
/** True where x is neither infinite nor NaN */
export const isfinite = unary("isfinite");
/** A copy that is part of the graph */
export const clone = unary("clone");
/** The tensor itself if it lies in row-major order, else a copy that does */
export const contiguous = (x: Tensor): Tensor =>
  raw.isContiguous(handleOf("contiguous", x)) ? x : apply("contiguous", [x]);

const plus = binary("add", "add_scalar", "add_scalar");
const minus = binary("sub", "sub_scalar", "rsub_scalar");

/** x + alpha * other */
export function add(x: Tensor | number, other: Tensor | number, options?: AlphaOptions): Tensor {
  return plus(x, scaled("add", other, options));
}
/** x - alpha * other */
export function sub(x: Tensor | number, other: Tensor | number, options?: AlphaOptions): Tensor {
  return minus(x, scaled("sub", other, options));
}
/** x * other */
export const mul = binary("mul", "mul_scalar", "mul_scalar");
/** x / other; integers are divided as float32 */
export const div = binary("div", "div_scalar", "rdiv_scalar");
/** x to the power of other */
export const pow = binary("pow", "pow_scalar", "rpow_scalar");
/** The larger of x and other; NaN if one is */
export const maximum = binary("maximum", "maximum_scalar", "maximum_scalar");
/** The smaller of x and other; NaN if one is */
export const minimum = binary("minimum", "minimum_scalar", "minimum_scalar");
/** x == other */
export const eq = binary("eq", "eq_scalar", "eq_scalar");
/** x != other */
export const ne = binary("ne", "ne_scalar", "ne_scalar");
/** x < other */
export const lt = binary("lt", "lt_scalar", "gt_scalar");
/** x <= other */
export const le = binary("le", "le_scalar", "ge_scalar");
/** x > other */
export const gt = binary("gt", "gt_scalar", "lt_scalar");
/** x >= other */
export const ge = binary("ge", "ge_scalar", "le_scalar");

/** An operation that takes a number only on the right. */
const rightOnly =
  (operation: OperationName, right: OperationName) =>
  (x: Tensor, other: Tensor | number): Tensor =>
    typeof other === "number" ? apply(right, [x], [other]) : apply(operation, [x, other]);

/** Remainder with the sign of the divisor, as in Python */
export const remainder = rightOnly("remainder", "remainder_scalar");
/** Quotient rounded down */
export const floorDivide = rightOnly("floor_divide", "floor_divide_scalar");

const binaryTensors =
  (operation: OperationName) =>
  (x: Tensor, other: Tensor): Tensor =>
    apply(operation, [x, other]);

/** True where both are not 0 */
export const logicalAnd = binaryTensors("logical_and");
/** True where one is not 0 */
export const logicalOr = binaryTensors("logical_or");
/** True where exactly one is not 0 */
export const logicalXor = binaryTensors("logical_xor");
/** Angle of the point (other, x) */
export const atan2 = binaryTensors("atan2");

/** Bring every element between min and max: `x.clamp(0, 1)`, `x.clamp({ min: 0 })`. */
export function clamp(x: Tensor, min?: number | null | ClampOptions, max?: number | null): Tensor {
  return apply("clamp", [x], clampBounds("clamp", min, max));
}

/** Set the elements where `mask` is true to `value`. */
export function maskedFill(x: Tensor, mask: Tensor, value: number | boolean): Tensor {
  return apply("masked_fill", [x, mask], [scalar("maskedFill", "value", value)]);
}
