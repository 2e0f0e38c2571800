/** @file Operations that write into their tensor, with PyTorch's trailing underscore. */
import { number, scalar } from "../check.js";
import { type GeneratorOptions, generatorId } from "../generator.js";
import { type OperationName, raw } from "../raw.js";
import { naming } from "../composed.js";
import { applyInPlace, handleOf, Tensor } from "../tensor.js";
import { type AlphaOptions, clampBounds, type ClampOptions, scaled } from "./arguments.js";

type UnaryInPlace = (x: Tensor) => Tensor;

const unary =
  (operation: OperationName): UnaryInPlace =>
  (x) =>
    applyInPlace(operation, x);

/** x = -x */
export const neg_ = unary("neg");
/** x = |x| */
export const abs_ = unary("abs");
/** x = exp(x) */
export const exp_ = unary("exp");
/** x = log(x) */
export const log_ = unary("log");
/** x = sqrt(x) */
export const sqrt_ = unary("sqrt");
/** x = 1 / sqrt(x) */
export const rsqrt_ = unary("rsqrt");
/** x = x * x */
export const square_ = unary("square");
/** x = 1 / x */
export const reciprocal_ = unary("reciprocal");
/** x = sin(x) */
export const sin_ = unary("sin");
/** x = cos(x) */
export const cos_ = unary("cos");
/** x = tanh(x) */
export const tanh_ = unary("tanh");
/** x = sigmoid(x) */
export const sigmoid_ = unary("sigmoid");
/** x = max(x, 0) */
export const relu_ = unary("relu");
/** x = floor(x) */
export const floor_ = unary("floor");
/** x = ceil(x) */
export const ceil_ = unary("ceil");
/** x = round(x) */
export const round_ = unary("round");
/** x = trunc(x) */
export const trunc_ = unary("trunc");

type BinaryInPlace = (x: Tensor, other: Tensor | number) => Tensor;

const binary =
  (operation: OperationName, right: OperationName): BinaryInPlace =>
  (x, other) =>
    typeof other === "number"
      ? applyInPlace(right, x, [], [other])
      : applyInPlace(operation, x, [other]);

const plus = binary("add", "add_scalar");
const minus = binary("sub", "sub_scalar");

/** x = x + alpha * other */
export function add_(x: Tensor, other: Tensor | number, options?: AlphaOptions): Tensor {
  return withScaled("add_", plus, x, other, options);
}

/** x = x - alpha * other */
export function sub_(x: Tensor, other: Tensor | number, options?: AlphaOptions): Tensor {
  return withScaled("sub_", minus, x, other, options);
}

function withScaled(
  operation: string,
  f: BinaryInPlace,
  x: Tensor,
  other: Tensor | number,
  options?: AlphaOptions,
): Tensor {
  const operand = scaled(operation, other, options);
  f(x, operand);
  if (operand instanceof Tensor && operand !== other) operand.dispose();
  return x;
}

/** x = x * other */
export const mul_ = binary("mul", "mul_scalar");
/** x = x / other */
export const div_ = binary("div", "div_scalar");
/** x = x to the power of other */
export const pow_ = binary("pow", "pow_scalar");
/** x = remainder of x / other */
export const remainder_ = binary("remainder", "remainder_scalar");

/** Bring every element of x between min and max. */
export function clamp_(x: Tensor, min?: number | null | ClampOptions, max?: number | null): Tensor {
  return applyInPlace("clamp", x, [], clampBounds("clamp_", min, max));
}

/** Set the elements of x where `mask` is true to `value`. */
export function maskedFill_(x: Tensor, mask: Tensor, value: number | boolean): Tensor {
  return applyInPlace("masked_fill", x, [mask], [scalar("maskedFill_", "value", value)]);
}

/** Set every element of x to `value`. */
export function fill_(x: Tensor, value: number | boolean): Tensor {
  return applyInPlace("fill", x, [], [scalar("fill_", "value", value)]);
}

/** Set every element of x to 0. */
export function zero_(x: Tensor): Tensor {
  return applyInPlace("fill", x, [], [0]);
}

/** Write the elements of `source`, broadcast and converted, into x; from `"cpu"` to `"webgpu"` as well. */
export function copy_(x: Tensor, source: Tensor): Tensor {
  const [target, from] = [handleOf("copy_", x), handleOf("copy_", source)];
  if (raw.device(from) >= raw.device(target)) return applyInPlace("copy", x, [source]);
  return fillFrom(
    x,
    naming("copy_", () => raw.toGpu(from)),
  );
}

/** Write the elements behind a new handle into x, and free the handle. */
function fillFrom(x: Tensor, drawn: number): Tensor {
  const source = new Tensor(drawn);
  try {
    if (x.device === "webgpu") raw.moveToGpu(drawn);
    return applyInPlace("copy", x, [source]);
  } finally {
    source.dispose();
  }
}

/** The shape of x as the core takes it. */
function shapeOf(operation: string, x: Tensor): Float64Array {
  return raw.shape(handleOf(operation, x));
}

/** Fill x with numbers drawn evenly between two bounds: `x.uniform_(-1, 1)`. */
export function uniform_(x: Tensor, from = 0, to = 1, options?: GeneratorOptions): Tensor {
  number("uniform_", "from", from);
  number("uniform_", "to", to);
  const gen = generatorId("uniform_", options);
  const shape = shapeOf("uniform_", x);
  return fillFrom(
    x,
    naming("uniform_", () => raw.randUniform(gen, shape, from, to)),
  );
}

/** Fill x with numbers of the normal distribution: `x.normal_(0, 0.02)`. */
export function normal_(x: Tensor, mean = 0, std = 1, options?: GeneratorOptions): Tensor {
  number("normal_", "mean", mean);
  number("normal_", "std", std);
  const gen = generatorId("normal_", options);
  const shape = shapeOf("normal_", x);
  return fillFrom(
    x,
    naming("normal_", () => raw.randNormal(gen, shape, mean, std)),
  );
}

/** Fill x with ones, at probability `p`, and zeros. */
export function bernoulli_(x: Tensor, p = 0.5, options?: GeneratorOptions): Tensor {
  number("bernoulli_", "p", p);
  const gen = generatorId("bernoulli_", options);
  const shape = shapeOf("bernoulli_", x);
  return fillFrom(
    x,
    naming("bernoulli_", () => raw.randBernoulli(gen, shape, p)),
  );
}
