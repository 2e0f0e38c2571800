/** @file Element types and the typed arrays that hold them. */
import { oneOf } from "./check.js";

const DTYPES = ["float32", "int32", "bool"] as const;

/** What a tensor's elements are; `int32` also stands for PyTorch's int64 labels and indices. */
export type DType = (typeof DTYPES)[number];

/** A tensor's elements in row-major order; `bool` comes as 0 and 1 in a `Uint8Array`. */
export type TensorData = Float32Array | Int32Array | Uint8Array;

/** The number that stands for a dtype at the boundary to the core. */
export function dtypeCode(operation: string, dtype: DType): number {
  return DTYPES.indexOf(oneOf(operation, "dtype", dtype, DTYPES));
}

/** The dtype for which a number of the core stands. */
export function dtypeOf(code: number): DType {
  return DTYPES[code]!;
}

/** Whether a string names a dtype. */
export function isDtype(name: unknown): name is DType {
  return DTYPES.includes(name as DType);
}
