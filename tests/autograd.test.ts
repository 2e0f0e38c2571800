/** @file Automatic differentiation against PyTorch, and what a tensor tells about its place in the graph. */
import { describe, expect, test } from "vitest";
import {
  ArgumentError,
  AutogradError,
  enableGrad,
  isGradEnabled,
  noGrad,
  setGradEnabled,
  ShapeError,
  type Tensor,
  TorchletError,
} from "torchlet";
import { runCases } from "./golden/run-cases.js";
import { arange, ones, rand, tensor } from "./on-device.js";

runCases("autograd.json");

const leaf = (...shape: number[]): Tensor => rand(shape, { requiresGrad: true });
const leafOf = (...values: number[]): Tensor => tensor(values, { requiresGrad: true });

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

describe("gradients", () => {
  test("a gradient is added to, and set to zero or forgotten", async () => {
    const x = leafOf(1, 2);
    x.mul(2).backward(tensor([1, 10]));
    const { grad } = x;
    expect(await grad!.tolist()).toEqual([2, 20]);
    x.mul(2).backward(tensor([1, 10]));
    expect(x.grad === grad).toBe(true);
    expect(await grad!.tolist()).toEqual([4, 40]);
    grad!.zero_();
    expect(await x.grad!.tolist()).toEqual([0, 0]);
    x.grad = null;
    x.sum().backward();
    expect(await x.grad!.tolist()).toEqual([1, 1]);
    expect(x.grad === grad).toBe(false);
  });

  test("retainGrad keeps the gradient of a result", async () => {
    const x = leafOf(1, 2);
    const h = x.mul(3);
    const v = x.view(2, 1);
    h.retainGrad();
    x.retainGrad();
    h.mul(h).sum().add(v.sum()).backward();
    expect(await h.grad!.tolist()).toEqual([6, 12]);
    expect(await x.grad!.tolist()).toEqual([19, 37]);
    expect(v.grad).toBeNull();
  });

  test("the arguments of backward", async () => {
    const x = leafOf(1);
    const y = x.mul(x);
    y.backward({ retainGraph: true });
    y.backward(undefined, { retainGraph: true });
    y.backward(null, { retainGraph: true });
    y.backward({ gradient: tensor([2]), retainGraph: true });
    y.backward(tensor([3]));
    expect(await x.grad!.tolist()).toEqual([(1 + 1 + 1 + 2 + 3) * 2]);
    expect(() => y.backward()).toThrow(/a second time.*retainGraph: true/);
  });

  test.each<[what: string, call: () => void, type: new (m: string) => Error, message: RegExp]>([
    ["more than one element", () => leafOf(1, 2).mul(2).backward(), AutogradError, /grad can be implicitly created only for scalar outputs.*\[2\]/], // prettier-ignore
    ["no graph", () => tensor([1]).backward(), AutogradError, /does not require grad/],
    ["integers", () => arange(3).sum().backward(), AutogradError, /does not require grad/],
    ["a gradient of another shape", () => leafOf(1, 2).mul(2).backward(ones(1)), ShapeError, /shape \[1\].*\[2\]/], // prettier-ignore
    ["a number as gradient", () => leafOf(1).mul(2).backward(1 as never), ArgumentError, /options object/], // prettier-ignore
    ["retainGraph as Python gives it", () => leafOf(1).mul(2).backward(null, true as never), ArgumentError, /options object/], // prettier-ignore
    ["an option that is not there", () => leafOf(1).backward({ createGraph: true } as never), ArgumentError, /unknown option "createGraph"/], // prettier-ignore
    ["a gradient of another shape set", () => (leafOf(1).grad = ones(2)), ShapeError, /\[1\] float32, got \[2\]/], // prettier-ignore
    ["undefined as gradient", () => (leafOf(1).grad = undefined as never), ArgumentError, /grad: expected a Tensor/], // prettier-ignore
    ["a result without gradient", () => (leafOf(1).mul(2).requiresGrad = false), AutogradError, /leaf.*detach/], // prettier-ignore
    [
      "requiresGrad of 1",
      () => (leafOf(1).requiresGrad = 1 as never),
      ArgumentError,
      /true or false/,
    ],
  ])("refuses %s", (_, call, type, message) => {
    expect(call).toThrow(type);
    expect(call).toThrow(message);
  });

  test("requiresGrad, isLeaf and gradFn", () => {
    const x = leafOf(1, 2);
    const facts = (t: Tensor): unknown[] => [t.requiresGrad, t.isLeaf, t.gradFn];
    expect(facts(x)).toEqual([true, true, null]);
    expect(facts(x.clone())).toEqual([true, false, "CloneBackward0"]);
    expect(facts(x.detach())).toEqual([false, true, null]);
    expect(facts(detached(x))).toEqual([true, true, null]);
    expect(facts(x.requiresGrad_(false))).toEqual([false, true, null]);
    expect(facts(x.mul(2))).toEqual([false, true, null]);
    x.requiresGrad = true;
    expect(facts(x.mul(2))).toEqual([true, false, "MulBackward0"]);
    expect(facts(x.mul(2).requiresGrad_())).toEqual([true, false, "MulBackward0"]);
  });

  const detached = (x: Tensor): Tensor => x.detach().requiresGrad_();
});

describe("grad mode", () => {
  const modes = (): boolean => isGradEnabled();

  test("noGrad and enableGrad nest", () => {
    const seen = noGrad(() => [modes(), enableGrad(() => [modes(), noGrad(modes), modes()]), modes()]); // prettier-ignore
    expect(seen).toEqual([false, [true, false, true], false]);
    expect(noGrad(() => enableGrad(() => leafOf(1).mul(2))).requiresGrad).toBe(true);
    expect(isGradEnabled()).toBe(true);
  });

  test("errors pass through all of them", () => {
    const thrown = new Error("mine");
    const fail = (): never => {
      throw thrown;
    };
    expect(() => noGrad(() => enableGrad(() => noGrad(fail)))).toThrow(thrown);
    expect(isGradEnabled()).toBe(true);
    noGrad(() => {
      expect(() => enableGrad(fail)).toThrow(thrown);
      expect(isGradEnabled()).toBe(false);
    });
  });

  test("leaves made under noGrad require gradients, results do not", () => {
    const [x, y, v] = noGrad(() => [leafOf(1), leafOf(1).mul(2), leafOf(1, 2).view(2, 1)]);
    expect([x, y, v].map((t) => t.requiresGrad)).toEqual([true, false, false]);
    expect(x.mul(2).requiresGrad).toBe(true);
  });

  test("setGradEnabled lasts until the enclosing noGrad ends", () => {
    noGrad(() => {
      setGradEnabled(true);
      expect(isGradEnabled()).toBe(true);
    });
    setGradEnabled(false);
    expect([isGradEnabled(), enableGrad(modes), isGradEnabled()]).toEqual([false, true, false]);
    setGradEnabled(true);
    expect(isGradEnabled()).toBe(true);
  });

  test("asynchronous functions keep their mode until they end, also with an error", async () => {
    const evaluated = await noGrad(async () => {
      await Promise.resolve();
      return isGradEnabled();
    });
    expect([evaluated, isGradEnabled()]).toEqual([false, true]);
    const failing = noGrad(async () => {
      await Promise.resolve();
      throw new Error("late");
    });
    expect(isGradEnabled()).toBe(false);
    await expect(failing).rejects.toThrow("late");
    expect(isGradEnabled()).toBe(true);
  });

  test("what is no function is refused", () => {
    expect(() => noGrad(ones(1) as never)).toThrow(/noGrad: f must be a function/);
    expect(() => enableGrad(undefined as never)).toThrow(ArgumentError);
    expect(isGradEnabled()).toBe(true);
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
