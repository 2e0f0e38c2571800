/// <reference lib="esnext.disposable" preserve="true" />
/** @file The tensor: a handle of the core with PyTorch's face. */
import { describe, number, withDefaults } from "./check.js";
import { checkDevice, type Device, deviceOf } from "./device.js";
import { type DType, dtypeCode, dtypeOf, isDtype, type TensorData } from "./dtype.js";
import { ArgumentError, DeviceError, IndexError } from "./errors.js";
import { breathe, disown, own } from "./memory.js";
import type { TensorMethods } from "./methods.js";
import { tensorToString } from "./print.js";
import { call, callInPlace, type OperationName, raw } from "./raw.js";

/** Numbers or booleans in nested lists, as `tolist()` gives and `tensor()` takes them. */
export type NestedList = number | boolean | NestedList[];

/** Options of `backward()`. */
export interface BackwardOptions {
  /** Keep what the graph saved, so that `backward()` can go through it again. Default false. */
  retainGraph?: boolean;
}

const GONE = "the tensor is gone: dispose() or a scope() has freed it";

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging, @typescript-eslint/no-empty-object-type -- methods.ts gives the class these methods; only an interface merges with a class
export interface Tensor extends TensorMethods {}

/**
 * A tensor with PyTorch's semantics: views share storage, operations are recorded for `backward()`.
 *
 * Tensors are made by `tensor()`, `zeros()`, `randn()` and the like, and by operations.
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- see the interface
export class Tensor {
  #handle: number;
  #shape: readonly number[] | undefined;
  #dtype: DType | undefined;
  #grad: WeakRef<Tensor> | undefined;

  /** Wrap a handle of the core, which then belongs to this tensor. */
  constructor(handle: number) {
    if (!Number.isInteger(handle) || handle < 1) {
      throw new ArgumentError(
        `Tensor: expected a handle of the core, got ${describe(handle)}; make tensors with tensor(data)`,
      );
    }
    this.#handle = handle;
    own(this, handle);
  }

  /** The handle by which the core knows this tensor. */
  get handle(): number {
    return this.#alive("handle");
  }

  /** The handle, for the method or property that needs it. */
  #alive(name: string): number {
    if (this.#handle === 0) throw new ArgumentError(`${name}: ${GONE}`);
    return this.#handle;
  }

  /** Sizes of the dimensions. */
  get shape(): readonly number[] {
    return (this.#shape ??= Object.freeze(Array.from(raw.shape(this.#alive("shape")))));
  }

  /** Type of the elements. */
  get dtype(): DType {
    return (this.#dtype ??= dtypeOf(raw.dtype(this.#alive("dtype"))));
  }

  /** The device that holds the elements. */
  get device(): Device {
    return deviceOf(raw.device(this.#alive("device")));
  }

  /** Number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Number of dimensions. */
  dim(): number {
    return this.ndim;
  }

  /** The shape, or the size of one dimension (negative ones count from the end). */
  size(): readonly number[];
  size(dim: number): number;
  size(dim?: number): number | readonly number[] {
    if (dim === undefined) return this.shape;
    const size = this.shape[number("size", "dim", dim) < 0 ? dim + this.ndim : dim];
    if (size === undefined) {
      throw new IndexError(
        `size: dim ${describe(dim)} is out of range for ${this.ndim} dimensions`,
      );
    }
    return size;
  }

  /** Number of elements. */
  numel(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  /** Distances, in elements of the storage, between neighbours along each dimension. */
  stride(): readonly number[] {
    return Array.from(raw.strides(this.#alive("stride")));
  }

  /** Index of the first element in the storage. */
  storageOffset(): number {
    return raw.offset(this.#alive("storageOffset"));
  }

  /** The tensor with its dimensions in reverse order. */
  get T(): Tensor {
    return apply("permute", [this], [this.ndim, ...[...this.shape.keys()].reverse()]);
  }

  /** Tell whether the elements lie in row-major order without gaps. */
  isContiguous(): boolean {
    return raw.isContiguous(this.#alive("isContiguous"));
  }

  /** Number of in-place changes of the storage so far. */
  get version(): number {
    return raw.version(this.#alive("version"));
  }

  /** Whether gradients are wanted for this tensor. */
  get requiresGrad(): boolean {
    return raw.requiresGrad(this.#alive("requiresGrad"));
  }
  set requiresGrad(on: boolean) {
    this.requiresGrad_(on);
  }

  /** Say whether gradients are wanted for this tensor. */
  requiresGrad_(on = true): this {
    if (typeof on !== "boolean") {
      throw new ArgumentError(`requiresGrad_: expected true or false, got ${describe(on)}`);
    }
    raw.setRequiresGrad(this.#alive("requiresGrad_"), on);
    return this;
  }

  /** Whether this tensor is not the output of a recorded operation. */
  get isLeaf(): boolean {
    return raw.isLeaf(this.#alive("isLeaf"));
  }

  /** Name of the gradient of the operation that made this tensor, such as `ReluBackward0`, or null. */
  get gradFn(): string | null {
    const name = raw.gradFn(this.#alive("gradFn"));
    return name === "" ? null : name;
  }

  /** The gradient that `backward()` has gathered here, or null. */
  get grad(): Tensor | null {
    const handle = raw.grad(this.#alive("grad"));
    if (handle === 0) return null;
    // The same gradient is the same object, as long as somebody holds it.
    const known = this.#grad?.deref();
    if (known && known.#handle !== 0 && raw.identity(known.#handle) === raw.identity(handle)) {
      raw.free(handle);
      return known;
    }
    const grad = new Tensor(handle);
    this.#grad = new WeakRef(grad);
    return grad;
  }
  set grad(grad: Tensor | null) {
    raw.setGrad(this.#alive("grad"), grad === null ? 0 : handleOf("grad", grad));
    this.#grad = grad === null ? undefined : new WeakRef(grad);
  }

  /** Keep the gradient of this tensor although it is not a leaf. */
  retainGrad(): void {
    raw.retainGrad(this.#alive("retainGrad"));
  }

  /**
   * Compute the gradients of all leaves that this tensor was computed from, and add them to `grad`.
   *
   * @param gradient - gradient of something with respect to this tensor; needed unless it has one element
   */
  backward(gradient?: Tensor | null, options?: BackwardOptions): void;
  backward(options?: BackwardOptions & { gradient?: Tensor | null }): void;
  backward(
    first?: Tensor | null | (BackwardOptions & { gradient?: Tensor | null }),
    second?: BackwardOptions,
  ): void {
    const positional = first instanceof Tensor || first === null || second !== undefined;
    const defaults = { gradient: null as Tensor | null, retainGraph: false };
    const options = withDefaults("backward", positional ? second : first, defaults);
    const gradient = positional ? (first ?? null) : options.gradient;
    raw.backward(
      this.#alive("backward"),
      gradient === null ? 0 : handleOf("backward", gradient),
      options.retainGraph,
    );
  }

  /** A view of the same elements that is not part of the graph. */
  detach(): Tensor {
    return new Tensor(raw.detach(this.#alive("detach")));
  }

  /** The elements in row-major order; on `"cpu"` only. */
  dataSync(): TensorData {
    return this.#read("data");
  }

  /** The handle of what is to be read without waiting. */
  #atHand(name: string): number {
    const handle = this.#alive(name);
    if (this.device === "cpu") return handle;
    throw new DeviceError(
      `${name}Sync: a tensor on "webgpu" cannot be read synchronously; await ${name}() instead`,
    );
  }

  #read(name: string): TensorData {
    const handle = this.#atHand(name);
    if (this.dtype === "float32") return raw.readF32(handle);
    return this.dtype === "int32" ? raw.readI32(handle) : raw.readBool(handle);
  }

  /** The elements, whichever device they are on. */
  async #readAsync(name: string): Promise<TensorData> {
    const handle = this.#alive(name);
    if (this.device === "cpu") {
      const data = this.#read(name);
      await breathe();
      return data;
    }
    const dtype = this.dtype;
    const words = await raw.readGpu(handle);
    await breathe();
    if (dtype === "float32") return new Float32Array(words.buffer, words.byteOffset, words.length);
    if (dtype === "int32") return new Int32Array(words.buffer, words.byteOffset, words.length);
    return Uint8Array.from(words);
  }

  /** The one element as a number (0 or 1 for `bool`); on `"cpu"` only. */
  itemSync(): number {
    return raw.item(this.#atHand("item"));
  }

  /** The elements as nested lists of numbers, or of booleans for `bool`; on `"cpu"` only. */
  tolistSync(): NestedList {
    return this.#nested(this.#read("tolist"));
  }

  #nested(data: TensorData): NestedList {
    const shape = this.shape;
    const bool = this.dtype === "bool";
    const list = (dim: number, start: number, count: number): NestedList => {
      if (dim === shape.length) return bool ? data[start] !== 0 : data[start]!;
      const step = count / Math.max(shape[dim]!, 1);
      return Array.from({ length: shape[dim]! }, (_, i) => list(dim + 1, start + i * step, step));
    };
    return list(0, 0, data.length);
  }

  /** Read the elements in row-major order, as they are at the time of the call. */
  data(): Promise<TensorData> {
    return this.#readAsync("data");
  }

  /** Read the one element as a number (0 or 1 for `bool`). */
  async item(): Promise<number> {
    if (this.numel() !== 1) return this.itemSync();
    return (await this.#readAsync("item"))[0]!;
  }

  /** Read the elements as nested lists of numbers, or of booleans for `bool`. */
  async tolist(): Promise<NestedList> {
    return this.#nested(await this.#readAsync("tolist"));
  }

  /**
   * Move to a device, or convert to a dtype. Gives this very tensor if there is nothing to do.
   *
   * The way back from `"webgpu"` takes time: `await x.cpu()`.
   */
  to(target: Device | DType): Tensor {
    if (!isDtype(target)) {
      if (checkDevice("to", target) === this.device) return this;
      if (target === "webgpu") return new Tensor(raw.toGpu(this.#alive("to")));
      throw new DeviceError(
        'to: a tensor on "webgpu" cannot be moved synchronously; await x.cpu() instead',
      );
    }
    return target === this.dtype ? this : apply("cast", [this], [dtypeCode("to", target)]);
  }

  /** This tensor on the CPU, outside of the graph if it was elsewhere. */
  async cpu(): Promise<Tensor> {
    if (this.device === "cpu") return this;
    const copy = this.detach();
    try {
      const own = apply("clone", [copy]);
      await raw.moveToCpu(own.handle);
      return own;
    } finally {
      copy.dispose();
    }
  }

  /** This tensor as `float32`. */
  float(): Tensor {
    return this.to("float32");
  }

  /** This tensor as `int32`. */
  int(): Tensor {
    return this.to("int32");
  }

  /** This tensor as `int32`, which is where PyTorch has int64. */
  long(): Tensor {
    return this.to("int32");
  }

  /** This tensor as `bool`: what is not 0 is true. */
  bool(): Tensor {
    return this.to("bool");
  }

  /** Whether the memory has been given back by `dispose()` or a `scope()`. */
  get isDisposed(): boolean {
    return this.#handle === 0;
  }

  /** Give the memory back now instead of when the garbage collector comes. Twice does no harm. */
  dispose(): void {
    if (this.#handle === 0) return;
    disown(this, this.#handle);
    this.#handle = 0;
  }

  /** The same as `dispose()`, for `using x = ...`. */
  declare [Symbol.dispose]: () => void;

  /** The slices along the first dimension, one after the other. */
  *[Symbol.iterator](): Generator<Tensor, void, undefined> {
    if (this.ndim === 0) throw new IndexError("iteration over a tensor without dimensions");
    for (let i = 0; i < this.size(0); i++) yield apply("select", [this], [0, i]);
  }

  /** The elements as PyTorch prints them. */
  toString(): string {
    return tensorToString(this);
  }

  /** Text for JavaScript; where it wants a number, as in `x * 2` or `x > y`, an error. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint !== "number") return this.toString();
    throw new ArgumentError(
      "a Tensor is not a number: read it with await x.item(), compute with x.mul(y), compare with x.gt(y)",
    );
  }
}

// Safari has no Symbol.dispose yet.
if (Symbol.dispose as symbol | undefined) {
  Object.defineProperty(Tensor.prototype, Symbol.dispose, {
    value(this: Tensor) {
      this.dispose();
    },
  });
}
// What console.log shows in Node.
Object.defineProperty(Tensor.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Tensor) {
    return this.toString();
  },
});

/** A view of the same elements that is not part of the graph. */
export function detach(x: Tensor): Tensor {
  handleOf("detach", x);
  return x.detach();
}

/** Number of elements. */
export function numel(x: Tensor): number {
  handleOf("numel", x);
  return x.numel();
}

/** The handle of what has to be a tensor. */
export function handleOf(operation: string, value: unknown): number {
  if (value instanceof Tensor && !value.isDisposed) return value.handle;
  if (value instanceof Tensor) throw new ArgumentError(`${operation}: ${GONE}`);
  throw new ArgumentError(`${operation}: expected a Tensor, got ${describe(value)}`);
}

/** Run an operation with one output. */
export function apply(
  operation: OperationName,
  inputs: readonly Tensor[],
  args: readonly number[] = [],
): Tensor {
  return new Tensor(call(operation, handles(operation, inputs), args)[0]!);
}

/** Run an operation with two outputs. */
export function applyPair(
  operation: OperationName,
  inputs: readonly Tensor[],
  args: readonly number[] = [],
): [Tensor, Tensor] {
  const [first, second] = call(operation, handles(operation, inputs), args);
  return [new Tensor(first!), new Tensor(second!)];
}

/** Run an operation and write its output into `target`, which is also its first input. */
export function applyInPlace<T extends Tensor>(
  operation: OperationName,
  target: T,
  inputs: readonly Tensor[] = [],
  args: readonly number[] = [],
): T {
  const handle = handleOf(`${operation}_`, target);
  callInPlace(operation, handle, handles(`${operation}_`, inputs), args);
  return target;
}

function handles(operation: string, inputs: readonly Tensor[]): number[] {
  return inputs.map((input) => handleOf(operation, input));
}
