/** @file What is in the golden files that make_golden.py writes: programs, inputs from seeds, results in base64. */
import { type DType, type Tensor, tensor } from "torchlet";
import { device } from "../device.js";

/** A tensor in a golden file. */
export interface Stored {
  shape: number[];
  /** Default float32. */
  dtype?: DType;
  /** Bytes of float32 values. */
  base64?: string;
  /** int32 and bool values. */
  values?: number[];
}

/** An input of a case: stored values, or a seed for `fill`. */
export interface StoredInput {
  shape: number[];
  dtype?: DType;
  values?: (number | string)[];
  seed?: number;
  lo?: number;
  hi?: number;
  grad?: boolean;
}

/** One case of a table; program.py says how they are written. */
export interface Case {
  name: string;
  /** The same program in every form that PyTorch has of it. */
  programs: string[];
  inputs: Record<string, StoredInput>;
  outputs: Record<string, Stored>;
  rtol?: number;
  atol?: number;
  gradRtol?: number;
  gradAtol?: number;
  /** The output whose `backward()` is called, with `fill(seed)` in [-1, 1) as gradient. */
  backward?: string;
  seed?: number;
  grads?: Record<string, Stored>;
  /** Words that the error's message has; then there are no outputs. */
  raises?: string[];
}

/** `count` float32 values in [lo, hi): a 32-bit mix of the index and the seed, 24 bits of it. */
export function fill(seed: number, count: number, lo = -2, hi = 2): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    let x = i + Math.imul(seed, 0x9e3779b9);
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    x ^= x >>> 16;
    return lo + (hi - lo) * ((x >>> 8) / 2 ** 24);
  });
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** A float32 tensor of `fill`. */
export function filled(seed: number, shape: number[], lo?: number, hi?: number): Tensor {
  return tensor(fill(seed, size(shape), lo, hi), { shape, device });
}

/** Make an input of a case. */
export function input({
  shape,
  dtype = "float32",
  values,
  seed,
  lo,
  hi,
  grad,
}: StoredInput): Tensor {
  const data = values ? Float32Array.from(values, Number) : fill(seed!, size(shape), lo, hi);
  if (dtype === "int32") return tensor(Int32Array.from(data, Math.floor), { shape, device });
  if (dtype === "bool")
    return tensor(
      Uint8Array.from(data, (v) => Number(v >= 0.5)),
      { shape, dtype, device },
    );
  return tensor(data, { shape, device, requiresGrad: grad === true });
}

/** The values of a stored tensor. */
export function values({ base64, values }: Stored): ArrayLike<number> {
  if (values) return values;
  const bytes = Uint8Array.from(atob(base64!), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}
