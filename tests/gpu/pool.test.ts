/** @file Pools on the GPU over every kind of window, against the CPU. */
import { describe, test } from "vitest";
import { functional as F, tensor } from "torchlet";
import { device } from "../device.js";
import { type Program, random, same } from "./both.js";

const max = (options: F.MaxPool2dOptions & { kernel: number | [number, number] }): Program => {
  const { kernel, ...rest } = options;
  return (x) => F.maxPool2d(x, kernel, { ...rest, returnIndices: true });
};
const avg = (options: F.AvgPool2dOptions & { kernel: number | [number, number] }): Program => {
  const { kernel, ...rest } = options;
  return (x) => F.avgPool2d(x, kernel, rest);
};

describe
  .runIf(device === "webgpu")
  .each([
    { shape: [16, 6, 28, 28] },
    { shape: [3, 37, 41] },
    { shape: [2, 3, 13, 300] },
    { shape: [0, 3, 13, 9] },
  ])("pools of $shape", ({ shape }) => {
  // Few different values: most windows have several that are the largest.
  const few = random(shape, { lo: -3, hi: 3 }).floor();
  const x = random(shape, { lo: -3, hi: 3 }).requiresGrad_();

  test.each([
    { kernel: 2 },
    { kernel: 3, stride: 2, padding: 1 },
    { kernel: 3, stride: 1, padding: 1 },
    { kernel: 2, stride: 3 },
    { kernel: [5, 2] as [number, number], stride: [1, 4] as [number, number], ceilMode: true },
    { kernel: 3, stride: 2, padding: 2, dilation: 2, ceilMode: true },
    { kernel: [13, 9] as [number, number], stride: 1 },
  ])("max, $kernel, stride $stride, padding $padding, dilation $dilation", async (options) => {
    await same(max(options), [few.detach().requiresGrad_()]);
    await same(max(options), [x]);
  });

  test.each([
    { kernel: 2 },
    { kernel: 3, stride: 2, padding: 1 },
    { kernel: 3, stride: 2, padding: 1, ceilMode: true },
    { kernel: 3, stride: 2, padding: 1, ceilMode: true, countIncludePad: false },
    { kernel: 2, stride: 3, divisorOverride: 3 },
    { kernel: [13, 9] as [number, number], stride: [1, 2] as [number, number] },
  ])("avg, $kernel, stride $stride, padding $padding", async (options) => {
    await same(avg(options), [x]);
  });
});

describe.runIf(device === "webgpu")("windows", () => {
  test("of NaN and infinity", async () => {
    const data = await random([4, 12, 12], { lo: -1, hi: 1 }).data();
    [NaN, -Infinity, Infinity, NaN, NaN].forEach((value, i) => (data[17 * i + 3] = value));
    const x = tensor(data, { shape: [4, 12, 12] });
    const low = tensor(new Float32Array(36).fill(-Infinity), { shape: [1, 6, 6] });
    for (const input of [x, low]) {
      await same(max({ kernel: 2 }), [input.detach().requiresGrad_()]);
      await same(max({ kernel: 3, stride: 1, padding: 1 }), [input.detach().requiresGrad_()]);
      await same(avg({ kernel: 3, stride: 1, padding: 1 }), [input.detach().requiresGrad_()]);
    }
  });

  test("that are far larger than the input", async () => {
    const x = random([1, 4, 4]).requiresGrad_();
    const options = { kernel: 1_000_000_000, stride: 1_000_000_000, padding: 500_000_000 };
    await same(max(options), [x]);
    await same(avg({ ...options, countIncludePad: false }), [x]);
  });

  test("and the activations around them are one kernel", async () => {
    const x = random([2, 3, 12, 12], { lo: -1, hi: 1 }).requiresGrad_();
    await same((x) => F.maxPool2d(F.relu(x), 2).relu(), [x]);
    await same((x) => F.avgPool2d(F.relu(x), 2).relu(), [x]);
  });
});
