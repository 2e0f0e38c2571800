/** @file `tensor()`: tensors from numbers, nested lists and typed arrays. */
import { describe, int32, numbers, withDefaults } from "./check.js";
import { naming } from "./composed.js";
import type { TensorOptions } from "./create.js";
import { checkDevice, type Device } from "./device.js";
import { type DType, dtypeCode } from "./dtype.js";
import { ArgumentError, DeviceError, ShapeError } from "./errors.js";
import { pack, raw } from "./raw.js";
import { apply, handleOf, Tensor } from "./tensor.js";

/** Numbers or booleans in nested lists. */
export type NestedInput = number | boolean | readonly NestedInput[];

/** A typed array: of floats (makes `float32`) or of integers (makes `int32`). */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** Options of `tensor()`. */
export interface TensorFromOptions extends TensorOptions {
  /** The shape of the elements of a typed array, or a new one for those of a list. */
  shape?: readonly number[];
  /** Where the tensor lives. Default: that of a tensor that is copied, else `"cpu"`. */
  device?: Device;
}

/** Elements in row-major order, before they have a dtype. */
interface Elements {
  data: ArrayLike<number>;
  shape: readonly number[];
  dtype: DType;
}

/**
 * Make a tensor from a number, nested lists or a typed array; the elements are copied.
 *
 * Numbers make `float32`, booleans `bool`, an `Int32Array` (or another of integers) `int32`.
 *
 * @throws ShapeError if rows differ in length or `shape` does not fit.
 */
export function tensor(
  data: NestedInput | TypedArray | Tensor,
  options?: TensorFromOptions,
): Tensor {
  const filled = withDefaults<{ [K in keyof Required<TensorFromOptions>]: TensorFromOptions[K] }>(
    "tensor",
    options,
    { shape: undefined, dtype: undefined, requiresGrad: false, device: undefined },
  );
  if (filled.device !== undefined) checkDevice("tensor", filled.device);
  if (data instanceof Tensor) {
    handleOf("tensor", data);
    if (filled.device === "cpu" && data.device !== "cpu") {
      throw new DeviceError(
        'tensor: a tensor on "webgpu" cannot be copied synchronously; await x.cpu() instead',
      );
    }
    const dtype = dtypeCode("tensor", filled.dtype ?? data.dtype);
    const detached = data.detach();
    const copy = apply("clone", [detached]);
    detached.dispose();
    return finished(copy, dtype, filled);
  }
  const elements = read(data);
  const shape = filled.shape ?? elements.shape;
  numbers("tensor", "shape", shape);
  const count = shape.reduce((product, size) => product * size, 1);
  if (count !== elements.data.length) {
    throw new ShapeError(
      `tensor: shape ${describe([...shape])} has ${count} elements, the data has ${elements.data.length}`,
    );
  }
  const packed = pack("tensor", shape);
  const handle = naming("tensor", () =>
    upload(elements.data, filled.dtype ?? elements.dtype, packed),
  );
  return finished(new Tensor(handle), undefined, filled);
}

function finished(made: Tensor, dtype: number | undefined, options: TensorFromOptions): Tensor {
  let result = made;
  const then = (next: Tensor): void => {
    result.dispose();
    result = next;
  };
  if (dtype !== undefined) {
    if (dtypeCode("tensor", made.dtype) !== dtype) then(apply("cast", [result], [dtype]));
    const { shape } = options;
    if (shape) then(apply("view", [result], [shape.length, ...shape]));
  }
  if (options.device === "webgpu") raw.moveToGpu(result.handle);
  return options.requiresGrad ? result.requiresGrad_() : result;
}

function upload(data: ArrayLike<number>, dtype: DType, shape: Float64Array): number {
  dtypeCode("tensor", dtype);
  if (dtype === "float32") {
    return raw.fromF32(data instanceof Float32Array ? data : Float32Array.from(data), shape);
  }
  if (dtype === "bool") {
    return raw.fromBool(
      Uint8Array.from(data, (value) => Number(value !== 0)),
      shape,
    );
  }
  if (data instanceof Int32Array) return raw.fromI32(data, shape);
  return raw.fromI32(
    Int32Array.from(data, (value) => int32("tensor", value)),
    shape,
  );
}

function read(data: unknown): Elements {
  if (typeof data === "number") return { data: [data], shape: [], dtype: "float32" };
  if (typeof data === "boolean") return { data: [Number(data)], shape: [], dtype: "bool" };
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    return { data: Array.from(data, Number), shape: [data.length], dtype: "int32" };
  }
  if (ArrayBuffer.isView(data) && !(data instanceof DataView)) {
    const array = data as Exclude<TypedArray, BigInt64Array | BigUint64Array>;
    const float = array instanceof Float32Array || array instanceof Float64Array;
    return { data: array, shape: [array.length], dtype: float ? "float32" : "int32" };
  }
  if (Array.isArray(data)) return readNested(data);
  throw new ArgumentError(
    `tensor: expected numbers, nested lists or a typed array, got ${describe(data)}`,
  );
}

function readNested(rows: readonly unknown[]): Elements {
  const shape: number[] = [];
  for (let level: unknown = rows; isList(level); level = level[0]) shape.push(level.length);
  const data: number[] = [];
  let kind: "number" | "boolean" | undefined;
  const walk = (value: unknown, dim: number, path: string): void => {
    if (isList(value)) {
      if (value.length !== shape[dim]) {
        throw new ShapeError(
          `tensor: data${path} has ${value.length} elements where ${
            dim < shape.length ? `${shape[dim]} were expected` : "a number was expected"
          }`,
        );
      }
      for (let i = 0; i < value.length; i++) walk(value[i], dim + 1, `${path}[${i}]`);
      return;
    }
    if (dim < shape.length) {
      throw new ShapeError(
        `tensor: data${path} is ${describe(value)} where a list of ${shape[dim]} was expected`,
      );
    }
    const type = typeof value;
    if ((type !== "number" && type !== "boolean") || type !== (kind ??= type)) {
      throw new ArgumentError(
        `tensor: data${path} is ${describe(value)} where a ${kind ?? "number"} was expected`,
      );
    }
    data.push(Number(value));
  };
  walk(rows, 0, "");
  return { data, shape, dtype: kind === "boolean" ? "bool" : "float32" };
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}
