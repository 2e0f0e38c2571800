/** @file Random numbers, batch orders and splits of a seed against PyTorch. */
import { describe, expect, test } from "vitest";
import { Generator, getRngState, manualSeed, setRngState } from "torchlet";
import { DataLoader, randomSplit } from "torchlet/data";
import { golden } from "./golden/read.js";
import { runCases } from "./golden/run-cases.js";
import { rand, randn } from "./on-device.js";

runCases("random.json");

interface Loader {
  seed: number;
  n: number;
  batchSize: number;
  dropLast: boolean;
  shuffle: boolean;
  length: number;
  epochs: number[][][];
  next: number[];
}
interface Data {
  loaders: Loader[];
  generator: Loader & { generatorSeed: number };
  splits: { seed: number; n: number; lengths: number[]; parts: number[][] }[];
}

const { by, rows } = golden<{ by: string; rows: Data }>("data.json");
const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

async function epoch(loader: DataLoader<number>): Promise<number[][]> {
  const batches: number[][] = [];
  for await (const batch of loader) batches.push(Array.from(await batch.data()));
  return batches;
}

describe(`as ${by}`, () => {
  test.each(rows.loaders)("batches of $n by $batchSize, seed $seed", async (row) => {
    const { seed, n, batchSize, dropLast, shuffle } = row;
    manualSeed(seed);
    const loader = new DataLoader(count(n), { batchSize, dropLast, shuffle });
    expect(loader.length).toBe(row.length);
    for (const expected of row.epochs) expect(await epoch(loader)).toEqual(expected);
    await expect(rand(2)).toBeAllclose(row.next, { rtol: 0, atol: 0 });
  });

  test("a loader with a generator of its own leaves the default one alone", async () => {
    const { seed, generatorSeed, n, batchSize, epochs, next } = rows.generator;
    manualSeed(seed);
    const generator = new Generator().manualSeed(generatorSeed);
    const loader = new DataLoader(count(n), { batchSize, shuffle: true, generator });
    for (const expected of epochs) expect(await epoch(loader)).toEqual(expected);
    await expect(rand(2)).toBeAllclose(next, { rtol: 0, atol: 0 });
  });

  test.each(rows.splits)("randomSplit of $n into $lengths", ({ seed, n, lengths, parts }) => {
    manualSeed(seed);
    const split = randomSplit(count(n), lengths);
    expect(split.map((part) => count(part.length).map((i) => part.get(i)))).toEqual(parts);
  });
});

test("a state goes on where it was, with the spare normal in it", async () => {
  manualSeed(4);
  randn(3);
  const state = getRngState();
  const first = await randn(5).data();
  setRngState(state);
  await expect(randn(5)).toBeAllclose(first, { rtol: 0, atol: 0 });
  const generator = new Generator();
  generator.setState(state);
  await expect(randn(5, { generator })).toBeAllclose(first, { rtol: 0, atol: 0 });
});

test("generators tell their seeds", () => {
  expect(new Generator().manualSeed(7).initialSeed()).toBe(7);
  expect(() => manualSeed(1.5)).toThrow(/manualSeed/);
});
