/** @file New tensors on the GPU: where they are, the numbers a seed draws, and what is written into them. */
import { beforeEach, expect, test } from "vitest";
import * as torchlet from "torchlet";
import { DeviceError, manualSeed, nn, noGrad, type Tensor, tensor } from "torchlet";
import { device } from "../device.js";
import { same } from "./both.js";

beforeEach(() => void manualSeed(3));

/** The numbers of `make` on both devices, each from the same seed. */
async function drawn(make: (device: "cpu" | "webgpu") => Tensor): Promise<void> {
  manualSeed(11);
  const expected = make("cpu");
  manualSeed(11);
  const actual = make("webgpu");
  expect(actual.device).toBe("webgpu");
  await expect(actual).toBeAllclose(expected, { rtol: 0, atol: 0 });
}

test("a seed draws the same numbers on both devices", async () => {
  await drawn((on) => torchlet.rand(3, 7, { device: on }));
  await drawn((on) => torchlet.randn([3, 7], { device: on }));
  await drawn((on) => torchlet.randint(-4, 9, [50], { device: on }));
  await drawn((on) => torchlet.randperm(40, { device: on }));
  await drawn((on) => torchlet.randnLike(torchlet.zeros(4, 5, { device: on })));
  await drawn((on) => torchlet.bernoulli(torchlet.full([60], 0.3, { device: on })));
  await drawn((on) => torchlet.zeros(30, { device: on }).uniform_(-1, 2));
  await drawn((on) => torchlet.zeros(30, { device: on }).normal_(1, 0.1));
  await drawn((on) => torchlet.zeros(30, { device: on }).bernoulli_(0.4));
});

test("a seed drops the same elements on both devices", async () => {
  for (const drop of [torchlet.functional.dropout, torchlet.functional.dropout2d]) {
    await drawn((on) => drop(torchlet.ones(3, 4, 5, 6, { device: on }), { p: 0.4 }));
    await drawn((on) =>
      drop(torchlet.ones(3, 4, 5, 6, { device: on }).transpose(0, 3), { p: 0.4 }),
    );
    await drawn((on) => drop(torchlet.ones(3, 4, 5, 6, { device: on }), { p: 0.4, inplace: true }));
    await drawn((on) => {
      const x = torchlet.ones(3, 4, 5, 6, { device: on, requiresGrad: true });
      drop(x, { p: 0.7 }).backward(torchlet.fullLike(x, 0.5));
      return x.grad!;
    });
  }
});

const INIT: Record<string, (x: Tensor) => unknown> = {
  uniform_: (x) => nn.init.uniform_(x, -2, 3),
  normal_: (x) => nn.init.normal_(x, 1, 0.5),
  constant_: (x) => nn.init.constant_(x, 0.25),
  zeros_: (x) => nn.init.zeros_(x),
  ones_: (x) => nn.init.ones_(x),
  kaimingUniform_: (x) => nn.init.kaimingUniform_(x, { nonlinearity: "relu" }),
  kaimingNormal_: (x) => nn.init.kaimingNormal_(x, { mode: "fanOut" }),
  xavierUniform_: (x) => nn.init.xavierUniform_(x),
  xavierNormal_: (x) => nn.init.xavierNormal_(x, { gain: 2 }),
};

test.each(Object.keys(INIT))(
  "init.%s gives parameters on the GPU the CPU's numbers",
  async (name) => {
    await drawn((on) => {
      const x = new nn.Parameter(torchlet.zeros(6, 5, { device: on }));
      INIT[name]!(x);
      return x;
    });
  },
);

test("what is made like a tensor is on its device", async () => {
  const x = tensor([[1, -2, 3]], { device });
  const { zerosLike, onesLike, emptyLike, fullLike, randLike, randnLike } = torchlet;
  for (const like of [zerosLike, onesLike, emptyLike, randLike, randnLike]) {
    expect(like(x).device).toBe(device);
    expect(like(x, { device: "cpu" }).device).toBe("cpu");
    expect(like(tensor([1]), { device }).device).toBe(device);
  }
  await expect(fullLike(x, 2.5)).toBeAllclose(torchlet.full([1, 3], 2.5));
  await expect(tensor(x)).toBeAllclose(x, { rtol: 0, atol: 0 });
  expect(tensor(x).device).toBe(device);
  expect(() => tensor(x, { device: "cpu" })).toThrow(DeviceError);
  await expect(torchlet.full([2], true, { device })).toBeAllclose(tensor([true, true]));
  await expect(torchlet.zeros(2, { dtype: "int32", device })).toBeAllclose(
    tensor(new Int32Array(2)),
  );
});

test("numbers join tensors of the GPU in every dtype", async () => {
  const x = tensor([[1, -2, 3]]);
  await same((t) => t.where(t.gt(0), -1), [x]);
  await same((t) => torchlet.where(t.gt(0), 0.5, t), [x]);
  await same((t) => torchlet.where(t.gt(0), 1, 2), [tensor(Int32Array.of(5, -6))]);
  await same((t) => t.add(tensor(2.5)).mul(tensor(true)), [x]);
  await same(
    (t) => t.gather(0, tensor(Int32Array.of(1)).to(t.device)),
    [tensor(Int32Array.of(5, -6))],
  );
});

test("copy_ writes values of the CPU into a tensor of the GPU, and not the other way", async () => {
  const x = torchlet.zeros(2, 3, { device });
  x.copy_(tensor(Int32Array.of(1, 2, 3)));
  await expect(x).toBeAllclose(tensor([1, 2, 3, 1, 2, 3], { shape: [2, 3] }));
  x.at(0).copy_(tensor([7, 8, 9]));
  await expect(x).toBeAllclose(tensor([7, 8, 9, 1, 2, 3], { shape: [2, 3] }));
  expect(() => torchlet.zeros(2, 3).copy_(x)).toThrow(DeviceError);
  const leaf = tensor([1, 2, 3], { requiresGrad: true });
  expect(() => x.copy_(leaf)).toThrow(/no gradient passes/);
  noGrad(() => x.copy_(leaf));
});

test("equal and allclose wait for the GPU", async () => {
  const x = tensor([1, 2], { device });
  expect(await x.equal(tensor([1, 2], { device }))).toBe(true);
  expect(await x.equal(tensor([1, 3], { device }))).toBe(false);
  expect(await x.equal(tensor([1], { device }))).toBe(false);
  expect(await x.allclose(tensor([1, 2.000001], { device }))).toBe(true);
  expect(await x.allclose(tensor([1, 2.1], { device }))).toBe(false);
});

test("a gradient is on the device of its tensor", async () => {
  const x = tensor([1, 2], { device, requiresGrad: true });
  expect(() => x.mul(2).backward(tensor([1, 1]))).toThrow(DeviceError);
  expect(() => (x.grad = tensor([1, 1]))).toThrow(DeviceError);
  x.mul(2).backward(torchlet.onesLike(x));
  expect(x.grad?.device).toBe(device);
  await expect(x.grad!).toBeAllclose(tensor([2, 2]));
});
