/** @file Convolution layers. */
import { describe, oneOf, pair, positive, type Size2d, withDefaults } from "../check.js";
import { empty } from "../create.js";
import { ArgumentError } from "../errors.js";
import { conv2d, type Padding } from "../functional/conv.js";
import { pad, type PadMode } from "../functional/pad.js";
import { composed, naming } from "../composed.js";
import type { Tensor } from "../tensor.js";
import { initialise } from "./init.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { named } from "./repr.js";

const PADDING_MODES = ["zeros", "reflect", "replicate", "circular"] as const;

/** Options of a convolution layer. */
export interface Conv2dLayerOptions {
  /** Distance of the windows. Default 1. */
  stride?: Size2d;
  /** Rows and columns around the input, `"same"` to keep its size, or `"valid"` for none. Default 0. */
  padding?: Padding;
  /** Distance of the taps of the kernel. Default 1. */
  dilation?: Size2d;
  /** Groups of channels that do not see each other. Default 1. */
  groups?: number;
  /** Whether to add a learned bias to each channel. Default true. */
  bias?: boolean;
  /** What the padding holds. Default `"zeros"`. */
  paddingMode?: (typeof PADDING_MODES)[number];
}

/** Convolution: images [N, in, H, W] (or one [in, H, W]) to [N, out, H', W']. */
export class Conv2d extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: [number, number];
  readonly stride: [number, number];
  readonly padding: [number, number] | "same" | "valid";
  readonly dilation: [number, number];
  readonly groups: number;
  readonly paddingMode: (typeof PADDING_MODES)[number];
  weight: Parameter;
  bias: Parameter | null;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Size2d,
    options?: Conv2dLayerOptions,
  ) {
    super();
    const given = withDefaults<Required<Conv2dLayerOptions>>("Conv2d", options, {
      stride: 1,
      padding: 0,
      dilation: 1,
      groups: 1,
      bias: true,
      paddingMode: "zeros",
    });
    this.inChannels = positive("Conv2d", "inChannels", inChannels);
    this.outChannels = positive("Conv2d", "outChannels", outChannels);
    this.kernelSize = pair("Conv2d", "kernelSize", kernelSize);
    this.stride = pair("Conv2d", "stride", given.stride);
    this.padding =
      given.padding === "same" || given.padding === "valid"
        ? given.padding
        : pair("Conv2d", "padding", given.padding);
    this.dilation = pair("Conv2d", "dilation", given.dilation);
    this.groups = given.groups;
    this.paddingMode = oneOf("Conv2d", "paddingMode", given.paddingMode, PADDING_MODES);
    this.#check();
    const shape = [outChannels, inChannels / this.groups, ...this.kernelSize];
    this.weight = naming("Conv2d", () => new Parameter(empty(shape)));
    this.bias = given.bias ? new Parameter(empty(outChannels)) : null;
    this.resetParameters();
  }

  #check(): void {
    const { groups } = this;
    positive("Conv2d", "groups", groups);
    this.kernelSize.forEach((size) => positive("Conv2d", "kernelSize", size));
    for (const name of ["inChannels", "outChannels"] as const) {
      if (this[name] % groups !== 0) {
        throw new ArgumentError(
          `Conv2d: ${name} must be divisible by groups, got ${this[name]} and ${groups}`,
        );
      }
    }
    if (this.padding === "same" && (this.stride[0] !== 1 || this.stride[1] !== 1)) {
      throw new ArgumentError(
        `Conv2d: padding "same" needs stride 1, got ${describe(this.stride)}`,
      );
    }
  }

  /** Draw the initial weight, then the bias. */
  resetParameters(): void {
    initialise(this.weight, this.bias);
  }

  forward(x: Tensor): Tensor {
    const { stride, padding, dilation, groups } = this;
    if (this.paddingMode === "zeros") {
      return conv2d(x, this.weight, this.bias, { stride, padding, dilation, groups });
    }
    const mode: PadMode = this.paddingMode;
    return composed("conv2d", () => {
      const padded = pad(x, this.#sides(), { mode });
      return conv2d(padded, this.weight, this.bias, { stride, dilation, groups });
    });
  }

  /** Padding as `[left, right, top, bottom]`. */
  #sides(): [number, number, number, number] {
    if (this.padding === "valid") return [0, 0, 0, 0];
    if (this.padding !== "same") {
      const [high, wide] = this.padding;
      return [wide, wide, high, high];
    }
    const [high = 0, wide = 0] = this.kernelSize.map((size, i) => this.dilation[i]! * (size - 1));
    const [top, left] = [Math.floor(high / 2), Math.floor(wide / 2)];
    return [left, wide - left, top, high - top];
  }

  override extraRepr(): string {
    const { kernelSize, stride, padding, dilation, groups, paddingMode } = this;
    const differs = (value: unknown, usual: string): boolean => String(value) !== usual;
    const rest = named({
      kernelSize,
      stride,
      padding: differs(padding, "0,0") ? padding : undefined,
      dilation: differs(dilation, "1,1") ? dilation : undefined,
      groups: groups !== 1 ? groups : undefined,
      bias: this.bias === null ? false : undefined,
      paddingMode: paddingMode !== "zeros" ? paddingMode : undefined,
    });
    return `${this.inChannels}, ${this.outChannels}, ${rest}`;
  }
}
