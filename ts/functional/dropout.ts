/** @file Dropout as functions. */
import { describe, withDefaults } from "../check.js";
import { ArgumentError } from "../errors.js";
import { defaultGenerator } from "../generator.js";
import type { OperationName } from "../raw.js";
import { apply, applyInPlace, type Tensor } from "../tensor.js";

/** Options of `dropout`. */
export interface DropoutOptions {
  /** Probability that an element is set to 0. Default 0.5. */
  p?: number;
  /** Whether to drop at all. Default true. */
  training?: boolean;
  /** Whether to overwrite the input. Default false. */
  inplace?: boolean;
}

const dropoutOf =
  (name: string, operation: OperationName) =>
  (x: Tensor, options?: number | DropoutOptions): Tensor => {
    const given = typeof options === "number" ? { p: options } : options;
    const { p, training, inplace } = withDefaults<Required<DropoutOptions>>(name, given, {
      p: 0.5,
      training: true,
      inplace: false,
    });
    checkProbability(name, p);
    if (!training) return x;
    const args = [p, defaultGenerator.id];
    return inplace ? applyInPlace(operation, x, [], args) : apply(operation, [x], args);
  };

/** Refuse what is not a probability of dropping. */
export function checkProbability(operation: string, p: number): number {
  if (p >= 0 && p <= 1) return p;
  throw new ArgumentError(
    `${operation}: dropout probability has to be between 0 and 1, but got ${describe(p)}`,
  );
}

/** Set elements to 0 at random and scale the rest by 1 / (1 - p): `dropout(x, 0.3)` */
export const dropout = dropoutOf("dropout", "dropout");
/** Set whole channels of [N, C, H, W] to 0 at random and scale the rest by 1 / (1 - p) */
export const dropout2d = dropoutOf("dropout2d", "dropout2d");
