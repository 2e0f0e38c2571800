/** @file Datasets, samplers and loaders: orders as PyTorch's, batches, and what goes wrong in them. */
import { describe, expect, test } from "vitest";
import {
  ArgumentError,
  Generator,
  IndexError,
  manualSeed,
  memoryStats,
  rand,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from "torchlet";
import {
  BatchSampler,
  DataLoader,
  type DataLoaderOptions,
  Dataset,
  type DatasetLike,
  defaultCollate,
  RandomSampler,
  randomSplit,
  SequentialSampler,
  Subset,
  SubsetRandomSampler,
  TensorDataset,
} from "torchlet/data";
import { golden } from "./golden/read.js";

const EXACT = { rtol: 0, atol: 0 };
const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

interface SamplerRow {
  sampler: "RandomSampler" | "SubsetRandomSampler";
  arguments: { n?: number; indices?: number[]; numSamples?: number; replacement?: boolean };
  length: number;
  epochs: number[][];
  next: number[];
  generatorSeed?: number;
  generatorNext?: number[];
}
interface LoaderRow {
  kind: "sampler" | "batchSampler";
  length: number;
  epochs: number[][][];
  next: number[];
}

const { by, rows } = golden<{
  by: string;
  rows: { samplers: SamplerRow[]; samplerLoaders: LoaderRow[] };
}>("data.json");

async function epoch(loader: DataLoader<number>): Promise<number[][]> {
  const batches: number[][] = [];
  for await (const batch of loader) batches.push(Array.from(await batch.data()));
  return batches;
}

describe(`as ${by}`, () => {
  test.each(rows.samplers)("$sampler of $arguments", async (row) => {
    const { n, indices, ...options } = row.arguments;
    const seed = row.generatorSeed;
    const generator = seed === undefined ? null : new Generator().manualSeed(seed);
    manualSeed(8);
    const sampler =
      row.sampler === "RandomSampler"
        ? new RandomSampler(count(n!), { ...options, generator })
        : new SubsetRandomSampler(indices!, { generator });
    expect(sampler.length).toBe(row.length);
    for (const expected of row.epochs) expect([...sampler]).toEqual(expected);
    await expect(rand(2)).toBeAllclose(row.next, EXACT);
    if (generator) await expect(rand(2, { generator })).toBeAllclose(row.generatorNext!, EXACT);
  });

  test.each(rows.samplerLoaders)("a loader with a $kind", async (row) => {
    manualSeed(21);
    const options: DataLoaderOptions<number, Tensor> =
      row.kind === "sampler"
        ? { batchSize: 2, sampler: new SubsetRandomSampler([2, 3, 5, 7, 11]), dropLast: true }
        : { batchSampler: new BatchSampler(new SequentialSampler(count(8)), 3) };
    const loader = new DataLoader<number>(count(12), options);
    expect(loader.length).toBe(row.length);
    for (const expected of row.epochs) expect(await epoch(loader)).toEqual(expected);
    await expect(rand(2)).toBeAllclose(row.next, EXACT);
  });
});

describe("batches", () => {
  test("numbers are int32 if all are integers, else float32; booleans are bool", async () => {
    const [ints, floats, bools] = [
      defaultCollate([1, -2]),
      defaultCollate([1, 2.5]),
      defaultCollate([true, false]),
    ];
    await expect(ints).toBeAllclose({ shape: [2], dtype: "int32", values: [1, -2] });
    await expect(floats).toBeAllclose({ shape: [2], values: [1, 2.5] });
    await expect(bools).toBeAllclose({ shape: [2], dtype: "bool", values: [1, 0] });
  });

  test("tensors and typed arrays are stacked", async () => {
    const stacked = defaultCollate([tensor([[1, 2]]), tensor([[3, 4]])]);
    await expect(stacked).toBeAllclose({ shape: [2, 1, 2], values: [1, 2, 3, 4] });
    const arrays = defaultCollate([Float32Array.of(1, 2), Float32Array.of(3, 4)]);
    await expect(arrays).toBeAllclose({ shape: [2, 2], values: [1, 2, 3, 4] });
    const scalars = defaultCollate([tensor(1), tensor(2)]);
    await expect(scalars).toBeAllclose({ shape: [2], values: [1, 2] });
  });

  test("lists and objects are joined part by part, strings listed", async () => {
    const batch = defaultCollate([
      { image: tensor([1, 2]), target: { boxes: [1, 0.5], name: "cat" } },
      { image: tensor([3, 4]), target: { boxes: [2, 1.5], name: "dog" } },
    ]);
    await expect(batch.image).toBeAllclose({ shape: [2, 2], values: [1, 2, 3, 4] });
    expect(batch.target.name).toEqual(["cat", "dog"]);
    const [ids, sizes] = batch.target.boxes;
    await expect(ids!).toBeAllclose({ shape: [2], dtype: "int32", values: [1, 2] });
    await expect(sizes!).toBeAllclose({ shape: [2], values: [0.5, 1.5] });
  });

  test.each<[string, readonly unknown[], RegExp]>([
    ["shapes that differ", [zeros(2), zeros(3)], /^stack: .*\[2\].*\[3\]/],
    ["lists of other lengths", [[1, 2], [1]], /equal size/],
    ["kinds that differ", [1, "2"], /found 1/],
    ["what no tensor is made of", [new Date(), new Date()], /a Date/],
    ["null", [null], /null/],
    ["keys that differ", [{ a: 1, b: 2 }, { a: 1 }], /b/],
    ["integers beyond int32", [2 ** 31, 1], /2147483648/],
  ])("%s are refused", (_, samples, message) => {
    expect(() => defaultCollate(samples)).toThrow(message);
    expect(() => defaultCollate(samples)).toThrow(
      expect.objectContaining({ name: expect.stringMatching(/^(Argument|Shape)Error$/) as string }),
    );
  });

  test("no samples are refused", () => {
    expect(() => defaultCollate([])).toThrow(ArgumentError);
  });

  test("collateFn gets the samples, and its promise is awaited", async () => {
    const collateFn = (samples: number[]): Promise<string> => Promise.resolve(samples.join("+"));
    const loader = new DataLoader(count(5), { batchSize: 2, collateFn });
    const batches: string[] = [];
    for await (const batch of loader) batches.push(batch);
    expect(batches).toEqual(["0+1", "2+3", "4"]);
  });

  test("samples that come later keep their order", async () => {
    const slow = {
      length: 4,
      get: (i: number) => new Promise<number>((done) => setTimeout(() => done(i), 8 - 2 * i)),
    };
    expect(await epoch(new DataLoader(slow, { batchSize: 4 }))).toEqual([[0, 1, 2, 3]]);
  });
});

describe("loaders", () => {
  test.each([
    [10, 4, false, 3],
    [10, 4, true, 2],
    [8, 4, true, 2],
    [3, 4, true, 0],
    [3, 4, false, 1],
    [0, 4, false, 0],
  ])("%i samples by %i, dropLast %s: %i batches", async (n, batchSize, dropLast, length) => {
    const loader = new DataLoader(count(n), { batchSize, dropLast });
    expect(loader.length).toBe(length);
    const batches = await epoch(loader);
    expect(batches).toHaveLength(length);
    expect(batches.flat()).toEqual(count(dropLast ? length * batchSize : n));
  });

  test("a loop that is left early starts anew, in a new order", async () => {
    manualSeed(0);
    const loader = new DataLoader(count(100), { batchSize: 10, shuffle: true });
    const firsts: number[][] = [];
    for (let i = 0; i < 2; i++) {
      for await (const batch of loader) {
        firsts.push(Array.from(await batch.data()));
        break;
      }
    }
    expect(firsts[0]).not.toEqual(firsts[1]);
    expect((await epoch(loader)).flat().sort((a, b) => a - b)).toEqual(count(100));
  });

  test("two loops over one loader do not disturb each other", async () => {
    const loader = new DataLoader(count(4), { batchSize: 2 });
    const [a, b] = [loader[Symbol.asyncIterator](), loader[Symbol.asyncIterator]()];
    const read = async (it: typeof a): Promise<number[]> =>
      Array.from(await ((await it.next()).value as Tensor).data());
    expect(await read(a)).toEqual([0, 1]);
    expect(await read(b)).toEqual([0, 1]);
    expect(await read(a)).toEqual([2, 3]);
    expect((await a.next()).done).toBe(true);
    expect(await read(b)).toEqual([2, 3]);
  });

  test.each<[string, (i: number) => unknown]>([
    ["throws", (i) => { if (i === 3) throw new RangeError("sample 3 is broken"); return i; }], // prettier-ignore
    [
      "rejects",
      (i) => (i === 3 ? Promise.reject(new RangeError("sample 3 is broken")) : Promise.resolve(i)),
    ],
  ])("a dataset that %s ends the loop with its own error", async (_, get) => {
    const loader = new DataLoader({ length: 6, get } as DatasetLike<number>, { batchSize: 2 });
    const seen: number[][] = [];
    const loop = async (): Promise<void> => {
      for await (const batch of loader) seen.push(Array.from(await batch.data()));
    };
    await expect(loop()).rejects.toThrow(new RangeError("sample 3 is broken"));
    expect(seen).toEqual([[0, 1]]);
  });

  test("a sampler's index that is not there is named", async () => {
    const loader = new DataLoader(count(3), { sampler: [0, 7] });
    await expect(epoch(loader)).rejects.toThrow(IndexError);
    await expect(epoch(loader)).rejects.toThrow(/7.*3 samples/);
  });

  test.each<[string, unknown, object | undefined, RegExp]>([
    ["no dataset", undefined, {}, /Dataset.*undefined/],
    ["a number", 3, {}, /Dataset.*3/],
    ["batchSize 0", [1], { batchSize: 0 }, /batchSize=0/],
    ["batchSize 1.5", [1], { batchSize: 1.5 }, /batchSize=1.5/],
    ["batchSize as text", [1], { batchSize: "4" }, /batchSize/],
    ["an unknown option", [1], { batch_size: 4 }, /batch_size/],
    ["sampler and shuffle", [1], { sampler: [0], shuffle: true }, /exclusive with shuffle/],
    ["batchSampler and batchSize", [1], { batchSampler: [[0]], batchSize: 2 }, /exclusive/],
    ["shuffle of nothing", [], { shuffle: true }, /numSamples.*0/],
    ["a generator that is none", [1], { shuffle: true, generator: 3 }, /generator/],
    ["a sampler that is none", [1], { sampler: 3 }, /sampler/],
    ["a batchSampler that is none", [1], { batchSampler: 3 }, /batchSampler/],
    ["a collateFn that is none", [1], { collateFn: 3 }, /collateFn/],
  ])("%s is refused", (_, dataset, options, message) => {
    const make = (): unknown => new DataLoader(dataset as number[], options);
    expect(make).toThrow(ArgumentError);
    expect(make).toThrow(message);
  });
});

describe("samplers", () => {
  test("a sequence, and its batches", () => {
    const sampler = new SequentialSampler(count(5));
    expect([...sampler]).toEqual(count(5));
    const [all, full] = [new BatchSampler(sampler, 2), new BatchSampler(sampler, 2, true)];
    expect([all.length, ...all]).toEqual([3, [0, 1], [2, 3], [4]]);
    expect([full.length, ...full]).toEqual([2, [0, 1], [2, 3]]);
  });

  test.each<[string, () => unknown]>([
    ["RandomSampler", () => new RandomSampler([1, 2], { numSamples: 0 })],
    ["RandomSampler", () => new RandomSampler([1, 2], { numSamples: 1.5 })],
    ["RandomSampler", () => new RandomSampler([1, 2], { generator: 3 as never })],
    ["RandomSampler", () => new RandomSampler(3 as never)],
    ["SequentialSampler", () => new SequentialSampler(null as never)],
    ["SubsetRandomSampler", () => new SubsetRandomSampler(3 as never)],
    ["BatchSampler", () => new BatchSampler([1, 2], 0)],
    ["BatchSampler", () => new BatchSampler(3 as never, 2)],
  ])("%s refuses what is wrong", (name, make) => {
    expect(make).toThrow(ArgumentError);
    expect(make).toThrow(new RegExp(`^${name}: `));
  });
});

describe("datasets", () => {
  const xs = tensor([[1, 2], [3, 4], [5, 6]]); // prettier-ignore
  const ys = tensor(Int32Array.of(7, 8, 9));

  test("TensorDataset gives slices, one by one and in batches", async () => {
    const data = new TensorDataset(xs, ys);
    expect(data.length).toBe(3);
    const [x, y] = data.get(1);
    await expect(x).toBeAllclose({ shape: [2], values: [3, 4] });
    await expect(y).toBeAllclose({ shape: [], dtype: "int32", values: [8] });
    await expect(data.get(-1)[1]).toBeAllclose([9]);
    for await (const [images, labels] of new DataLoader(data, { batchSize: 2 })) {
      await expect(images).toBeAllclose({ shape: [2, 2], values: [1, 2, 3, 4] });
      await expect(labels).toBeAllclose({ shape: [2], dtype: "int32", values: [7, 8] });
      break;
    }
  });

  test("a batch is a copy, a sample is a view", async () => {
    const data = new TensorDataset(xs.clone());
    const [batch] = data.getBatch([0, 1]);
    data.get(0)[0].zero_();
    await expect(data.tensors[0]).toBeAllclose([0, 0, 3, 4, 5, 6]);
    await expect(batch).toBeAllclose([1, 2, 3, 4]);
  });

  test("Subset goes through the indices, also those of another subset", async () => {
    const data = new TensorDataset(xs, ys);
    const inner = new Subset(data, [2, 0]);
    const outer = new Subset(inner, [1, 0, 1]);
    expect([inner.length, outer.length]).toEqual([2, 3]);
    const labels = await Promise.all(count(3).map(async (i) => (await outer.get(i))[1].item()));
    expect(labels).toEqual([7, 9, 7]);
    await expect(outer.getBatch([0, 1])![1]).toBeAllclose([7, 9]);
    expect(new Subset(["a", "b"], [1]).get(0)).toBe("b");
  });

  test.each<[string, () => unknown, new (message: string) => Error]>([
    ["TensorDataset", () => new TensorDataset(), ArgumentError],
    ["TensorDataset", () => new TensorDataset([1, 2] as never), ArgumentError],
    ["TensorDataset", () => new TensorDataset(zeros(3), zeros(4)), ShapeError],
    ["TensorDataset", () => new TensorDataset(tensor(1)), ShapeError],
    ["TensorDataset", () => new TensorDataset(xs).get(3), IndexError],
    ["TensorDataset", () => new TensorDataset(xs).get(-4), IndexError],
    ["TensorDataset", () => new TensorDataset(xs).get(0.5), IndexError],
    ["TensorDataset", () => new TensorDataset(xs).getBatch([0, 3]), IndexError],
    ["Subset", () => new Subset(3 as never, [0]), ArgumentError],
    ["Subset", () => new Subset([1, 2], 3 as never), ArgumentError],
    ["Subset", () => new Subset([1, 2], [0]).get(1), IndexError],
    ["Dataset", () => new Subset([1, 2], [5]).get(0), IndexError],
    ["randomSplit", () => randomSplit([1, 2, 3], [1, 1]), ArgumentError],
    ["randomSplit", () => randomSplit([1, 2, 3], [4, -1]), ArgumentError],
    ["randomSplit", () => randomSplit([1, 2, 3], [1.5, 1.5]), ArgumentError],
    ["randomSplit", () => randomSplit([1, 2, 3], 3 as never), ArgumentError],
  ])("%s refuses what is wrong", (name, make, type) => {
    expect(make).toThrow(type);
    expect(make).toThrow(new RegExp(`^${name}: `));
  });

  test("randomSplit with a generator leaves the default one alone", async () => {
    manualSeed(3);
    const expected = await rand(2).data();
    manualSeed(3);
    const split = (): unknown[] => {
      const generator = new Generator().manualSeed(1);
      return randomSplit(count(9), [4, 5], { generator }).map((part) => part.indices);
    };
    expect(split()).toEqual(split());
    await expect(rand(2)).toBeAllclose(expected, EXACT);
  });

  test("a dataset of one's own", async () => {
    class Squares extends Dataset<[number, boolean]> {
      override readonly length = 5;
      get(i: number): [number, boolean] {
        return [i * i, i % 2 === 0];
      }
    }
    const [squares, even] = (
      await new DataLoader(new Squares(), { batchSize: 5 })[Symbol.asyncIterator]().next()
    ).value!;
    await expect(squares).toBeAllclose({ shape: [5], dtype: "int32", values: [0, 1, 4, 9, 16] });
    await expect(even).toBeAllclose({ shape: [5], dtype: "bool", values: [1, 0, 1, 0, 1] });
  });

  test("a loop over tensors leaves no tensor of its own behind", async () => {
    const loader = new DataLoader(new TensorDataset(xs, ys), { batchSize: 1, shuffle: true });
    const before = memoryStats().tensors;
    for await (const batch of loader) for (const part of batch) part.dispose();
    expect(memoryStats().tensors).toBe(before);
  });
});
