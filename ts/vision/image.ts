/** @file Images as datasets hold them. */
import { describe } from "../check.js";
import { ArgumentError, ShapeError } from "../errors.js";

/** An image: bytes in the order height, width, channels. */
export class Image {
  /** Wrap `data`, which is not copied. */
  constructor(
    readonly data: Uint8Array,
    readonly height: number,
    readonly width: number,
    readonly channels: number,
  ) {
    checkBytes("Image", data, height, width, channels);
  }
}

/** Images of one size: bytes in the order image, height, width, channels. */
export class ImageBatch {
  /** Wrap `data`, which is not copied. */
  constructor(
    readonly data: Uint8Array,
    readonly count: number,
    readonly height: number,
    readonly width: number,
    readonly channels: number,
  ) {
    checkBytes("ImageBatch", data, count, height, width, channels);
  }
}

function checkBytes(name: string, data: unknown, ...sizes: number[]): void {
  if (!(data instanceof Uint8Array)) {
    throw new ArgumentError(`${name}: data must be a Uint8Array, got ${describe(data)}`);
  }
  const expected = sizes.reduce((a, b) => a * b, 1);
  if (!sizes.every((size) => Number.isInteger(size) && size >= 0) || data.length !== expected) {
    throw new ShapeError(`${name}: size ${describe(sizes)} does not fit ${data.length} bytes`);
  }
}
