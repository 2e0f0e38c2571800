/** @file Picking, placing and joining on the GPU beyond one workgroup, and indices that the host does not know. */
import { describe, expect, test } from "vitest";
import * as torchlet from "torchlet";
import { IndexError, type Tensor, tensor } from "torchlet";
import { device } from "../device.js";
import { random, randomLabels, same } from "./both.js";

const leaf = (shape: number[], seed = 1): Tensor =>
  random(shape, { seed, lo: -2, hi: 2 }).requiresGrad_();
const { pad } = torchlet.functional;

describe("large shapes", () => {
  test("cat of tensors of one kernel and of several", async () => {
    const parts = Array.from({ length: 17 }, (_, i) => leaf([3, 1 + (i % 4), 29], i + 1));
    await same((...x) => torchlet.cat(x, 1), parts);
    await same((...x) => torchlet.cat(x, 1).relu(), parts.slice(0, 3));
    await same(
      (...x) => torchlet.stack(x, -1),
      Array.from({ length: 9 }, (_, i) => leaf([5, 61], i + 1)),
    );
    await same(
      (x, y) => torchlet.cat([x, y, x], 0),
      [leaf([3, 7]), tensor(new Int32Array(14), { shape: [2, 7] })],
    );
  });

  test("gather, and sums over what it took more than once", async () => {
    await same((x, index) => x.gather(1, index), [leaf([37, 50]), randomLabels([30, 80], 50)]);
    await same((x, index) => x.gather(0, index), [leaf([9, 20, 7]), randomLabels([300, 20, 5], 9)]);
    await same((x, index) => x.gather(-1, index), [leaf([300]), randomLabels([1], 300)]);
  });

  test("indexSelect, and sums over what it took more than once", async () => {
    await same((x, index) => x.indexSelect(0, index), [leaf([40, 33]), randomLabels([500], 40)]);
    await same((x, index) => x.indexSelect(1, index), [leaf([7, 6, 11]), randomLabels([100], 6)]);
    await same(
      (x, index) => x.transpose(0, 1).indexSelect(1, index),
      [leaf([30, 20]), randomLabels([9], 30)],
    );
  });

  test("pad, flip and repeat", async () => {
    await same((x) => pad(x, [3, 1, 2, -1], { value: 0.5 }), [leaf([2, 3, 17, 19])]);
    await same((x) => pad(x, [0, 0, 2, 1]).relu(), [leaf([3, 17, 19])]);
    await same((x) => pad(x, [1, 2], { value: -3 }), [randomLabels([400], 9)]);
    await same((x) => pad(x, [-2, -3, 5, 0]), [leaf([20, 30])]);
    for (const mode of ["reflect", "replicate", "circular"] as const) {
      await same((x) => pad(x, [3, 2, 1, 4], { mode }), [leaf([2, 3, 9, 8])]);
    }
    await same((x) => x.flip(0, 2), [leaf([5, 13, 1, 9])]);
    await same((x) => x.flip(1, 3), [leaf([5, 13, 3, 9])]);
    await same((x) => x.flip(0), [randomLabels([700], 5)]);
    await same((x) => x.repeat(3, 2, 1), [leaf([9, 21])]);
  });

  test("where and maskedFill with broadcasting", async () => {
    const mask = random([40, 1], { lo: 0, hi: 1 }).gt(0.5);
    await same((m, x, y) => x.where(m, y), [mask, leaf([40, 30]), leaf([30], 2)]);
    await same((m, x) => x.maskedFill(m, -Infinity), [mask, leaf([3, 40, 30])]);
  });

  test("elements behind the first row of workgroups", async () => {
    const n = 32_768 * 256 + 5;
    const y = torchlet.full([n], 2, { device }).add(1);
    await expect(y.slice({ start: n - 3 })).toBeAllclose(tensor([3, 3, 3]));
  });
});

describe("indices out of range", () => {
  const x = (): Tensor => tensor([[1, 2, 3, 4]], { device });
  const wild = (): Tensor => tensor(Int32Array.of(1, 4, -1), { device });
  /** The same integers, computed on the GPU: the host has not seen them. */
  const unknown = (): Tensor => wild().add(0);

  test("are refused where the host has uploaded them", () => {
    expect(() => x().indexSelect(1, wild())).toThrow(IndexError);
    expect(() => x().gather(1, wild().unsqueeze(0))).toThrow(IndexError);
    expect(() => torchlet.functional.oneHot(wild(), 4)).toThrow(IndexError);
  });

  test("are not looked for outside of a view", async () => {
    const index = tensor(
      Int32Array.from({ length: 128 }, (_, i) => (i < 64 ? 0 : 99)),
      { device },
    );
    await expect(x().indexSelect(1, index.slice({ end: 2 }))).toBeAllclose(tensor([[1, 1]]));
  });

  test("give NaN, or the nearest integer, where they were computed", async () => {
    await expect(x().indexSelect(1, unknown())).toBeAllclose(tensor([[2, NaN, NaN]]));
    await expect(x().gather(1, unknown().unsqueeze(0))).toBeAllclose(tensor([[2, NaN, NaN]]));
    const integers = x().to("int32").indexSelect(1, unknown());
    await expect(integers).toBeAllclose(tensor(Int32Array.of(2, 4, 1), { shape: [1, 3] }));
    const hot = await torchlet.functional.oneHot(unknown(), 4).tolist();
    expect(hot).toEqual([
      [0, 1, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
  });
});
