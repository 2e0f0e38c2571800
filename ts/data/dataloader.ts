/** @file Batches of a dataset, epoch after epoch. */
import { describe, withDefaults } from "../check.js";
import { ArgumentError } from "../errors.js";
import { generatorOf } from "../generator.js";
import type { Generator } from "../index.js";
import { breathe } from "../memory.js";
import { defaultCollate } from "./collate.js";
import { asDataset, type Collated, type DatasetLike } from "./dataset.js";
import {
  BatchSampler,
  checkSampler,
  RandomSampler,
  type Sampler,
  SequentialSampler,
} from "./sampler.js";

/** Options of a loader. */
export interface DataLoaderOptions<T, Batch> {
  /** Samples a batch. Default 1. */
  batchSize?: number;
  /** Whether every epoch has another order. Default false. */
  shuffle?: boolean;
  /** Whether to leave out the last batch if it is smaller. Default false. */
  dropLast?: boolean;
  /** The order of the samples, instead of `shuffle`. */
  sampler?: Sampler | null;
  /** The batches, instead of `batchSize`, `shuffle`, `sampler` and `dropLast`. */
  batchSampler?: Sampler<readonly number[]> | null;
  /** The generator to shuffle with. Default: one seeded by the default generator for every epoch. */
  generator?: Generator | null;
  /** How samples become a batch. Default: `defaultCollate`. */
  collateFn?: ((samples: T[]) => Batch | Promise<Batch>) | null;
}

/**
 * Batches of a dataset: `for await (const [inputs, labels] of loader)` goes through one epoch.
 *
 * Seeded as a PyTorch program is, it gives the same batches. Between batches memory is freed and the
 * event loop turns, so that long training neither fills the memory nor freezes a page.
 */
export class DataLoader<T, Batch = Collated<T>> implements AsyncIterable<Batch> {
  readonly batchSampler: Sampler<readonly number[]>;
  readonly #samples: ReturnType<typeof asDataset<T>>;
  readonly #generator: Generator | null;
  readonly #collate: ((samples: T[]) => Batch | Promise<Batch>) | null;

  constructor(
    readonly dataset: DatasetLike<T>,
    options?: DataLoaderOptions<T, Batch>,
  ) {
    const given = withDefaults<Required<DataLoaderOptions<T, Batch>>>("DataLoader", options, {
      batchSize: 1,
      shuffle: false,
      dropLast: false,
      sampler: null,
      batchSampler: null,
      generator: null,
      collateFn: null,
    });
    if (given.sampler && given.shuffle) {
      throw new ArgumentError("DataLoader: sampler option is mutually exclusive with shuffle");
    }
    if (
      given.batchSampler &&
      (given.batchSize !== 1 || given.shuffle || given.sampler || given.dropLast)
    ) {
      throw new ArgumentError(
        "DataLoader: batchSampler option is mutually exclusive with batchSize, shuffle, sampler, and dropLast",
      );
    }
    if (!(Number.isInteger(given.batchSize) && given.batchSize > 0)) {
      throw new ArgumentError(
        `DataLoader: batchSize should be a positive integer value, but got batchSize=${describe(given.batchSize)}`,
      );
    }
    const { generator, sampler, batchSampler, collateFn } = given;
    generatorOf("DataLoader", generator);
    if (sampler !== null) checkSampler("DataLoader", "sampler", sampler);
    if (batchSampler !== null) checkSampler("DataLoader", "batchSampler", batchSampler);
    if (collateFn !== null && typeof collateFn !== "function") {
      throw new ArgumentError(
        `DataLoader: collateFn must be a function, got ${describe(collateFn)}`,
      );
    }
    const samples = asDataset("DataLoader", dataset);
    const order =
      sampler ??
      (given.shuffle ? new RandomSampler(samples, { generator }) : new SequentialSampler(samples));
    this.batchSampler = batchSampler ?? new BatchSampler(order, given.batchSize, given.dropLast);
    this.#samples = samples;
    this.#generator = generator;
    this.#collate = collateFn;
  }

  /** Number of batches of an epoch. */
  get length(): number {
    return this.batchSampler.length;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    // PyTorch draws a seed for its workers at the start of every epoch, also if there are none.
    generatorOf("DataLoader", this.#generator).randomInt63();
    return this.#batches();
  }

  async *#batches(): AsyncGenerator<Batch, void, undefined> {
    for (const indices of this.batchSampler) {
      await breathe();
      yield await this.#batch(indices);
    }
  }

  async #batch(indices: readonly number[]): Promise<Batch> {
    if (this.#collate === null) {
      const whole = this.#samples.getBatch?.(indices);
      if (whole !== undefined) return whole as Batch;
    }
    const samples = await Promise.all(indices.map((index) => this.#samples.get(index)));
    return this.#collate === null
      ? (defaultCollate(samples) as Batch)
      : await this.#collate(samples);
  }
}
