/** @file Adam, and Adam with decoupled weight decay. */
import { describe, withDefaults } from "../check.js";
import { ArgumentError } from "../errors.js";
import { atLeast0, Optimizer, type Params, type Update } from "./optimizer.js";

/** Options of `Adam` and `AdamW`. */
export interface AdamOptions {
  /** Learning rate. Default 1e-3. */
  lr?: number;
  /** How much of the running averages of gradient and squared gradient stays. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the divisor. Default 1e-8. */
  eps?: number;
  /** Factor of the parameters that pulls them to 0. Default 0; 1e-2 for `AdamW`. */
  weightDecay?: number;
  /** Whether to divide by the largest average so far. Default false. */
  amsgrad?: boolean;
  /** Whether to climb instead of to descend. Default false. */
  maximize?: boolean;
}

type Options = Required<AdamOptions>;

abstract class AnyAdam extends Optimizer<Options> {
  /** Whether weights decay by themselves instead of through the gradient. */
  protected abstract readonly decoupled: boolean;

  constructor(params: Params<Options>, options: AdamOptions | undefined, weightDecay: number) {
    const defaults: Options = {
      lr: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay,
      amsgrad: false,
      maximize: false,
    };
    super(params, withDefaults(new.target.name, options, defaults));
  }

  protected check({ lr, betas, eps, weightDecay }: Options): void {
    const { name } = this.constructor;
    atLeast0(name, "learning rate", lr);
    atLeast0(name, "epsilon value", eps);
    atLeast0(name, "weightDecay value", weightDecay);
    if (!Array.isArray(betas) || betas.length !== 2) {
      throw new ArgumentError(`${name}: betas must be two numbers, got ${describe(betas)}`);
    }
    betas.forEach((beta: unknown, i) => {
      if (typeof beta !== "number" || !(beta >= 0 && beta < 1)) {
        throw new ArgumentError(`${name}: Invalid beta parameter at index ${i}: ${describe(beta)}`);
      }
    });
  }

  protected update(options: Options): Update {
    const { lr, betas, eps, weightDecay, amsgrad, maximize } = options;
    const flags = [amsgrad, this.decoupled, maximize].map(Number);
    return {
      operation: "adam",
      args: [lr, ...betas, eps, weightDecay, ...flags],
      averages: ["expAvg", "expAvgSq", ...(amsgrad ? ["maxExpAvgSq"] : [])],
    };
  }
}

/** Adam: steps scaled by running averages of the gradient and of its square. */
export class Adam extends AnyAdam {
  protected readonly decoupled = false;

  constructor(params: Params<Options>, options?: AdamOptions) {
    super(params, options, 0);
  }
}

/** Adam whose weight decay does not go through the averages. */
export class AdamW extends AnyAdam {
  protected readonly decoupled = true;

  constructor(params: Params<Options>, options?: AdamOptions) {
    super(params, options, 1e-2);
  }
}
