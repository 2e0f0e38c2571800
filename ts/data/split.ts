/** @file Random parts of a dataset. */
import { describe, numbers, withDefaults } from "../check.js";
import { ArgumentError } from "../errors.js";
import type { GeneratorOptions } from "../index.js";
import { asDataset, type DatasetLike, Subset } from "./dataset.js";
import { permutation } from "./sampler.js";

/** How many samples each fraction means; what rounding leaves goes to the first parts, one each. */
function fromFractions(fractions: readonly number[], total: number): number[] {
  fractions.forEach((fraction, i) => {
    if (fraction >= 0 && fraction <= 1) return;
    throw new ArgumentError(`randomSplit: Fraction at index ${i} is not between 0 and 1`);
  });
  const lengths = fractions.map((fraction) => Math.floor(total * fraction));
  const rest = total - lengths.reduce((a, b) => a + b, 0);
  for (let i = 0; i < rest; i++) lengths[i % lengths.length]!++;
  return lengths;
}

/**
 * Split a dataset at random into parts of the given lengths, or of the given fractions of it.
 *
 * `randomSplit(dataset, [50000, 10000])`, `randomSplit(dataset, [0.8, 0.2])`
 */
export function randomSplit<T>(
  dataset: DatasetLike<T>,
  lengths: readonly number[],
  options?: GeneratorOptions,
): Subset<T>[] {
  const { generator } = withDefaults<Required<GeneratorOptions>>("randomSplit", options, {
    generator: null,
  });
  const { length } = asDataset("randomSplit", dataset);
  const sum = numbers("randomSplit", "lengths", lengths).reduce((a, b) => a + b, 0);
  const areFractions = sum <= 1 && 1 - sum <= 1e-9;
  const counts = areFractions ? fromFractions(lengths, length) : lengths;
  const total = counts.reduce((a, b) => a + b, 0);
  if (total !== length || !counts.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new ArgumentError(
      `randomSplit: lengths ${describe([...lengths])} do not add up to the ${length} samples of the dataset`,
    );
  }
  const order = permutation(total, generator);
  let start = 0;
  return counts.map((count) => new Subset(dataset, order.slice(start, (start += count))));
}
