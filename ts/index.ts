/** @file What `import ... from "torchlet"` gives. */
import "./methods.js";

export * from "./create.js";
export {
  bestDevice,
  type Device,
  deviceInfo,
  type DeviceInfo,
  synchronize,
  useDevice,
  type UseDeviceOptions,
} from "./device.js";
export type { DType, TensorData } from "./dtype.js";
export {
  ArgumentError,
  AutogradError,
  DeviceError,
  DeviceLostError,
  DtypeError,
  FileError,
  IndexError,
  OutOfMemoryError,
  ShapeError,
  TorchletError,
} from "./errors.js";
export * as functional from "./functional.js";
export {
  Generator,
  type GeneratorOptions,
  getRngState,
  initialSeed,
  manualSeed,
  setRngState,
} from "./generator.js";
export { enableGrad, isGradEnabled, noGrad, setGradEnabled } from "./grad-mode.js";
export { keep, memoryStats, type MemoryStats, resetPeakMemory, scope } from "./memory.js";
export * as nn from "./nn/index.js";
export type {
  AlphaOptions,
  ClampOptions,
  DimKeepOptions,
  DimOptions,
  Dims,
  ReduceOptions,
  Sizes,
} from "./ops/arguments.js";
export * from "./ops/combine.js";
export * from "./ops/compare.js";
export * from "./ops/in-place.js";
export type { Index } from "./ops/index-at.js";
export * from "./ops/linalg.js";
export * from "./ops/pointwise.js";
export * from "./ops/reduce.js";
export * from "./ops/shape.js";
export * as optim from "./optim/index.js";
export { type GpuCounts, profile, Profile, type ProfileEvent, type ProfileRow } from "./profile.js";
export { type BackwardOptions, detach, type NestedList, numel, Tensor } from "./tensor.js";
export {
  type NestedInput,
  tensor,
  type TensorFromOptions,
  type TypedArray,
} from "./tensor-from.js";
export { warmup, type WarmupOptions } from "./warmup.js";
