/** @file The boundary to the WASM core: what it exports and which operations it knows. */

type Unary =
  | "neg"
  | "abs"
  | "sign"
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "log2"
  | "log10"
  | "sqrt"
  | "rsqrt"
  | "square"
  | "reciprocal"
  | "sin"
  | "cos"
  | "tan"
  | "tanh"
  | "sigmoid"
  | "relu"
  | "silu"
  | "softplus"
  | "gelu"
  | "gelu_tanh"
  | "erf"
  | "mish"
  | "hardswish"
  | "hardsigmoid"
  | "relu6"
  | "logsigmoid"
  | "floor"
  | "ceil"
  | "round"
  | "trunc"
  | "logical_not"
  | "isnan"
  | "isinf"
  | "isfinite"
  | "leaky_relu"
  | "elu"
  | "clamp";

type Scalar =
  | "pow_scalar"
  | "rpow_scalar"
  | "add_scalar"
  | "sub_scalar"
  | "rsub_scalar"
  | "mul_scalar"
  | "div_scalar"
  | "rdiv_scalar"
  | "maximum_scalar"
  | "minimum_scalar"
  | "remainder_scalar"
  | "floor_divide_scalar"
  | "eq_scalar"
  | "ne_scalar"
  | "lt_scalar"
  | "le_scalar"
  | "gt_scalar"
  | "ge_scalar";

type Binary =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "pow"
  | "maximum"
  | "minimum"
  | "remainder"
  | "floor_divide"
  | "eq"
  | "ne"
  | "lt"
  | "le"
  | "gt"
  | "ge"
  | "logical_and"
  | "logical_or"
  | "logical_xor"
  | "atan2";

type Choice = "where" | "masked_fill" | "copy" | "fill" | "cast" | "clone" | "contiguous";

type Reduction =
  | "sum"
  | "mean"
  | "amax"
  | "amin"
  | "prod"
  | "var"
  | "std"
  | "all"
  | "any"
  | "logsumexp"
  | "norm"
  | "max_dim"
  | "min_dim"
  | "argmax"
  | "argmin"
  | "cumsum";

type Movement =
  | "view"
  | "reshape"
  | "permute"
  | "expand"
  | "slice"
  | "select"
  | "unsqueeze"
  | "squeeze"
  | "flip"
  | "cat"
  | "stack"
  | "index_select"
  | "gather"
  | "one_hot"
  | "pad";

type Structured =
  | "matmul"
  | "linear"
  | "conv2d"
  | "conv2d_grad_input"
  | "conv2d_grad_weight"
  | "max_pool2d"
  | "max_pool2d_with_indices"
  | "avg_pool2d"
  | "softmax"
  | "log_softmax"
  | "cross_entropy"
  | "nll_loss"
  | "dropout"
  | "dropout2d";

/** An operation of the core, by the name under which it is registered there. */
export type OperationName = Unary | Scalar | Binary | Choice | Reduction | Movement | Structured;

/** A multi-tensor optimizer step of the core. */
export type UpdateName = "sgd" | "adam";

/** What kind of mistake the core reports; each has its own error class. */
export type ErrorKind =
  "shape" | "dtype" | "argument" | "index" | "device" | "device-lost" | "memory" | "autograd";

/**
 * The exports of the WASM core.
 *
 * A tensor crosses as a handle: a positive integer that owns one reference until `free`.
 * Sizes, dimensions and parameters cross as float64, so that -1, NaN, 2.5 and 2^31 arrive as they are
 * and are refused with the operation's name.
 */
export interface Raw {
  setErrorFactory(factory: (kind: string, message: string) => Error): void;

  operations(): string[];
  apply(op: number, inputs: Uint32Array, args: Float64Array): Uint32Array;
  applyInPlace(op: number, target: number, inputs: Uint32Array, args: Float64Array): void;
  update(op: string, tensors: Uint32Array, args: Float64Array): void;

  fromF32(data: Float32Array, shape: Float64Array): number;
  fromI32(data: Int32Array, shape: Float64Array): number;
  fromBool(data: Uint8Array, shape: Float64Array): number;
  full(shape: Float64Array, value: number, dtype: number, onGpu?: boolean): number;
  free(handle: number): void;
  alias(handle: number): number;

  shape(handle: number): Float64Array;
  strides(handle: number): Float64Array;
  offset(handle: number): number;
  dtype(handle: number): number;
  version(handle: number): number;
  identity(handle: number): number;
  isContiguous(handle: number): boolean;
  sharesStorage(a: number, b: number): boolean;

  requiresGrad(handle: number): boolean;
  setRequiresGrad(handle: number, on: boolean): void;
  isLeaf(handle: number): boolean;
  gradFn(handle: number): string;
  retainGrad(handle: number): void;
  grad(handle: number): number;
  setGrad(handle: number, grad: number): void;
  backward(handle: number, gradient: number, retainGraph: boolean): void;
  detach(handle: number): number;
  setGradEnabled(on: boolean): boolean;
  isGradEnabled(): boolean;

  readF32(handle: number): Float32Array;
  readI32(handle: number): Int32Array;
  readBool(handle: number): Uint8Array;
  item(handle: number): number;

  /** `[live bytes, peak live bytes, live storages, live handles, bytes of WASM memory]` */
  memoryStats(): Float64Array;
  resetPeakMemory(): void;

  /** Sample `i` of an operation: `[number of inputs, handles..., arguments...]`, empty behind the last. */
  sample(op: number, i: number): Float64Array;

  /** 0: "cpu", 1: "webgpu" */
  device(handle: number): number;
  toGpu(handle: number): number;
  moveToGpu(handle: number): void;
  moveToCpu(handle: number): Promise<void>;
  readGpu(handle: number): Promise<Uint32Array<ArrayBuffer>>;
  flushGpu(): void;
  synchronizeGpu(): Promise<void>;
  gpuIsUp(): boolean;
  requestGpu(power: number, software: boolean): Promise<boolean>;
  destroyGpu(): void;
  /** `[vendor, architecture, device, description, "software" or ""]` */
  gpuInfo(): string[];
  /** `[bytes of a binding, bytes of a buffer, workgroups, bytes of workgroup memory, storage buffers]` */
  gpuLimits(): Float64Array;
  /** `[dispatches, passes, submits, pipelines, bind groups, buffers created, destroyed, writes, bytes, reads, bytes]` */
  gpuCounts(): Float64Array;
  startGpuProfile(): void;
  /** Label, workgroups, start and length in milliseconds of each dispatch. */
  stopGpuProfile(): Promise<[string, number, number, number][]>;
  startProfile(): void;
  /** Name, start and length in milliseconds of each operation on the CPU. */
  stopProfile(): [string, number, number][];
  /** `[live bytes, peak live bytes, bytes in the pool, buffers in use]` */
  gpuMemoryStats(): Float64Array;

  newGenerator(): number;
  freeGenerator(gen: number): void;
  seed(gen: number, seed: number): void;
  initialSeed(gen: number): number;
  getState(gen: number): Uint8Array;
  setState(gen: number, state: Uint8Array): void;
  randUniform(gen: number, shape: Float64Array, low: number, high: number): number;
  randNormal(gen: number, shape: Float64Array, mean: number, std: number): number;
  randInt(gen: number, shape: Float64Array, low: number, high: number): number;
  randPerm(gen: number, n: number): number;
  randBernoulli(gen: number, shape: Float64Array, p: number): number;
  randInt63(gen: number): bigint;
}
