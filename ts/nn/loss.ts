/** @file Loss layers. */
import { withDefaults } from "../check.js";
import * as F from "../functional/loss.js";
import type { Tensor } from "../tensor.js";
import { Module } from "./module.js";

/** A loss of an input and a target. */
abstract class Loss extends Module<[input: Tensor, target: Tensor]> {
  readonly reduction: F.Reduction;

  constructor(reduction: F.Reduction = "mean") {
    super();
    this.reduction = F.checkReduction(new.target.name, reduction);
  }
}

/** Read the options of a loss that has no others. */
function reductionOf(name: string, options?: F.LossOptions): F.Reduction {
  return withDefaults<Required<F.LossOptions>>(name, options, { reduction: "mean" }).reduction;
}

/** (input - target)^2 */
export class MSELoss extends Loss {
  constructor(options?: F.LossOptions) {
    super(reductionOf("MSELoss", options));
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return F.mseLoss(input, target, { reduction: this.reduction });
  }
}

/** |input - target| */
export class L1Loss extends Loss {
  constructor(options?: F.LossOptions) {
    super(reductionOf("L1Loss", options));
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return F.l1Loss(input, target, { reduction: this.reduction });
  }
}

/** A square below beta and a line above */
export class SmoothL1Loss extends Loss {
  readonly beta: number;

  constructor(options?: F.SmoothL1LossOptions) {
    const defaults: Required<F.SmoothL1LossOptions> = { reduction: "mean", beta: 1 };
    const { reduction, beta } = withDefaults("SmoothL1Loss", options, defaults);
    super(reduction);
    this.beta = beta;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return F.smoothL1Loss(input, target, { reduction: this.reduction, beta: this.beta });
  }
}

/** A square below delta and a line above */
export class HuberLoss extends Loss {
  readonly delta: number;

  constructor(options?: F.HuberLossOptions) {
    const defaults: Required<F.HuberLossOptions> = { reduction: "mean", delta: 1 };
    const { reduction, delta } = withDefaults("HuberLoss", options, defaults);
    super(reduction);
    this.delta = delta;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    return F.huberLoss(input, target, { reduction: this.reduction, delta: this.delta });
  }
}

/** A loss whose classes or elements have weights, which are a buffer, as in PyTorch. */
abstract class WeightedLoss extends Loss {
  declare weight: Tensor | null;

  constructor(reduction: F.Reduction, weight: Tensor | null) {
    super(reduction);
    this.registerBuffer("weight", weight);
  }
}

/** -input[target] for log-probabilities [N, C, ...] and classes (`int32`) */
export class NLLLoss extends WeightedLoss {
  readonly ignoreIndex: number;

  constructor(options?: F.NllLossOptions) {
    const { reduction, weight, ignoreIndex } = withDefaults("NLLLoss", options, F.NLL);
    super(reduction, weight);
    this.ignoreIndex = ignoreIndex;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { reduction, weight, ignoreIndex } = this;
    return F.nllLoss(input, target, { reduction, weight, ignoreIndex });
  }
}

/** Cross entropy of logits [N, C, ...] with classes (`int32`) or probabilities */
export class CrossEntropyLoss extends WeightedLoss {
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;

  constructor(options?: F.CrossEntropyOptions) {
    const given = withDefaults("CrossEntropyLoss", options, F.CROSS_ENTROPY);
    super(given.reduction, given.weight);
    this.ignoreIndex = given.ignoreIndex;
    this.labelSmoothing = given.labelSmoothing;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { reduction, weight, ignoreIndex, labelSmoothing } = this;
    return F.crossEntropy(input, target, { reduction, weight, ignoreIndex, labelSmoothing });
  }
}

/** -(t log(x) + (1 - t) log(1 - x)) for probabilities x */
export class BCELoss extends WeightedLoss {
  constructor(options?: F.BinaryCrossEntropyOptions) {
    const { reduction, weight } = withDefaults("BCELoss", options, F.BINARY);
    super(reduction, weight);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { reduction, weight } = this;
    return F.binaryCrossEntropy(input, target, { reduction, weight });
  }
}

/** `BCELoss` of sigmoid(input), without overflow */
export class BCEWithLogitsLoss extends WeightedLoss {
  declare posWeight: Tensor | null;

  constructor(options?: F.BinaryCrossEntropyWithLogitsOptions) {
    const given = withDefaults("BCEWithLogitsLoss", options, F.BINARY_WITH_LOGITS);
    super(given.reduction, given.weight);
    this.registerBuffer("posWeight", given.posWeight);
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { reduction, weight, posWeight } = this;
    return F.binaryCrossEntropyWithLogits(input, target, { reduction, weight, posWeight });
  }
}
