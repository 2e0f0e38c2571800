/** @file Reductions on the GPU where shapes ask for every way of sharing the work, against the CPU. */
import { describe, test } from "vitest";
import { arange, type Tensor, tensor } from "torchlet";
import { device } from "../device.js";
import { type Program, random, same } from "./both.js";

interface Shaped {
  shape: number[];
  dim?: number | number[];
}

/** By what each of them asks for. */
const SHAPES: Record<string, Shaped> = {
  "two passes to a scalar": { shape: [1_000_003] },
  "two passes, few results": { shape: [3, 70_001], dim: 1 },
  "two passes over rows": { shape: [50_001, 10], dim: 0 },
  "two passes over dimensions apart": { shape: [64, 6, 28, 28], dim: [0, 2, 3] },
  "two passes, one column": { shape: [20_000, 1, 1], dim: 0 },
  "a workgroup a result": { shape: [7, 5003], dim: 1 },
  "some threads a result": { shape: [301, 100], dim: 1 },
  "a thread a result": { shape: [70_001, 3], dim: 1 },
  "a thread a result over rows": { shape: [3, 70_001], dim: 0 },
  "threads over rows": { shape: [301, 129], dim: 0 },
  "the middle": { shape: [17, 129, 33], dim: 1 },
  "around the middle": { shape: [33, 17, 129], dim: [0, 2] },
  "every second of four": { shape: [9, 10, 11, 12], dim: [1, 3] },
  "one element": { shape: [1, 1], dim: 1 },
};

type Reduce = (x: Tensor, shaped: Shaped) => Tensor | readonly Tensor[];

const over = ({ dim }: Shaped): { dim?: number | number[] } => (dim === undefined ? {} : { dim });

const FLOATS: Record<string, Reduce> = {
  sum: (x, s) => x.sum(over(s)),
  mean: (x, s) => x.mean({ ...over(s), keepdim: true }),
  amax: (x, s) => x.amax(over(s)),
  amin: (x, s) => x.amin(over(s)),
  var: (x, s) => x.var(over(s)),
  std: (x, s) => x.std({ ...over(s), correction: 0 }),
  logsumexp: (x, s) => x.logsumexp({ dim: [0], ...over(s) }),
  "norm 1": (x, s) => x.norm({ p: 1, ...over(s) }),
  "norm 2": (x, s) => x.norm(over(s)),
  "norm 3": (x, s) => x.norm({ p: 3, ...over(s) }),
  "norm infinity": (x, s) => x.norm({ p: Infinity, ...over(s) }),
};

/** What chooses one element, along one dimension or over all. */
const CHOICES: Record<string, Reduce> = {
  argmax: (x, { dim }) => (typeof dim === "number" ? x.argmax(dim) : x.argmax()),
  argmin: (x, { dim }) => (typeof dim === "number" ? x.argmin(dim) : x.argmin()),
  max: (x, { dim }) => (typeof dim === "number" ? x.max({ dim }) : x.max()),
  min: (x, { dim }) => (typeof dim === "number" ? x.min({ dim }) : x.min()),
};

const shapes = Object.entries(SHAPES).map(([name, shaped]) => ({ name, shaped }));
const bound =
  (reduce: Reduce, shaped: Shaped): Program =>
  (x) =>
    reduce(x, shaped);

describe.runIf(device === "webgpu").each(shapes)("$name", ({ shaped }) => {
  test.each(Object.keys(FLOATS))("%s", async (name) => {
    const x = random(shaped.shape);
    // Neighbours that are apart: the deviation of nearly equal numbers is all rounding.
    const steps = arange(x.numel()).remainder(3).reshape(shaped.shape);
    await same(bound(FLOATS[name]!, shaped), [x.add(steps).requiresGrad_()]);
  });

  test.each(Object.keys(CHOICES))("%s", async (name) => {
    // With many elements that are equal.
    const x = random(shaped.shape, { lo: 0, hi: 50 }).floor();
    await same(bound(CHOICES[name]!, shaped), [x.detach().requiresGrad_()]);
  });

  test("integers and booleans", async () => {
    const x = random(shaped.shape, { lo: -1000, hi: 1000 }).to("int32");
    const dim = over(shaped);
    const reduce: Program = (x) => [x.sum(dim), x.amax(dim), x.amin(dim), x.any(dim), x.all(dim)];
    await same(reduce, [x]);
    await same(reduce, [x.gt(999).to("bool")]);
    await same(reduce, [x.gt(-1000).to("bool")]);
  });

  test("product", async () => {
    const x = random(shaped.shape, { lo: 0.99, hi: 1.01 });
    await same((x) => x.prod(over(shaped)), [x.requiresGrad_()], { rtol: 1e-3, atol: 1e-6 });
  });
});

describe.runIf(device === "webgpu")("lines", () => {
  test.each([
    [[100_003], 0],
    [[70_001, 3], 1],
    [[3, 70_001], 0],
    [[301, 129], 0],
    [[301, 129], 1],
    [[17, 129, 33], 1],
  ])("cumsum of %j over %i", async (shape, dim) => {
    await same((x) => x.cumsum(dim), [random(shape).requiresGrad_()]);
    await same((x) => x.cumsum(dim), [random(shape, { lo: -9, hi: 9 }).to("int32")]);
  });

  test.each([
    [[5003], 0],
    [[301, 129], 0],
    [[301, 129], 1],
  ])("gradients of a product with zeros in %j", async (shape, dim) => {
    const x = random(shape, { lo: 0.9, hi: 1.1 });
    const zeros = random(shape, { seed: 3, lo: 0, hi: 1 })
      .gt(2 / shape[dim]!)
      .to("float32");
    await same((x) => x.prod({ dim }), [x.mul(zeros).requiresGrad_()], { rtol: 1e-3, atol: 1e-6 });
  });
});

describe.runIf(device === "webgpu")("what is special", () => {
  test("nothing to reduce", async () => {
    for (const x of [random([0, 5]), random([5, 0])]) {
      await same((x) => [x.sum(), x.mean(), x.prod(), x.any(), x.all(), x.norm()], [x]);
      await same((x) => [x.sum({ dim: 0 }), x.var({ dim: 0 }), x.prod({ dim: 0 })], [x]);
      await same((x) => [x.logsumexp({ dim: 0 }), x.cumsum(0), x.softmax(0)], [x]);
      await same((x) => [x.logsumexp({ dim: 1 }), x.cumsum(1), x.logSoftmax(1)], [x]);
    }
    await same((x) => x.var(), [random([1])]);
  });

  const SPECIAL = [NaN, Infinity, -Infinity, 0, -0];

  test.each([
    [7, 1],
    [3000, 1],
    [40_000, 1],
    [3000, 3],
  ])("NaN and infinity among %i elements of %i lines", async (n, lines) => {
    for (const value of SPECIAL) {
      for (const at of [0, n >> 1, n - 1]) {
        const data = await random([n, lines], { lo: -1, hi: 1 }).data();
        data[at * lines] = value;
        const x = tensor(data, { shape: [n, lines] });
        await same(
          (x) => {
            const dim = 0;
            const extremes = [x.amax({ dim }), x.amin({ dim }), x.argmax(dim), x.argmin(dim)];
            const sums = [x.sum({ dim }), x.logsumexp({ dim }), x.var({ dim }), x.norm({ dim })];
            const truths = [x.any({ dim }), x.all({ dim }), x.norm({ dim, p: Infinity })];
            return [...extremes, ...sums, ...truths, ...x.max({ dim }), ...x.min({ dim })];
          },
          [x],
          // Sums of both signs.
          { rtol: 2e-5, atol: 1e-4 },
        );
      }
    }
  });

  test("all infinite, all NaN", async () => {
    for (const value of SPECIAL) {
      const x = tensor(new Float32Array(600).fill(value), { shape: [2, 300] });
      await same((x) => [x.amax({ dim: 1 }), x.amin({ dim: 1 }), ...x.max({ dim: 1 })], [x]);
      await same((x) => [x.logsumexp({ dim: 1 }), x.softmax(1), x.logSoftmax(1)], [x]);
    }
  });

  test("integers at both ends", async () => {
    const x = tensor(Int32Array.of(5, 2 ** 31 - 1, -(2 ** 31), 7), { shape: [2, 2] });
    await same((x) => [x.amax(), x.amin(), x.argmax(), x.argmin(), x.sum()], [x]);
  });

  test("what follows a reduction becomes part of it", async () => {
    const x = random([301, 200]).requiresGrad_();
    // Whole numbers, whose sums are exact: relu passes about half of them.
    const whole = random([301, 200], { lo: 0, hi: 9 }).floor().requiresGrad_();
    await same((x) => x.sum({ dim: 1 }).sub(800).relu(), [whole]);
    await same((x) => x.sum().sub(5).relu(), [whole]);
    await same((x) => x.softmax(1).relu().exp(), [x]);
  });
});
