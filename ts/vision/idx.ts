/** @file The IDX format of MNIST and its relatives. */
import { FileError } from "../errors.js";

/** Bytes in an array of some shape. */
export interface IdxArray {
  shape: number[];
  data: Uint8Array;
}

const UINT8 = 0x08;

/**
 * Read an IDX file of bytes.
 *
 * @throws FileError that names the file and what is wrong with it.
 */
export function parseIdx(file: string, bytes: Uint8Array, dims: number): IdxArray {
  const refuse = (reason: string): never => {
    throw new FileError(
      `MNIST: ${file}: ${reason}; the file is damaged or of another kind: get it again`,
    );
  };
  const start = 4 + 4 * dims;
  if (bytes.length < start) refuse(`it has ${bytes.length} bytes, its header alone needs ${start}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const expected = (UINT8 << 8) | dims;
  if (magic !== expected) refuse(`it begins with the number ${magic}, expected ${expected}`);
  const shape = Array.from({ length: dims }, (_, i) => view.getUint32(4 + 4 * i));
  const size = shape.reduce((a, b) => a * b, 1);
  if (bytes.length !== start + size) {
    refuse(`it has ${bytes.length} bytes, [${shape.join(", ")}] needs ${start + size}`);
  }
  return { shape, data: bytes.subarray(start) };
}
