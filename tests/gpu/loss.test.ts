/** @file softmax and cross entropy on the GPU for small and large batches, against the CPU. */
import { describe, expect, test } from "vitest";
import { functional as F, IndexError, tensor } from "torchlet";
import { device } from "../device.js";
import { random, randomLabels, same } from "./both.js";

const REDUCTIONS = ["none", "mean", "sum"] as const;

describe.runIf(device === "webgpu").each([
  [[64, 10], 1],
  [[5000, 10], 1],
  [[70_001, 3], 1],
  [[7, 5003], 1],
  [[301, 129], 0],
  [[17, 129, 33], 1],
])("softmax of %j over %i", (shape, dim) => {
  test.each(["softmax", "logSoftmax"] as const)("%s", async (name) => {
    const x = random(shape, { lo: -5, hi: 5 }).requiresGrad_();
    await same((x) => x[name](dim), [x]);
  });
});

describe.runIf(device === "webgpu").each([
  { name: "a small batch", shape: [64, 10] },
  { name: "an odd batch", shape: [37, 7] },
  { name: "one sample", shape: [10] },
  { name: "a large batch", shape: [5003, 10] },
  { name: "many classes", shape: [33, 5003] },
  { name: "images", shape: [3, 5, 67, 71] },
])("$name", ({ shape }) => {
  const classes = shape.length === 1 ? shape[0]! : shape[1]!;
  const outer = shape.length === 1 ? [] : [shape[0]!, ...shape.slice(2)];
  const logits = random(shape, { lo: -5, hi: 5 }).requiresGrad_();
  const labels = randomLabels(outer, classes);
  const weight = random([classes], { seed: 4 });

  test.each(REDUCTIONS)("cross entropy, %s", async (reduction) => {
    await same((x, t) => F.crossEntropy(x, t, { reduction }), [logits, labels]);
    await same(
      (x, t, weight) =>
        F.crossEntropy(x, t, { reduction, weight, ignoreIndex: 2, labelSmoothing: 0.1 }),
      [logits, labels, weight],
    );
    await same(
      (x, t) => F.crossEntropy(x, t, { reduction, labelSmoothing: 0.3 }),
      [logits, labels],
    );
    await same(
      (x, t, weight) => F.crossEntropy(x, t, { reduction, weight }),
      [logits, labels, weight],
    );
  });

  test.each(REDUCTIONS)("cross entropy of probabilities, %s", async (reduction) => {
    const target = random(shape, { seed: 6, lo: 0, hi: 0.2 });
    await same(
      (x, t, weight) => F.crossEntropy(x, t, { reduction, weight, labelSmoothing: 0.1 }),
      [logits, target, weight],
    );
  });

  test.each(REDUCTIONS)("nll loss, %s", async (reduction) => {
    await same((x, t) => F.nllLoss(x, t, { reduction }), [logits, labels]);
    await same(
      (x, t, weight) => F.nllLoss(x, t, { reduction, weight, ignoreIndex: 1 }),
      [logits, labels, weight],
    );
  });
});

describe.runIf(device === "webgpu")("labels", () => {
  const x = random([3, 4], { lo: -1, hi: 1 });

  test("nothing that counts", async () => {
    const ignored = tensor(Int32Array.of(-100, -100, -100));
    for (const reduction of REDUCTIONS) {
      await same(
        (x, t) => F.crossEntropy(x, t, { reduction }),
        [x.detach().requiresGrad_(), ignored],
      );
      const nothing = [random([0, 4]).requiresGrad_(), tensor(new Int32Array(0))];
      await same((x, t) => F.crossEntropy(x, t, { reduction }), nothing);
    }
  });

  test("a sample of NaN that is ignored", async () => {
    const x = tensor([NaN, 1, 0, 0, Infinity, 2], { shape: [3, 2] }).requiresGrad_();
    const labels = tensor(Int32Array.of(-100, 1, -100));
    await same((x, t) => F.crossEntropy(x, t), [x, labels]);
  });

  test("that are out of range are refused where they were uploaded", () => {
    for (const wrong of [4, -1]) {
      const labels = tensor(Int32Array.of(0, wrong, 2)).to("webgpu");
      const message = `label ${wrong} is out of range for 4 classes (expected 0 to 3)`;
      expect(() => F.crossEntropy(x.to("webgpu"), labels)).toThrow(message);
      expect(() => F.nllLoss(x.to("webgpu"), labels)).toThrow(IndexError);
    }
  });

  test("that are out of range give NaN where they were computed", async () => {
    const logits = x.to("webgpu").requiresGrad_();
    const labels = tensor(Int32Array.of(0, 3, 2))
      .to("webgpu")
      .add(1);
    const losses = F.crossEntropy(logits, labels, { reduction: "none" });
    losses.sum().backward();
    expect(Array.from(await losses.data(), Number.isNaN)).toEqual([false, true, false]);
    const nan = Array.from(await logits.grad!.data(), Number.isNaN);
    expect(nan).toEqual([0, 1, 0].flatMap((sample) => Array<boolean>(4).fill(sample === 1)));
  });
});
