/** @file Stochastic gradient descent. */
import { number, withDefaults } from "../check.js";
import { ArgumentError } from "../errors.js";
import { atLeast0, Optimizer, type Params, type Update } from "./optimizer.js";

/** Options of `SGD`. */
export interface SgdOptions {
  /** Learning rate. Default 1e-3. */
  lr?: number;
  /** Share of the last step that is added to the next. Default 0. */
  momentum?: number;
  /** Share of the gradient that does not go into the momentum. Default 0. */
  dampening?: number;
  /** Factor of the parameters that is added to their gradients. Default 0. */
  weightDecay?: number;
  /** Whether to look ahead by Nesterov's momentum. Default false. */
  nesterov?: boolean;
  /** Whether to climb instead of to descend. Default false. */
  maximize?: boolean;
}

type Options = Required<SgdOptions>;

/** Stochastic gradient descent, with momentum if wanted. */
export class SGD extends Optimizer<Options> {
  constructor(params: Params<Options>, options?: SgdOptions) {
    const defaults: Options = {
      lr: 1e-3,
      momentum: 0,
      dampening: 0,
      weightDecay: 0,
      nesterov: false,
      maximize: false,
    };
    super(params, withDefaults("SGD", options, defaults));
  }

  protected check({ lr, momentum, dampening, weightDecay, nesterov }: Options): void {
    atLeast0("SGD", "learning rate", lr);
    atLeast0("SGD", "momentum value", momentum);
    atLeast0("SGD", "weightDecay value", weightDecay);
    number("SGD", "dampening", dampening);
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      throw new ArgumentError("SGD: Nesterov momentum requires a momentum and zero dampening");
    }
  }

  protected update(options: Options): Update {
    const { lr, momentum, dampening, weightDecay, nesterov, maximize } = options;
    return {
      operation: "sgd",
      args: [lr, momentum, dampening, weightDecay, Number(nesterov), Number(maximize)],
      averages: momentum === 0 ? [] : ["momentumBuffer"],
    };
  }
}
