/** @file Matrix multiply and linear on both devices, at the edges of tiles and for every kernel there is. */
import { describe, test } from "vitest";
import { functional as F } from "torchlet";
import { device } from "../device.js";
import { compare, type Program } from "./both.js";

/** A sum of many terms is as exact as the terms allow. */
async function agree(program: Program, shapes: readonly (readonly number[])[]): Promise<void> {
  const longest = Math.max(1, ...shapes.flat());
  await compare(program, shapes, { rtol: 2e-5, atol: 4e-6 * Math.sqrt(longest) });
}

/** Where tiles of 16, 32 and 64 begin and end. */
const EDGES = [5, 15, 16, 17, 31, 33, 64, 65];

describe.runIf(device === "webgpu")("matmul", () => {
  test.each(EDGES)("%i rows, columns at the edges of tiles", async (m) => {
    for (const n of EDGES)
      for (const k of [7, 17])
        await agree(
          (a, b) => a.matmul(b),
          [
            [200, m, k],
            [200, k, n],
          ],
        );
  });

  test.each([1, 3, 4, 31, 65])("%i rows, by themselves", async (m) => {
    for (const n of [1, 3, 33])
      for (const k of [1, 7, 64, 1000])
        await agree(
          (a, b) => a.matmul(b),
          [
            [m, k],
            [k, n],
          ],
        );
  });

  test.each([
    { name: "no k", m: 5, k: 0, n: 6 },
    { name: "a long k", m: 33, k: 1000, n: 31 },
    { name: "a k that is split", m: 40, k: 5000, n: 70 },
    { name: "a row times a matrix", m: 1, k: 1000, n: 300 },
    { name: "a matrix times a column", m: 300, k: 1000, n: 1 },
    { name: "many rows, few columns", m: 3000, k: 40, n: 10 },
    { name: "few rows, many columns", m: 10, k: 40, n: 3000 },
    { name: "large", m: 520, k: 100, n: 530 },
  ])("$name", async ({ m, k, n }) => {
    await agree(
      (a, b) => a.matmul(b),
      [
        [m, k],
        [k, n],
      ],
    );
  });

  test("turned factors", async () => {
    await agree(
      (a, b) => a.t().matmul(b),
      [
        [100, 33],
        [100, 65],
      ],
    );
    await agree(
      (a, b) => a.matmul(b.t()),
      [
        [33, 100],
        [65, 100],
      ],
    );
    await agree(
      (a, b) => a.t().matmul(b.t()),
      [
        [100, 33],
        [65, 100],
      ],
    );
    await agree(
      (a, b) => a.t().matmul(b.t()),
      [
        [20, 600],
        [600, 20],
      ],
    );
  });

  test("batches", async () => {
    await agree(
      (a, b) => a.matmul(b),
      [
        [5, 33, 20],
        [5, 20, 31],
      ],
    );
    await agree(
      (a, b) => a.permute(1, 2, 0).matmul(b),
      [
        [9, 4, 3],
        [4, 9, 2],
      ],
    );
    await agree(
      (a, b) => a.expand(4, 3, 5).matmul(b),
      [
        [1, 3, 5],
        [4, 5, 2],
      ],
    );
    await agree(
      (a, b) => a.matmul(b),
      [
        [40_000, 1, 2],
        [40_000, 2, 1],
      ],
    );
  });
});

describe.runIf(device === "webgpu")("linear", () => {
  test.each([
    { name: "LeNet's first", n: 64, features: 400, outputs: 120 },
    { name: "LeNet's last", n: 64, features: 84, outputs: 10 },
    { name: "SimpleCNN's", n: 32, features: 3136, outputs: 128 },
    { name: "a single row", n: 1, features: 1000, outputs: 100 },
    { name: "a batch whose sum is split", n: 3000, features: 20, outputs: 10 },
    { name: "no features", n: 4, features: 0, outputs: 70 },
    { name: "no rows", n: 0, features: 8, outputs: 70 },
    { name: "large", n: 500, features: 200, outputs: 600 },
  ])("$name", async ({ n, features, outputs }) => {
    const shapes = [
      [n, features],
      [outputs, features],
    ];
    await agree((x, weight, bias) => F.linear(x, weight, bias), [...shapes, [outputs]]);
    if (n === 64) await agree((x, weight) => F.linear(x, weight), shapes);
  });
});
