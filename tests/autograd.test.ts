/** @file Automatic differentiation against PyTorch, and what a tensor tells about its place in the graph. */
import { describe, expect, test } from "vitest";
import { isGradEnabled, noGrad, type Tensor, TorchletError } from "torchlet";
import { runCases } from "./golden/run-cases.js";
import { ones, rand } from "./on-device.js";

runCases("autograd.json");

const leaf = (...shape: number[]): Tensor => rand(shape, { requiresGrad: true });

describe("what a tensor knows", () => {
  test("leaves, results and their gradients", () => {
    const x = leaf(3);
    const y = x.mul(2).relu();
    const z = rand(3).add(1);
    expect([x.isLeaf, y.isLeaf, z.isLeaf]).toEqual([true, false, true]);
    expect([x.requiresGrad, y.requiresGrad, z.requiresGrad]).toEqual([true, true, false]);
    expect([x.grad, y.grad, z.grad]).toEqual([null, null, null]);
    y.sum().backward();
    expect(x.grad?.shape).toEqual([3]);
    expect([y.grad, z.grad, x.grad?.requiresGrad]).toEqual([null, null, false]);
  });

  test.each([
    ["MulBackward0", () => leaf(2).mul(2)],
    ["ReluBackward0", () => leaf(2).relu()],
    ["SumBackward0", () => leaf(2).sum()],
  ])("%s is the name of a gradient", (name, make) => {
    expect(make().gradFn).toBe(name);
    expect(make().detach().gradFn).toBeNull();
  });

  test("int32 and bool results do not require gradients", () => {
    const x = leaf(3, 2);
    expect([x.argmax(), x.gt(0), x.max({ dim: 1 })[1], x.int()].map((t) => t.requiresGrad)).toEqual(
      [false, false, false, false],
    );
  });

  test("the gradient is one object and can be set", async () => {
    const x = leaf(3);
    x.sum().backward();
    expect(x.grad).toBe(x.grad);
    x.grad = ones(3).mul(5);
    x.sum().backward();
    await expect(x.grad).toBeAllclose([6, 6, 6]);
    x.grad = null;
    expect(x.grad).toBeNull();
    expect(() => (x.grad = ones(2))).toThrow(TorchletError);
  });
});

describe("grad mode", () => {
  test("noGrad gives its function's value and ends with it, also after an error", () => {
    const x = leaf(3);
    expect(noGrad(() => x.mul(2)).requiresGrad).toBe(false);
    expect(noGrad(() => [isGradEnabled(), noGrad(isGradEnabled), isGradEnabled()])).toEqual([
      false,
      false,
      false,
    ]);
    expect(() => noGrad(() => { throw new Error("mine"); })).toThrow("mine"); // prettier-ignore
    expect(isGradEnabled()).toBe(true);
    expect(x.mul(2).requiresGrad).toBe(true);
  });
});

test("a chain of 20,000 operations does not overflow a stack", async () => {
  const x = leaf(1);
  let y = x;
  for (let i = 0; i < 20_000; i++) y = y.add(1);
  y.backward();
  await expect(x.grad!).toBeAllclose([1]);
});

test("versions count the changes of a storage, whichever view makes them", () => {
  const x = rand(2, 3);
  const before = x.version;
  x.add_(1);
  x.at(0).mul_(2);
  x.detach().zero_();
  expect(x.version - before).toBe(3);
  expect(x.at(1).version).toBe(x.version);
});
