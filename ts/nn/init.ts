/** @file Initial values of parameters, drawn as PyTorch draws them. */
import { describe, oneOf, withDefaults } from "../check.js";
import { ShapeError } from "../errors.js";
import type { GeneratorOptions } from "../generator.js";
import { noGrad } from "../grad-mode.js";
import type { Tensor } from "../tensor.js";

const NONLINEARITIES = [
  "linear",
  "conv1d",
  "conv2d",
  "conv3d",
  "sigmoid",
  "tanh",
  "relu",
  "leakyRelu",
  "selu",
] as const;

/** What comes after a layer; it decides the gain. */
export type Nonlinearity = (typeof NONLINEARITIES)[number];

/** Factor of the standard deviation that suits what comes after a layer. */
export function calculateGain(nonlinearity: Nonlinearity, param?: number): number {
  const gains: Partial<Record<Nonlinearity, number>> = {
    tanh: 5 / 3,
    relu: Math.sqrt(2),
    leakyRelu: Math.sqrt(2 / (1 + (param ?? 0.01) ** 2)),
    selu: 3 / 4,
  };
  return gains[oneOf("calculateGain", "nonlinearity", nonlinearity, NONLINEARITIES)] ?? 1;
}

/** How many inputs and outputs meet in one element of a weight [out, in, ...]. */
export function calculateFans(weight: Tensor): { fanIn: number; fanOut: number } {
  if (weight.ndim < 2) {
    throw new ShapeError(
      `init: a weight needs at least 2 dimensions, got ${describe([...weight.shape])}`,
    );
  }
  const [out = 1, inputs = 1, ...field] = weight.shape;
  const size = field.reduce((a, b) => a * b, 1);
  return { fanIn: inputs * size, fanOut: out * size };
}

/** Fill with numbers drawn evenly from [a, b). */
export function uniform_(x: Tensor, a = 0, b = 1, options?: GeneratorOptions): Tensor {
  return noGrad(() => x.uniform_(a, b, options));
}

/** Fill with numbers of a normal distribution. */
export function normal_(x: Tensor, mean = 0, std = 1, options?: GeneratorOptions): Tensor {
  return noGrad(() => x.normal_(mean, std, options));
}

/** Fill with one value. */
export function constant_(x: Tensor, value: number): Tensor {
  return noGrad(() => x.fill_(value));
}

/** Fill with zeros. */
export function zeros_(x: Tensor): Tensor {
  return constant_(x, 0);
}

/** Fill with ones. */
export function ones_(x: Tensor): Tensor {
  return constant_(x, 1);
}

/** Options of Kaiming's initialisations. */
export interface KaimingOptions extends GeneratorOptions {
  /** Slope of a leaky ReLU below 0. Default 0. */
  a?: number;
  /** Keep the variance of activations (`"fanIn"`, default) or of gradients (`"fanOut"`). */
  mode?: "fanIn" | "fanOut";
  /** What comes after the layer. Default `"leakyRelu"`. */
  nonlinearity?: Nonlinearity;
}

function kaimingStd(operation: string, x: Tensor, options: KaimingOptions | undefined) {
  const { a, mode, nonlinearity, generator } = withDefaults<Required<KaimingOptions>>(
    operation,
    options,
    { a: 0, mode: "fanIn", nonlinearity: "leakyRelu", generator: null },
  );
  oneOf(operation, "mode", mode, ["fanIn", "fanOut"]);
  const fan = calculateFans(x)[mode];
  return { std: calculateGain(nonlinearity, a) / Math.sqrt(fan), generator };
}

/** Fill evenly such that the variance is 2 / ((1 + a^2) fan). */
export function kaimingUniform_(x: Tensor, options?: KaimingOptions): Tensor {
  const { std, generator } = kaimingStd("kaimingUniform_", x, options);
  if (x.numel() === 0) return x;
  const bound = Math.sqrt(3) * std;
  return uniform_(x, -bound, bound, { generator });
}

/** Fill normally such that the variance is 2 / ((1 + a^2) fan). */
export function kaimingNormal_(x: Tensor, options?: KaimingOptions): Tensor {
  const { std, generator } = kaimingStd("kaimingNormal_", x, options);
  return x.numel() === 0 ? x : normal_(x, 0, std, { generator });
}

/** Options of Xavier's initialisations. */
export interface XavierOptions extends GeneratorOptions {
  /** Factor of the standard deviation. Default 1. */
  gain?: number;
}

function xavierStd(operation: string, x: Tensor, options: XavierOptions | undefined) {
  const { gain, generator } = withDefaults<Required<XavierOptions>>(operation, options, {
    gain: 1,
    generator: null,
  });
  const { fanIn, fanOut } = calculateFans(x);
  return { std: gain * Math.sqrt(2 / (fanIn + fanOut)), generator };
}

/** Fill evenly such that the variance is 2 gain^2 / (fanIn + fanOut). */
export function xavierUniform_(x: Tensor, options?: XavierOptions): Tensor {
  const { std, generator } = xavierStd("xavierUniform_", x, options);
  const bound = Math.sqrt(3) * std;
  return uniform_(x, -bound, bound, { generator });
}

/** Fill normally such that the variance is 2 gain^2 / (fanIn + fanOut). */
export function xavierNormal_(x: Tensor, options?: XavierOptions): Tensor {
  const { std, generator } = xavierStd("xavierNormal_", x, options);
  return normal_(x, 0, std, { generator });
}

/** Draw weight and bias as PyTorch's linear and convolution layers do: evenly within 1 / sqrt(fanIn). */
export function initialise(weight: Tensor, bias: Tensor | null): void {
  kaimingUniform_(weight, { a: Math.sqrt(5) });
  if (bias === null) return;
  const bound = 1 / Math.sqrt(calculateFans(weight).fanIn);
  uniform_(bias, -bound, bound);
}
