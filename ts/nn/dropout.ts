/** @file Dropout layers: they act in training mode only. */
import { withDefaults } from "../check.js";
import { checkProbability, dropout, dropout2d } from "../functional/dropout.js";
import type { InplaceOptions } from "../functional/activation.js";
import type { Tensor } from "../tensor.js";
import { Module } from "./module.js";
import { named } from "./repr.js";

/** Options of a dropout layer. */
export interface DropoutLayerOptions extends InplaceOptions {
  /** Probability that an element is set to 0. Default 0.5. */
  p?: number;
}

abstract class AnyDropout extends Module {
  readonly p: number;
  readonly inplace: boolean;

  /** The probability may also stand alone: `new Dropout(0.25)`. */
  constructor(p?: number | DropoutLayerOptions, options?: InplaceOptions) {
    super();
    const given = withDefaults<Required<DropoutLayerOptions>>(
      new.target.name,
      typeof p === "number" ? { p, ...options } : (p ?? options),
      { p: 0.5, inplace: false },
    );
    this.p = checkProbability(new.target.name, given.p);
    this.inplace = given.inplace;
  }

  override extraRepr(): string {
    return named({ p: this.p, inplace: this.inplace });
  }
}

/** Set elements to 0 at random and scale the rest by 1 / (1 - p). */
export class Dropout extends AnyDropout {
  forward(x: Tensor): Tensor {
    return dropout(x, { p: this.p, training: this.training, inplace: this.inplace });
  }
}

/** Set whole channels of [N, C, H, W] to 0 at random and scale the rest by 1 / (1 - p). */
export class Dropout2d extends AnyDropout {
  forward(x: Tensor): Tensor {
    return dropout2d(x, { p: this.p, training: this.training, inplace: this.inplace });
  }
}
