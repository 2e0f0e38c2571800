/** @file Activation layers. */
import { number, withDefaults } from "../check.js";
import * as F from "../functional/activation.js";
import { sigmoid, tanh } from "../ops/pointwise.js";
import { logSoftmax, softmax } from "../ops/reduce.js";
import type { DimOptions } from "../ops/arguments.js";
import type { Tensor } from "../tensor.js";
import { Module } from "./module.js";
import { named } from "./repr.js";

/** An activation that can write into its input. */
abstract class Inplace extends Module {
  readonly inplace: boolean;

  constructor(options?: F.InplaceOptions) {
    super();
    this.inplace = withDefaults<Required<F.InplaceOptions>>(new.target.name, options, {
      inplace: false,
    }).inplace;
  }

  override extraRepr(): string {
    return this.inplace ? "inplace=true" : "";
  }
}

/** max(x, 0) */
export class ReLU extends Inplace {
  forward(x: Tensor): Tensor {
    return F.relu(x, { inplace: this.inplace });
  }
}

/** min(max(x, 0), 6) */
export class ReLU6 extends Inplace {
  forward(x: Tensor): Tensor {
    return F.relu6(x, { inplace: this.inplace });
  }
}

/** x * sigmoid(x) */
export class SiLU extends Inplace {
  forward(x: Tensor): Tensor {
    return F.silu(x, { inplace: this.inplace });
  }
}

/** x * tanh(softplus(x)) */
export class Mish extends Inplace {
  forward(x: Tensor): Tensor {
    return F.mish(x, { inplace: this.inplace });
  }
}

/** x * relu6(x + 3) / 6 */
export class Hardswish extends Inplace {
  forward(x: Tensor): Tensor {
    return F.hardswish(x, { inplace: this.inplace });
  }
}

/** relu6(x + 3) / 6 */
export class Hardsigmoid extends Inplace {
  forward(x: Tensor): Tensor {
    return F.hardsigmoid(x, { inplace: this.inplace });
  }
}

/** x, but negativeSlope * x below 0: `new LeakyReLU(0.2)`. */
export class LeakyReLU extends Module {
  readonly inplace: boolean;

  constructor(
    readonly negativeSlope = 0.01,
    options?: F.InplaceOptions,
  ) {
    super();
    number("LeakyReLU", "negativeSlope", negativeSlope);
    this.inplace = withDefaults("LeakyReLU", options, { inplace: false }).inplace;
  }

  forward(x: Tensor): Tensor {
    return F.leakyRelu(x, { negativeSlope: this.negativeSlope, inplace: this.inplace });
  }

  override extraRepr(): string {
    return named({ negativeSlope: this.negativeSlope, inplace: this.inplace || undefined });
  }
}

/** x, but alpha * (exp(x) - 1) below 0 */
export class ELU extends Module {
  readonly alpha: number;
  readonly inplace: boolean;

  constructor(options?: F.EluOptions) {
    super();
    const defaults = { alpha: 1, inplace: false };
    const given = withDefaults<Required<F.EluOptions>>("ELU", options, defaults);
    this.alpha = given.alpha;
    this.inplace = given.inplace;
  }

  forward(x: Tensor): Tensor {
    return F.elu(x, { alpha: this.alpha, inplace: this.inplace });
  }

  override extraRepr(): string {
    return named({ alpha: this.alpha, inplace: this.inplace || undefined });
  }
}

/** 1 / (1 + exp(-x)) */
export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** Hyperbolic tangent */
export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** log(sigmoid(x)) */
export class LogSigmoid extends Module {
  forward(x: Tensor): Tensor {
    return F.logsigmoid(x);
  }
}

/** x / (1 + |x|) */
export class Softsign extends Module {
  forward(x: Tensor): Tensor {
    return F.softsign(x);
  }
}

/** x times the probability that a normal variable is below x */
export class GELU extends Module {
  readonly approximate: "none" | "tanh";

  constructor(options?: F.GeluOptions) {
    super();
    const defaults: Required<F.GeluOptions> = { approximate: "none" };
    this.approximate = withDefaults("GELU", options, defaults).approximate;
  }

  forward(x: Tensor): Tensor {
    return F.gelu(x, { approximate: this.approximate });
  }

  override extraRepr(): string {
    return `approximate='${this.approximate}'`;
  }
}

/** log(1 + exp(beta * x)) / beta */
export class Softplus extends Module {
  readonly beta: number;
  readonly threshold: number;

  constructor(options?: F.SoftplusOptions) {
    super();
    const defaults = { beta: 1, threshold: 20 };
    const given = withDefaults<Required<F.SoftplusOptions>>("Softplus", options, defaults);
    this.beta = given.beta;
    this.threshold = given.threshold;
  }

  forward(x: Tensor): Tensor {
    return F.softplus(x, { beta: this.beta, threshold: this.threshold });
  }

  override extraRepr(): string {
    return named({ beta: this.beta, threshold: this.threshold });
  }
}

/** A function along one dimension. */
abstract class Along extends Module {
  readonly dim: number;

  constructor(dim: number | DimOptions) {
    super();
    const given = typeof dim === "number" ? dim : (dim as DimOptions | undefined)?.dim;
    this.dim = number(new.target.name, "dim", given);
  }

  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/** exp(x) divided by its sum along a dimension: `new Softmax(1)`, `new Softmax({ dim: 1 })`. */
export class Softmax extends Along {
  forward(x: Tensor): Tensor {
    return softmax(x, this.dim);
  }
}

/** Logarithm of softmax along a dimension. */
export class LogSoftmax extends Along {
  forward(x: Tensor): Tensor {
    return logSoftmax(x, this.dim);
  }
}
