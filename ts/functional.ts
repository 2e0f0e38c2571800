/** @file PyTorch's `torch.nn.functional`: layers without parameters of their own. */
export * from "./functional/activation.js";
export * from "./functional/conv.js";
export { dropout, dropout2d, type DropoutOptions } from "./functional/dropout.js";
export {
  binaryCrossEntropy,
  type BinaryCrossEntropyOptions,
  binaryCrossEntropyWithLogits,
  type BinaryCrossEntropyWithLogitsOptions,
  crossEntropy,
  type CrossEntropyOptions,
  huberLoss,
  type HuberLossOptions,
  l1Loss,
  type LossOptions,
  mseLoss,
  nllLoss,
  type NllLossOptions,
  type Reduction,
  smoothL1Loss,
  type SmoothL1LossOptions,
} from "./functional/loss.js";
export * from "./functional/pad.js";
export {
  avgPool2d,
  type AvgPool2dOptions,
  maxPool2d,
  type MaxPool2dOptions,
} from "./functional/pooling.js";
export * from "./functional/vector.js";
export { sigmoid, tanh } from "./ops/pointwise.js";
export { logSoftmax, softmax } from "./ops/reduce.js";
export { flatten } from "./ops/shape.js";
