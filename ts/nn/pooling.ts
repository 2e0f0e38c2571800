/** @file Pooling layers. */
import { pair, type Size2d, withDefaults } from "../check.js";
import {
  avgPool2d,
  type AvgPool2dOptions,
  maxPool2d,
  type MaxPool2dOptions,
  withStride,
} from "../functional/pooling.js";
import type { Tensor } from "../tensor.js";
import { Module } from "./module.js";
import { named } from "./repr.js";

/** Refuse what is no size, before the first call does. */
function checkSizes<Name extends string>(
  layer: string,
  sizes: Readonly<Record<Name, Size2d>>,
  names: readonly Name[],
): void {
  for (const name of names) pair(layer, name, sizes[name]);
}

type MaxPool2dLayerOptions = Omit<MaxPool2dOptions, "returnIndices">;

/** Largest elements of windows over images [N, C, H, W] or [C, H, W]. */
export class MaxPool2d extends Module {
  readonly kernelSize: Size2d;
  readonly stride: Size2d;
  readonly padding: Size2d;
  readonly dilation: Size2d;
  readonly ceilMode: boolean;

  constructor(kernelSize: Size2d, options?: MaxPool2dLayerOptions);
  constructor(kernelSize: Size2d, stride?: Size2d | null, options?: MaxPool2dLayerOptions);
  constructor(
    kernelSize: Size2d,
    stride?: Size2d | MaxPool2dLayerOptions | null,
    options?: MaxPool2dLayerOptions,
  ) {
    super();
    const given = withDefaults<Required<MaxPool2dLayerOptions>>(
      "MaxPool2d",
      withStride("MaxPool2d", stride, options),
      { stride: null, padding: 0, dilation: 1, ceilMode: false },
    );
    this.kernelSize = kernelSize;
    this.stride = given.stride ?? kernelSize;
    this.padding = given.padding;
    this.dilation = given.dilation;
    this.ceilMode = given.ceilMode;
    checkSizes("MaxPool2d", this, ["kernelSize", "stride", "padding", "dilation"]);
  }

  forward(x: Tensor): Tensor {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return maxPool2d(x, kernelSize, { stride, padding, dilation, ceilMode });
  }

  override extraRepr(): string {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return named({ kernelSize, stride, padding, dilation, ceilMode });
  }
}

/** Means of windows over images [N, C, H, W] or [C, H, W]. */
export class AvgPool2d extends Module {
  readonly kernelSize: Size2d;
  readonly stride: Size2d;
  readonly padding: Size2d;
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
  readonly divisorOverride: number | null;

  constructor(kernelSize: Size2d, options?: AvgPool2dOptions);
  constructor(kernelSize: Size2d, stride?: Size2d | null, options?: AvgPool2dOptions);
  constructor(
    kernelSize: Size2d,
    stride?: Size2d | AvgPool2dOptions | null,
    options?: AvgPool2dOptions,
  ) {
    super();
    const given = withDefaults<Required<AvgPool2dOptions>>(
      "AvgPool2d",
      withStride("AvgPool2d", stride, options),
      { stride: null, padding: 0, ceilMode: false, countIncludePad: true, divisorOverride: null },
    );
    this.kernelSize = kernelSize;
    this.stride = given.stride ?? kernelSize;
    this.padding = given.padding;
    this.ceilMode = given.ceilMode;
    this.countIncludePad = given.countIncludePad;
    this.divisorOverride = given.divisorOverride;
    checkSizes("AvgPool2d", this, ["kernelSize", "stride", "padding"]);
  }

  forward(x: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride } = this;
    return avgPool2d(x, kernelSize, {
      stride,
      padding,
      ceilMode,
      countIncludePad,
      divisorOverride,
    });
  }

  override extraRepr(): string {
    const { kernelSize, stride, padding } = this;
    return named({ kernelSize, stride, padding });
  }
}
