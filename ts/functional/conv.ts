/** @file Linear maps and convolution as functions. */
import { describe, pair, type Size2d, withDefaults } from "../check.js";
import { ArgumentError } from "../errors.js";
import { composed } from "../composed.js";
import { apply, handleOf, Tensor } from "../tensor.js";
import { pad } from "./pad.js";

/** Whether an optional tensor was given; what is not a tensor is refused later. */
function present(value: Tensor | null | undefined): value is Tensor {
  return value !== null && value !== undefined;
}

/** x times the transposed weight [out, in], plus the bias [out] */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor | null): Tensor {
  return apply("linear", present(bias) ? [x, weight, bias] : [x, weight]);
}

/** Padding of a convolution: zeros at each side, or `"same"` to keep the size, or `"valid"` for none. */
export type Padding = Size2d | "same" | "valid";

/** Options of `conv2d`. */
export interface Conv2dOptions {
  /** Distance of the windows. Default 1. */
  stride?: Size2d;
  /** Zeros around the input. Default 0. */
  padding?: Padding;
  /** Distance of the taps of the kernel. Default 1. */
  dilation?: Size2d;
  /** Groups of channels that do not see each other. Default 1. */
  groups?: number;
}

/**
 * Cross-correlate images [N, C, H, W] (or one [C, H, W]) with a weight [O, C / groups, kH, kW].
 *
 * @throws ShapeError if the channels do not fit or the kernel is larger than the padded input.
 */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  options?: Conv2dOptions,
): Tensor;
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions): Tensor;
export function conv2d(
  x: Tensor,
  weight: Tensor,
  third?: Tensor | Conv2dOptions | null,
  fourth?: Conv2dOptions,
): Tensor {
  const isOptions = typeof third === "object" && third !== null && !(third instanceof Tensor);
  const [bias, options] = isOptions ? [null, third] : [third, fourth];
  const given = withDefaults<Required<Conv2dOptions>>("conv2d", options, {
    stride: 1,
    padding: 0,
    dilation: 1,
    groups: 1,
  });
  const stride = pair("conv2d", "stride", given.stride);
  const dilation = pair("conv2d", "dilation", given.dilation);
  const inputs = (input: Tensor): Tensor[] =>
    present(bias) ? [input, weight, bias] : [input, weight];
  if (given.padding !== "same") {
    const padding = given.padding === "valid" ? [0, 0] : pair("conv2d", "padding", given.padding);
    return apply("conv2d", inputs(x), [...stride, ...padding, ...dilation, given.groups]);
  }
  if (stride[0] !== 1 || stride[1] !== 1) {
    throw new ArgumentError(`conv2d: padding "same" needs stride 1, got ${describe(stride)}`);
  }
  handleOf("conv2d", weight);
  const [kernelHeight = 1, kernelWidth = 1] = weight.shape.slice(2);
  const high = dilation[0] * (kernelHeight - 1);
  const wide = dilation[1] * (kernelWidth - 1);
  const padding = [Math.floor(high / 2), Math.floor(wide / 2)];
  const args = [...stride, ...padding, ...dilation, given.groups];
  if (high % 2 === 0 && wide % 2 === 0) return apply("conv2d", inputs(x), args);
  // What does not divide evenly goes to the bottom and the right, as in PyTorch.
  return composed("conv2d", () =>
    apply("conv2d", inputs(pad(x, [0, wide % 2, 0, high % 2])), args),
  );
}
