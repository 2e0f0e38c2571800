/** @file Losses. */
import { describe, oneOf, withDefaults } from "../check.js";
import { ArgumentError, ShapeError } from "../errors.js";
import { composed } from "../composed.js";
import { apply, handleOf, type Tensor } from "../tensor.js";

const REDUCTIONS = ["none", "mean", "sum"] as const;

/** How the losses of the elements become one: their mean, their sum, or not at all. */
export type Reduction = (typeof REDUCTIONS)[number];

/** Options of every loss. */
export interface LossOptions {
  /** How the losses of the elements become one. Default `"mean"`. */
  reduction?: Reduction;
}

const MEAN: Required<LossOptions> = { reduction: "mean" };

/** Refuse what is not a reduction. */
export function checkReduction(operation: string, reduction: unknown): Reduction {
  return oneOf(operation, "reduction", reduction, REDUCTIONS);
}

function reduced(losses: Tensor, reduction: Reduction): Tensor {
  if (reduction === "none") return losses;
  return reduction === "mean" ? losses.mean() : losses.sum();
}

function differ(input: Tensor, target: Tensor): boolean {
  return describe([...input.shape]) !== describe([...target.shape]);
}

function describeShapes(input: Tensor, target: Tensor): string {
  return `input ${describe([...input.shape])} and target ${describe([...target.shape])}`;
}

/** Refuse shapes that differ. */
function sameShape(operation: string, input: Tensor, target: Tensor): void {
  handleOf(operation, input);
  handleOf(operation, target);
  if (differ(input, target)) {
    throw new ShapeError(`${operation}: ${describeShapes(input, target)} must have the same shape`);
  }
}

const warned = new Set<string>();

/** A loss of each element's difference between input and target. */
function ofDifference(
  operation: string,
  input: Tensor,
  target: Tensor,
  reduction: unknown,
  loss: (difference: Tensor) => Tensor,
): Tensor {
  const how = checkReduction(operation, reduction);
  return composed(operation, () => {
    const losses = loss(apply("sub", [input, target]));
    const shapes = describeShapes(input, target);
    if (differ(input, target) && !warned.has(operation + shapes)) {
      warned.add(operation + shapes);
      // eslint-disable-next-line no-console -- PyTorch warns of this as well, and lets it pass
      console.warn(
        `${operation}: ${shapes} differ; they are broadcast, which is rarely what was meant`,
      );
    }
    return reduced(losses, how);
  });
}

/** (input - target)^2 */
export function mseLoss(input: Tensor, target: Tensor, options?: LossOptions): Tensor {
  const { reduction } = withDefaults("mseLoss", options, MEAN);
  return ofDifference("mseLoss", input, target, reduction, (d) => d.square());
}

/** |input - target| */
export function l1Loss(input: Tensor, target: Tensor, options?: LossOptions): Tensor {
  const { reduction } = withDefaults("l1Loss", options, MEAN);
  return ofDifference("l1Loss", input, target, reduction, (d) => d.abs());
}

/** Options of `smoothL1Loss`. */
export interface SmoothL1LossOptions extends LossOptions {
  /** Where the square ends and the line begins. Default 1. */
  beta?: number;
}

/** A square below beta and a line above: d^2 / (2 beta), |d| - beta / 2 */
export function smoothL1Loss(input: Tensor, target: Tensor, options?: SmoothL1LossOptions): Tensor {
  const defaults: Required<SmoothL1LossOptions> = { ...MEAN, beta: 1 };
  const { reduction, beta } = withDefaults("smoothL1Loss", options, defaults);
  if (!(beta >= 0)) {
    throw new ArgumentError(`smoothL1Loss: beta must not be negative, got ${beta}`);
  }
  return ofDifference("smoothL1Loss", input, target, reduction, (d) => {
    const size = d.abs();
    if (beta === 0) return size;
    return d
      .square()
      .mul(0.5 / beta)
      .where(size.lt(beta), size.sub(0.5 * beta));
  });
}

/** Options of `huberLoss`. */
export interface HuberLossOptions extends LossOptions {
  /** Where the square ends and the line begins. Default 1. */
  delta?: number;
}

/** A square below delta and a line above: d^2 / 2, delta (|d| - delta / 2) */
export function huberLoss(input: Tensor, target: Tensor, options?: HuberLossOptions): Tensor {
  const defaults: Required<HuberLossOptions> = { ...MEAN, delta: 1 };
  const { reduction, delta } = withDefaults("huberLoss", options, defaults);
  if (!(delta > 0)) throw new ArgumentError(`huberLoss: delta must be positive, got ${delta}`);
  return ofDifference("huberLoss", input, target, reduction, (d) => {
    const size = d.abs();
    const line = size.sub(0.5 * delta).mul(delta);
    return d.square().mul(0.5).where(size.le(delta), line);
  });
}

/** Options of `binaryCrossEntropy`. */
export interface BinaryCrossEntropyOptions extends LossOptions {
  /** Factor of each loss, broadcast to the input. Default: none. */
  weight?: Tensor | null;
}

/** The defaults of `binaryCrossEntropy`. */
export const BINARY: Required<BinaryCrossEntropyOptions> = { ...MEAN, weight: null };

/**
 * -(t log(x) + (1 - t) log(1 - x)) for probabilities x; logarithms end at -100, as in PyTorch.
 *
 * An x that is no probability is an error; on `"webgpu"`, where it is not seen in time, its loss is NaN.
 */
export function binaryCrossEntropy(
  input: Tensor,
  target: Tensor,
  options?: BinaryCrossEntropyOptions,
): Tensor {
  const name = "binaryCrossEntropy";
  const { reduction, weight } = withDefaults(name, options, BINARY);
  const how = checkReduction(name, reduction);
  sameShape(name, input, target);
  if (input.device === "cpu" && !input.dataSync().every((x) => x >= 0 && x <= 1)) {
    throw new ArgumentError(`${name}: all elements of input must lie between 0 and 1`);
  }
  return composed(name, () => {
    // A GPU's values cannot be looked at now: NaN shows what was wrong with them.
    const outside = input.device === "cpu" ? undefined : input.lt(0).logicalOr(input.gt(1));
    const probability = outside ? input.maskedFill(outside, NaN) : input;
    // The smallest float32 above 0 keeps the gradient of the logarithm finite.
    const log = (x: Tensor): Tensor =>
      x
        .clamp({ min: 2 ** -149 })
        .log()
        .clamp({ min: -100 });
    const complement = apply("rsub_scalar", [probability], [1]);
    const hit = target.mul(log(probability));
    const miss = apply("rsub_scalar", [target], [1]).mul(log(complement));
    const losses = hit.add(miss).neg();
    return reduced(weight === null ? losses : losses.mul(weight), how);
  });
}

/** Options of `binaryCrossEntropyWithLogits`. */
export interface BinaryCrossEntropyWithLogitsOptions extends BinaryCrossEntropyOptions {
  /** Factor of the losses of positive targets, broadcast to the input. Default: none. */
  posWeight?: Tensor | null;
}

/** The defaults of `binaryCrossEntropyWithLogits`. */
export const BINARY_WITH_LOGITS: Required<BinaryCrossEntropyWithLogitsOptions> = {
  ...BINARY,
  posWeight: null,
};

/** `binaryCrossEntropy` of sigmoid(input), without overflow */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  options?: BinaryCrossEntropyWithLogitsOptions,
): Tensor {
  const name = "binaryCrossEntropyWithLogits";
  const { reduction, weight, posWeight } = withDefaults(name, options, BINARY_WITH_LOGITS);
  const how = checkReduction(name, reduction);
  sameShape(name, input, target);
  return composed(name, () => {
    const logSigmoid = apply("logsigmoid", [input]);
    const positive =
      posWeight === null
        ? logSigmoid
        : apply("sub_scalar", [posWeight], [1]).mul(target).add(1).mul(logSigmoid);
    const losses = apply("rsub_scalar", [target], [1]).mul(input).sub(positive);
    return reduced(weight === null ? losses : losses.mul(weight), how);
  });
}

/** Options of `nllLoss`. */
export interface NllLossOptions extends LossOptions {
  /** Factor of each class, [C]. Default: none. */
  weight?: Tensor | null;
  /** Targets of this class do not count. Default -100. */
  ignoreIndex?: number;
}

/** The defaults of `nllLoss`. */
export const NLL: Required<NllLossOptions> = { ...MEAN, weight: null, ignoreIndex: -100 };

/** -input[target] for log-probabilities [N, C, ...] or [C] and classes (`int32`) */
export function nllLoss(input: Tensor, target: Tensor, options?: NllLossOptions): Tensor {
  const { reduction, weight, ignoreIndex } = withDefaults("nllLoss", options, NLL);
  const how = REDUCTIONS.indexOf(checkReduction("nllLoss", reduction));
  const inputs = weight === null ? [input, target] : [input, target, weight];
  return apply("nll_loss", inputs, [how, ignoreIndex]);
}

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions extends NllLossOptions {
  /** Share of each target that is spread over all classes. Default 0. */
  labelSmoothing?: number;
}

/** The defaults of `crossEntropy`. */
export const CROSS_ENTROPY: Required<CrossEntropyOptions> = { ...NLL, labelSmoothing: 0 };

/**
 * Cross entropy of logits [N, C, ...] or [C] with classes (`int32`) or probabilities (shape of input).
 */
export function crossEntropy(input: Tensor, target: Tensor, options?: CrossEntropyOptions): Tensor {
  const given = withDefaults("crossEntropy", options, CROSS_ENTROPY);
  const how = REDUCTIONS.indexOf(checkReduction("crossEntropy", given.reduction));
  const inputs = given.weight === null ? [input, target] : [input, target, given.weight];
  return apply("cross_entropy", inputs, [how, given.ignoreIndex, given.labelSmoothing]);
}
