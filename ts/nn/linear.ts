/** @file Linear layers, and layers that only rearrange. */
import { number, numbers, positive, withDefaults } from "../check.js";
import { naming } from "../composed.js";
import { empty } from "../create.js";
import { linear } from "../functional/conv.js";
import { flatten, unflatten } from "../ops/shape.js";
import type { Tensor } from "../tensor.js";
import { initialise } from "./init.js";
import { Module } from "./module.js";
import { Parameter } from "./parameter.js";
import { named, show } from "./repr.js";

/** Options of a linear layer. */
export interface LinearOptions {
  /** Whether to add a learned bias. Default true. */
  bias?: boolean;
}

/** x times the transposed weight, plus the bias: [..., in] to [..., out]. */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: Parameter;
  bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, options?: LinearOptions) {
    super();
    const { bias } = withDefaults<Required<LinearOptions>>("Linear", options, { bias: true });
    this.inFeatures = positive("Linear", "inFeatures", inFeatures);
    this.outFeatures = positive("Linear", "outFeatures", outFeatures);
    this.weight = naming("Linear", () => new Parameter(empty(outFeatures, inFeatures)));
    this.bias = bias ? new Parameter(empty(outFeatures)) : null;
    this.resetParameters();
  }

  /** Draw the initial weight, then the bias. */
  resetParameters(): void {
    initialise(this.weight, this.bias);
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }

  override extraRepr(): string {
    const { inFeatures, outFeatures } = this;
    return named({ inFeatures, outFeatures, bias: this.bias !== null });
  }
}

/** Gives its input. */
export class Identity extends Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}

/** Join dimensions into one; by default all but the first. */
export class Flatten extends Module {
  constructor(
    readonly startDim = 1,
    readonly endDim = -1,
  ) {
    super();
    number("Flatten", "startDim", startDim);
    number("Flatten", "endDim", endDim);
  }

  forward(x: Tensor): Tensor {
    return flatten(x, this.startDim, this.endDim);
  }

  override extraRepr(): string {
    return named({ startDim: this.startDim, endDim: this.endDim });
  }
}

/** Split one dimension into several. */
export class Unflatten extends Module {
  constructor(
    readonly dim: number,
    readonly unflattenedSize: readonly number[],
  ) {
    super();
    number("Unflatten", "dim", dim);
    numbers("Unflatten", "unflattenedSize", unflattenedSize);
  }

  forward(x: Tensor): Tensor {
    return unflatten(x, this.dim, this.unflattenedSize);
  }

  override extraRepr(): string {
    return `dim=${this.dim}, unflattenedSize=${show([...this.unflattenedSize])}`;
  }
}
