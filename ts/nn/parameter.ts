/** @file Parameters: tensors that a module learns. */
import { withDefaults } from "../check.js";
import { keep } from "../memory.js";
import { raw } from "../raw.js";
import { handleOf, Tensor } from "../tensor.js";

/** Options of a parameter. */
export interface ParameterOptions {
  /** Whether gradients are wanted. Default true. */
  requiresGrad?: boolean;
}

/** A tensor that is registered as something to learn when it becomes a field of a module. */
export class Parameter extends Tensor {
  /** Keeps the compiler from taking a plain tensor, which a module would not learn, for a parameter. */
  declare protected readonly isLearned: true;

  /** Share the elements of `data`. A parameter is not freed by a `scope()`. */
  constructor(data: Tensor, options?: ParameterOptions) {
    const { requiresGrad } = withDefaults("Parameter", options, { requiresGrad: true });
    super(raw.detach(handleOf("Parameter", data)));
    keep(this);
    if (requiresGrad) this.requiresGrad_();
  }

  override toString(): string {
    return `Parameter containing:\n${super.toString()}`;
  }
}
