/** @file Element types of files and how they become those of tensors. */

/** Elements as a tensor takes them. */
type Values = Float32Array | Int32Array;

/** How elements are stored. */
interface Element {
  /** Bytes of one. */
  size: number;
  /** Convert little-endian elements; undefined if one does not fit into `int32`. */
  read(data: ArrayBuffer): Values | undefined;
}

function integers(source: ArrayLike<number> | BigInt64Array | BigUint64Array): Values | undefined {
  const values = new Int32Array(source.length);
  for (let i = 0; i < source.length; i++) {
    const value = Number(source[i]);
    values[i] = value;
    if (values[i] !== value) return undefined;
  }
  return values;
}

/** The float32 with the given bits. */
function fromBits(bits: Uint32Array): Float32Array {
  return new Float32Array(bits.buffer as ArrayBuffer);
}

function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Element types by their names in safetensors files. */
export const ELEMENTS = {
  F64: { size: 8, read: (data) => Float32Array.from(new Float64Array(data)) },
  F32: { size: 4, read: (data) => new Float32Array(data) },
  F16: { size: 2, read: (data) => Float32Array.from(new Uint16Array(data), halfToFloat) },
  // A bfloat16 is the upper half of a float32.
  BF16: {
    size: 2,
    read: (data) => fromBits(Uint32Array.from(new Uint16Array(data), (x) => x << 16)),
  },
  I64: { size: 8, read: (data) => integers(new BigInt64Array(data)) },
  U64: { size: 8, read: (data) => integers(new BigUint64Array(data)) },
  I32: { size: 4, read: (data) => new Int32Array(data) },
  U32: { size: 4, read: (data) => integers(new Uint32Array(data)) },
  I16: { size: 2, read: (data) => integers(new Int16Array(data)) },
  U16: { size: 2, read: (data) => integers(new Uint16Array(data)) },
  I8: { size: 1, read: (data) => integers(new Int8Array(data)) },
  U8: { size: 1, read: (data) => integers(new Uint8Array(data)) },
  BOOL: { size: 1, read: (data) => integers(new Uint8Array(data)) },
} satisfies Record<string, Element>;

/** The name of an element type in a safetensors file. */
export type ElementType = keyof typeof ELEMENTS;

/** Tell whether a file's element type is known. */
export function isElementType(name: unknown): name is ElementType {
  return typeof name === "string" && Object.hasOwn(ELEMENTS, name);
}
