/** @file Random numbers: PyTorch's generator and its seeds. */
import { describe, withDefaults } from "./check.js";
import { ArgumentError } from "./errors.js";
import { raw } from "./raw.js";

const registry = new FinalizationRegistry<number>((id) => raw.freeGenerator(id));

/** The id of the generator that serves whoever names none. */
const DEFAULT_ID = 0;

/**
 * A stream of random numbers, the same as that of a CPU generator of PyTorch with the same seed.
 */
export class Generator {
  readonly #id: number;

  /** Make a generator with PyTorch's default seed. */
  constructor();
  /** Wrap the generator of the core with this id. */
  constructor(id: number);
  constructor(id?: number) {
    this.#id = id ?? raw.newGenerator();
    if (id === undefined) registry.register(this, this.#id, this);
  }

  /** Give the memory of the stream back now instead of when the garbage collector comes. */
  dispose(): void {
    if (registry.unregister(this)) raw.freeGenerator(this.#id);
  }

  /** The number by which the core knows this generator. */
  get id(): number {
    return this.#id;
  }

  /** Start the stream of a seed. */
  manualSeed(seed: number | bigint): this {
    if (typeof seed !== "bigint" && !Number.isSafeInteger(seed)) {
      throw new ArgumentError(`manualSeed: seed must be an integer, got ${describe(seed)}`);
    }
    // The generator takes the lower 32 bits of a seed; a negative one counts from the top, as in PyTorch.
    raw.seed(this.#id, Number(BigInt.asUintN(32, BigInt(seed))));
    return this;
  }

  /** The seed with which the stream was started, modulo 2^32. */
  initialSeed(): number {
    return raw.initialSeed(this.#id);
  }

  /** The state of the stream, for `setState`. */
  getState(): Uint8Array {
    return raw.getState(this.#id);
  }

  /** Go on where the stream was at `getState`. */
  setState(state: Uint8Array): this {
    if (!(state instanceof Uint8Array)) {
      throw new ArgumentError(`setState: expected the bytes of getState, got ${describe(state)}`);
    }
    raw.setState(this.#id, state);
    return this;
  }

  /** Draw an integer of 63 bits. */
  randomInt63(): bigint {
    return raw.randInt63(this.#id);
  }
}

/** The generator that serves whoever names none. */
export const defaultGenerator = new Generator(DEFAULT_ID);

/**
 * Seed the default generator.
 *
 * A PyTorch program with the same seed then draws the same initial weights, batches and dropout masks.
 */
export function manualSeed(seed: number | bigint): Generator {
  return defaultGenerator.manualSeed(seed);
}

/** The seed with which the default generator was started, modulo 2^32. */
export function initialSeed(): number {
  return defaultGenerator.initialSeed();
}

/** The state of the default generator. */
export function getRngState(): Uint8Array {
  return defaultGenerator.getState();
}

/** Bring the default generator to a state that `getRngState` gave. */
export function setRngState(state: Uint8Array): void {
  defaultGenerator.setState(state);
}

/** Options of what draws random numbers. */
export interface GeneratorOptions {
  /** The generator to draw from. Default: the one that `manualSeed` seeds. */
  generator?: Generator | null;
}

/** The generator that options name. */
export function generatorOf(operation: string, generator: Generator | null | undefined): Generator {
  if (generator === null || generator === undefined) return defaultGenerator;
  if (generator instanceof Generator) return generator;
  throw new ArgumentError(
    `${operation}: generator must be a Generator, got ${describe(generator)}`,
  );
}

/** The core's number of the generator that options name. */
export function generatorId(operation: string, options: GeneratorOptions | undefined): number {
  const filled = withDefaults<Required<GeneratorOptions>>(operation, options, { generator: null });
  return generatorOf(operation, filled.generator).id;
}
