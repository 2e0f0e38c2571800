/** @file Activation functions. */
import { oneOf, withDefaults } from "../check.js";
import { composed } from "../composed.js";
import type { OperationName } from "../raw.js";
import { apply, applyInPlace, type Tensor } from "../tensor.js";

/** Options of an activation that can write into its input. */
export interface InplaceOptions {
  /** Whether to overwrite the input. Default false. */
  inplace?: boolean;
}

function run(operation: OperationName, x: Tensor, inplace: boolean, args: number[] = []): Tensor {
  return inplace ? applyInPlace(operation, x, [], args) : apply(operation, [x], args);
}

const activation =
  (name: string, operation: OperationName) =>
  (x: Tensor, options?: InplaceOptions): Tensor =>
    run(operation, x, withDefaults(name, options, { inplace: false }).inplace);

/** max(x, 0) */
export const relu = activation("relu", "relu");
/** min(max(x, 0), 6) */
export const relu6 = activation("relu6", "relu6");
/** x * sigmoid(x) */
export const silu = activation("silu", "silu");
/** x * tanh(softplus(x)) */
export const mish = activation("mish", "mish");
/** x * relu6(x + 3) / 6 */
export const hardswish = activation("hardswish", "hardswish");
/** relu6(x + 3) / 6 */
export const hardsigmoid = activation("hardsigmoid", "hardsigmoid");

/** log(sigmoid(x)), without overflow */
export function logsigmoid(x: Tensor): Tensor {
  return apply("logsigmoid", [x]);
}

/** x / (1 + |x|) */
export function softsign(x: Tensor): Tensor {
  return composed("softsign", () => apply("div", [x, apply("abs", [x]).add(1)]));
}

/** Options of `leakyRelu`. */
export interface LeakyReluOptions extends InplaceOptions {
  /** Slope below 0. Default 0.01. */
  negativeSlope?: number;
}

/** x, but negativeSlope * x below 0: `leakyRelu(x, 0.2)`, `leakyRelu(x, { negativeSlope: 0.2 })` */
export function leakyRelu(x: Tensor, options?: number | LeakyReluOptions): Tensor {
  const given = typeof options === "number" ? { negativeSlope: options } : options;
  const { negativeSlope, inplace } = withDefaults<Required<LeakyReluOptions>>("leakyRelu", given, {
    negativeSlope: 0.01,
    inplace: false,
  });
  return run("leaky_relu", x, inplace, [negativeSlope]);
}

/** Options of `elu`. */
export interface EluOptions extends InplaceOptions {
  /** Distance of the lower asymptote from 0. Default 1. */
  alpha?: number;
}

/** x, but alpha * (exp(x) - 1) below 0 */
export function elu(x: Tensor, options?: EluOptions): Tensor {
  const { alpha, inplace } = withDefaults<Required<EluOptions>>("elu", options, {
    alpha: 1,
    inplace: false,
  });
  return run("elu", x, inplace, [alpha]);
}

/** Options of `gelu`. */
export interface GeluOptions {
  /** `"tanh"` approximates the error function. Default `"none"`. */
  approximate?: "none" | "tanh";
}

/** x times the probability that a normal variable is below x */
export function gelu(x: Tensor, options?: GeluOptions): Tensor {
  const given = withDefaults<Required<GeluOptions>>("gelu", options, { approximate: "none" });
  const approximate = oneOf("gelu", "approximate", given.approximate, ["none", "tanh"]);
  return apply(approximate === "tanh" ? "gelu_tanh" : "gelu", [x]);
}

/** Options of `softplus`. */
export interface SoftplusOptions {
  /** Sharpness. Default 1. */
  beta?: number;
  /** Where beta * x is above this, the function is x itself. Default 20. */
  threshold?: number;
}

/** log(1 + exp(beta * x)) / beta */
export function softplus(x: Tensor, options?: SoftplusOptions): Tensor {
  const { beta, threshold } = withDefaults<Required<SoftplusOptions>>("softplus", options, {
    beta: 1,
    threshold: 20,
  });
  // The core's own threshold is 20; above it, what is left of the logarithm is below rounding.
  if (beta === 1 && threshold === 20) return apply("softplus", [x]);
  return composed("softplus", () => {
    const sharp = apply("mul_scalar", [x], [beta]);
    return x.where(sharp.gt(threshold), apply("softplus", [sharp]).div(beta));
  });
}
