/** @file PyTorch's `torch.optim`: optimizers. */
export { Adam, type AdamOptions, AdamW } from "./adam.js";
export {
  Optimizer,
  type OptimizerStateDict,
  type ParamGroup,
  type ParamGroupInput,
  type Params,
  type ParamState,
  type Update,
} from "./optimizer.js";
export { SGD, type SgdOptions } from "./sgd.js";
