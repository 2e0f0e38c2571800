/** @file What happens to an image on its way to the network. */
import { describe, numbers } from "../check.js";
import { Callable, onCall } from "../callable.js";
import { composed } from "../composed.js";
import { ArgumentError, DtypeError, ShapeError } from "../errors.js";
import { scope, Tensor, tensor } from "../index.js";
import { Image, ImageBatch } from "./image.js";

/** A call transforms one input. */
export interface Transform<In, Out> {
  // eslint-disable-next-line @typescript-eslint/prefer-function-type -- only an interface merges with a class
  (input: In): Out;
}

/** Base of transforms, which are called like functions: `new ToTensor()(image)`. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- see the interface
export abstract class Transform<In, Out> extends Callable {
  /** Transform one input. */
  abstract apply(input: In): Out;

  /**
   * Transform a batch at once, with the values that the single inputs would get.
   *
   * Missing where there is no such way, as for what is drawn anew for each image.
   */
  batch?(input: ImageBatch | Tensor): ImageBatch | Tensor;

  [onCall](input: In): Out {
    return this.apply(input);
  }
}

/** All 256 bytes as parts of 255. */
const UNIT = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

/** Copy bytes from the order image, height, width, channel to image, channel, height, width. */
function toPlanes(bytes: Uint8Array, count: number, area: number, channels: number): Float32Array {
  const planes = new Float32Array(bytes.length);
  let from = 0;
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < area; i++) {
      for (let c = 0; c < channels; c++) {
        planes[(n * channels + c) * area + i] = UNIT[bytes[from++]!]!;
      }
    }
  }
  return planes;
}

/** Make an image [C, H, W] in `float32` between 0 and 1. */
export class ToTensor extends Transform<Image, Tensor> {
  apply(image: Image): Tensor {
    if (!(image instanceof Image)) {
      throw new ArgumentError(`ToTensor: expected an Image, got ${describe(image)}`);
    }
    const { data, height, width, channels } = image;
    const planes = toPlanes(data, 1, height * width, channels);
    return tensor(planes, { shape: [channels, height, width] });
  }

  override batch(images: ImageBatch | Tensor): Tensor {
    if (!(images instanceof ImageBatch)) {
      throw new ArgumentError(`ToTensor: expected images, got ${describe(images)}`);
    }
    const { data, count, height, width, channels } = images;
    const planes = toPlanes(data, count, height * width, channels);
    return tensor(planes, { shape: [count, channels, height, width] });
  }
}

/** Subtract a mean from each channel of [..., C, H, W] and divide by a standard deviation. */
export class Normalize extends Transform<Tensor, Tensor> {
  constructor(
    readonly mean: readonly number[],
    readonly std: readonly number[],
  ) {
    super();
    numbers("Normalize", "mean", mean);
    numbers("Normalize", "std", std);
    if (std.includes(0)) {
      throw new ArgumentError(`Normalize: std must not be 0, got ${describe([...std])}`);
    }
  }

  apply(image: Tensor): Tensor {
    if (!(image instanceof Tensor)) {
      throw new ArgumentError(`Normalize: expected a Tensor, got ${describe(image)}`);
    }
    if (image.dtype !== "float32") {
      throw new DtypeError(`Normalize: expected a float32 image, got ${image.dtype}`);
    }
    const channels = image.shape.at(-3);
    for (const values of [this.mean, this.std]) {
      if (channels === undefined || (values.length !== channels && values.length !== 1)) {
        throw new ShapeError(
          `Normalize: ${values.length} channels do not fit an image ${describe([...image.shape])}`,
        );
      }
    }
    const perChannel = (values: readonly number[]): Tensor =>
      tensor(values, { shape: [values.length, 1, 1] });
    return composed("Normalize", () => image.sub(perChannel(this.mean)).div(perChannel(this.std)));
  }

  override batch(images: ImageBatch | Tensor): Tensor {
    return this.apply(images as Tensor);
  }
}

/** A transform made of a function. */
export class Lambda<In, Out> extends Transform<In, Out> {
  constructor(readonly lambda: (input: In) => Out) {
    super();
    if (typeof lambda !== "function") {
      throw new ArgumentError(`Lambda: expected a function, got ${describe(lambda)}`);
    }
  }

  apply(input: In): Out {
    return this.lambda(input);
  }
}

type Step = (input: never) => unknown;

/** What the first of several functions takes. */
type InputOf<Steps extends readonly Step[]> = Steps extends readonly [
  (input: infer In) => unknown,
  ...unknown[],
]
  ? In
  : never;

/** What the last of several functions gives. */
type OutputOf<Steps extends readonly Step[]> = Steps extends readonly [
  ...unknown[],
  (input: never) => infer Out,
]
  ? Out
  : never;

/** Transforms (or functions) one after the other. */
export class Compose<const Steps extends readonly Step[]> extends Transform<
  InputOf<Steps>,
  OutputOf<Steps>
> {
  declare batch?: (input: ImageBatch | Tensor) => ImageBatch | Tensor;

  constructor(readonly transforms: Steps) {
    super();
    if (!Array.isArray(transforms)) {
      throw new ArgumentError(`Compose: expected a list, got ${describe(transforms)}`);
    }
    for (const step of transforms) {
      if (typeof step === "function") continue;
      throw new ArgumentError(`Compose: expected transforms or functions, got ${describe(step)}`);
    }
    const batches = transforms.map((step) => batchOf(step));
    if (!batches.includes(undefined)) {
      this.batch = (input) => {
        const run = (): ImageBatch | Tensor => batches.reduce((x, batch) => batch!(x), input);
        return scope(run);
      };
    }
  }

  apply(input: InputOf<Steps>): OutputOf<Steps> {
    let result: unknown = input;
    for (const step of this.transforms) result = step(result as never);
    return result as OutputOf<Steps>;
  }
}

/** How a transform treats a whole batch, if it can. */
export function batchOf(
  step: unknown,
): ((input: ImageBatch | Tensor) => ImageBatch | Tensor) | undefined {
  return step instanceof Transform && step.batch ? (input) => step.batch!(input) : undefined;
}
