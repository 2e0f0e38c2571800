/** @file Datasets: numbered samples, and parts of them. */
import { describe, numbers } from "../check.js";
import { ArgumentError, IndexError, ShapeError } from "../errors.js";
import { indexSelect, select, type Tensor, tensor, type TypedArray } from "../index.js";
import { handleOf } from "../tensor.js";

/** A sample's parts, stacked or listed over a batch; see `defaultCollate`. */
export type Collated<T> = T extends Tensor | TypedArray | number | boolean
  ? Tensor
  : T extends string
    ? string[]
    : T extends readonly unknown[] | Record<string, unknown>
      ? { [K in keyof T]: Collated<T[K]> }
      : never;

/** Samples by number. */
export abstract class Dataset<T> {
  /** Number of samples. */
  abstract get length(): number;

  /** The sample with this number; negative ones count from the end. */
  abstract get(index: number): T | Promise<T>;

  /**
   * Several samples at once, as `defaultCollate` would join them, where that is faster than one by one.
   *
   * @returns undefined if there is no faster way
   */
  getBatch?(indices: readonly number[]): Collated<T> | undefined;
}

/** What serves as a dataset: also a plain list of samples, or anything of this form. */
export type DatasetLike<T> = Pick<Dataset<T>, "length" | "get" | "getBatch"> | readonly T[];

/** Samples of a list. */
class ListDataset<T> extends Dataset<T> {
  constructor(readonly samples: readonly T[]) {
    super();
  }

  get length(): number {
    return this.samples.length;
  }

  get(index: number): T {
    return this.samples[sampleIndex("Dataset", index, this.length)]!;
  }
}

/** Give a list of samples the form of a dataset. */
export function asDataset<T>(
  operation: string,
  dataset: DatasetLike<T>,
): Exclude<DatasetLike<T>, readonly T[]> {
  if (Array.isArray(dataset)) return new ListDataset<T>(dataset as readonly T[]);
  const { length, get } = (dataset ?? {}) as Partial<Dataset<T>>;
  if (typeof length === "number" && typeof get === "function") return dataset as Dataset<T>;
  throw new ArgumentError(
    `${operation}: expected a Dataset (with length and get) or a list, got ${describe(dataset)}`,
  );
}

/** Refuse a sample that is not there; count negative ones from the end. */
export function sampleIndex(dataset: string, index: number, length: number): number {
  const at = index < 0 ? index + length : index;
  if (Number.isInteger(at) && at >= 0 && at < length) return at;
  throw new IndexError(
    `${dataset}: index ${describe(index)} is out of range for ${length} samples`,
  );
}

/** Samples made of the slices of tensors along their first dimension. */
export class TensorDataset<T extends Tensor[]> extends Dataset<T> {
  readonly tensors: T;

  constructor(...tensors: T) {
    super();
    if (tensors.length === 0)
      throw new ArgumentError("TensorDataset: expected at least one Tensor");
    tensors.forEach((tensor) => handleOf("TensorDataset", tensor));
    const sizes = tensors.map((tensor) => tensor.shape[0]);
    if (sizes.some((size) => size === undefined || size !== sizes[0])) {
      const shapes = tensors.map((tensor) => describe([...tensor.shape])).join(", ");
      throw new ShapeError(`TensorDataset: the first sizes must be the same, got ${shapes}`);
    }
    this.tensors = tensors;
  }

  get length(): number {
    return this.tensors[0]!.size(0);
  }

  get(index: number): T {
    const at = sampleIndex("TensorDataset", index, this.length);
    return this.tensors.map((tensor) => select(tensor, 0, at)) as T;
  }

  override getBatch(indices: readonly number[]): Collated<T> {
    const at = indices.map((index) => sampleIndex("TensorDataset", index, this.length));
    const index = tensor(Int32Array.from(at));
    const batch = this.tensors.map((tensor) => {
      const there = index.to(tensor.device);
      const samples = indexSelect(tensor, 0, there);
      if (there !== index) there.dispose();
      return samples;
    });
    index.dispose();
    return batch as Collated<T>;
  }
}

/** Some of the samples of a dataset. */
export class Subset<T> extends Dataset<T> {
  readonly #samples: Exclude<DatasetLike<T>, readonly T[]>;

  constructor(
    readonly dataset: DatasetLike<T>,
    readonly indices: readonly number[],
  ) {
    super();
    this.#samples = asDataset("Subset", dataset);
    numbers("Subset", "indices", indices);
  }

  get length(): number {
    return this.indices.length;
  }

  get(index: number): T | Promise<T> {
    return this.#samples.get(this.indices[sampleIndex("Subset", index, this.length)]!);
  }

  override getBatch(indices: readonly number[]): Collated<T> | undefined {
    const inner = indices.map((index) => this.indices[sampleIndex("Subset", index, this.length)]!);
    return this.#samples.getBatch?.(inner);
  }
}
