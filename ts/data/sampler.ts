/** @file The order in which samples are taken. */
import { describe, numbers, withDefaults } from "../check.js";
import { ArgumentError } from "../errors.js";
import { Generator, type GeneratorOptions, randint, randperm, type Tensor } from "../index.js";
import { defaultGenerator, generatorOf } from "../generator.js";

/** Something with a number of samples. */
export interface Sized {
  readonly length: number;
}

/** Numbers of samples (or batches of them), in the order of an epoch. */
export interface Sampler<T = number> extends Iterable<T>, Sized {}

/** Refuse what has no number of samples. */
function sized(operation: string, source: unknown): Sized {
  const { length } = (source ?? {}) as Partial<Sized>;
  if (typeof length === "number" && typeof source === "object") return source as Sized;
  throw new ArgumentError(`${operation}: expected a dataset or a list, got ${describe(source)}`);
}

/** Refuse what does not give numbers of samples (or batches of them) and tell how many. */
export function checkSampler<T>(operation: string, name: string, sampler: unknown): Sampler<T> {
  const { length, [Symbol.iterator]: iterator } = (sampler ?? {}) as Partial<Sampler<T>>;
  if (typeof length === "number" && typeof iterator === "function" && typeof sampler === "object")
    return sampler as Sampler<T>;
  throw new ArgumentError(
    `${operation}: ${name} must be iterable and have a length, got ${describe(sampler)}`,
  );
}

function drawn(tensor: Tensor): number[] {
  const list = Array.from(tensor.dataSync());
  tensor.dispose();
  return list;
}

/** The integers below n in random order. */
export function permutation(n: number, generator: Generator | null): number[] {
  return drawn(randperm(n, { generator }));
}

/** Samples in their own order. */
export class SequentialSampler implements Sampler {
  constructor(readonly dataSource: Sized) {
    sized("SequentialSampler", dataSource);
  }

  get length(): number {
    return this.dataSource.length;
  }

  *[Symbol.iterator](): Generator_<number> {
    for (let i = 0; i < this.length; i++) yield i;
  }
}

/** A JavaScript generator; the plain name is that of random streams here. */
type Generator_<T> = globalThis.Generator<T, void, undefined>;

/** Options of `RandomSampler`. */
export interface RandomSamplerOptions extends GeneratorOptions {
  /** Whether a sample may come again before all have come. Default false. */
  replacement?: boolean;
  /** Number of samples of an epoch. Default: all. */
  numSamples?: number | null;
}

/** Samples in random order. */
export class RandomSampler implements Sampler {
  readonly replacement: boolean;
  readonly length: number;
  readonly #generator: Generator | null;

  constructor(
    readonly dataSource: Sized,
    options?: RandomSamplerOptions,
  ) {
    const given = withDefaults<Required<RandomSamplerOptions>>("RandomSampler", options, {
      replacement: false,
      numSamples: null,
      generator: null,
    });
    this.replacement = given.replacement;
    this.length = given.numSamples ?? sized("RandomSampler", dataSource).length;
    if (!(Number.isInteger(this.length) && this.length > 0)) {
      throw new ArgumentError(
        `RandomSampler: numSamples must be a positive integer, got ${describe(this.length)}`,
      );
    }
    this.#generator = given.generator && generatorOf("RandomSampler", given.generator);
  }

  *[Symbol.iterator](): Generator_<number> {
    const own = this.#generator ? null : new Generator();
    try {
      yield* this.#draw(this.#generator ?? own!.manualSeed(defaultGenerator.randomInt63()));
    } finally {
      own?.dispose();
    }
  }

  *#draw(generator: Generator): Generator_<number> {
    const n = this.dataSource.length;
    if (this.replacement) {
      // In blocks of 32, which is how PyTorch's stream comes out.
      const block = (size: number): number[] => drawn(randint(n, [size], { generator }));
      for (let i = 0; i + 32 <= this.length; i += 32) yield* block(32);
      yield* block(this.length % 32);
      return;
    }
    for (let i = 0; i + n <= this.length; i += n) yield* permutation(n, generator);
    // PyTorch draws this last one also when nothing of it is used; a shared generator notices.
    yield* permutation(n, generator).slice(0, this.length % n);
  }
}

/** Listed samples in random order. */
export class SubsetRandomSampler implements Sampler {
  readonly #generator: Generator | null;

  constructor(
    readonly indices: readonly number[],
    options?: GeneratorOptions,
  ) {
    const given = withDefaults<Required<GeneratorOptions>>("SubsetRandomSampler", options, {
      generator: null,
    });
    numbers("SubsetRandomSampler", "indices", indices);
    this.#generator = given.generator && generatorOf("SubsetRandomSampler", given.generator);
  }

  get length(): number {
    return this.indices.length;
  }

  *[Symbol.iterator](): Generator_<number> {
    for (const i of permutation(this.length, this.#generator)) yield this.indices[i]!;
  }
}

/** Batches of the samples of another sampler. */
export class BatchSampler implements Sampler<number[]> {
  constructor(
    readonly sampler: Sampler,
    readonly batchSize: number,
    readonly dropLast = false,
  ) {
    checkSampler("BatchSampler", "sampler", sampler);
    if (!(Number.isInteger(batchSize) && batchSize > 0)) {
      throw new ArgumentError(
        `BatchSampler: batchSize should be a positive integer value, but got batchSize=${describe(batchSize)}`,
      );
    }
  }

  get length(): number {
    const batches = this.sampler.length / this.batchSize;
    return this.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  *[Symbol.iterator](): Generator_<number[]> {
    let batch: number[] = [];
    for (const index of this.sampler) {
      batch.push(index);
      if (batch.length < this.batchSize) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0 && !this.dropLast) yield batch;
  }
}
