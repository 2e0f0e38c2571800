/** @file PyTorch's `torch.nn`: layers and networks. */
export * as functional from "../functional.js";
export * as init from "./init.js";
export * from "./activation.js";
export { AnyModule, type BufferOptions, type ZeroGradOptions } from "./any-module.js";
export * from "./containers.js";
export * from "./conv.js";
export * from "./dropout.js";
export * from "./linear.js";
export * from "./loss.js";
export * from "./module.js";
export * from "./parameter.js";
export * from "./pooling.js";
export type { LoadOptions, LoadResult, StateDict } from "./state.js";
