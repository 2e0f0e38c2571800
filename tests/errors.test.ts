/** @file Wrong arguments at every operation: a typed error that names it, never a trap, and the engine goes on. */
import { describe, expect, test } from "vitest";
import { functional as F, nn, optim, Tensor, TorchletError } from "torchlet";
import { device } from "./device.js";
import { namesOperation, faults } from "./errors/mutate.js";
import { operations } from "./errors/operations.js";
import { ones, rand, tensor, torch, zeros } from "./on-device.js";

describe.each(Object.keys(operations))("%s", (group) => {
  test.each(operations[group]!.map((op) => [op.name, op] as const))(
    "%s refuses what is wrong",
    async (_, op) => {
      expect(await faults(op)).toEqual([]);
    },
  );
});

const labels = (...values: number[]): Tensor => tensor(Int32Array.from(values));
const { ArgumentError, DtypeError, IndexError, OutOfMemoryError, ShapeError } = torch;

/** Calls that a user may well write, the class of the error, and words that its message has. */
const PICKED: [call: () => unknown, type: new (message: string) => Error, ...words: string[]][] = [
  [
    () => F.conv2d(rand(64, 1, 28, 28), rand(16, 3, 3, 3)),
    ShapeError,
    "conv2d: weight [16, 3, 3, 3] expects 3 input channels, input [64, 1, 28, 28] has 1",
  ],
  [
    () => new nn.Conv2d(3, 16, 3, { padding: 1 }).to(device)(rand(64, 1, 28, 28)),
    ShapeError,
    "conv2d: weight [16, 3, 3, 3] expects 3 input channels, input [64, 1, 28, 28] has 1",
  ],
  [
    () => F.conv2d(rand(1, 4, 8, 8), rand(6, 2, 3, 3), undefined, { groups: 3 }),
    ShapeError,
    "conv2d",
    "groups",
  ],
  [
    () => F.conv2d(rand(1, 4, 8, 8), rand(5, 2, 3, 3), undefined, { groups: 2 }),
    ShapeError,
    "conv2d",
    "groups",
  ],
  [() => new nn.Conv2d(4, 5, 3, { groups: 2 }), ArgumentError, "Conv2d", "groups"],
  [() => F.conv2d(rand(1, 1, 2, 2), rand(1, 1, 3, 3)), ShapeError, "conv2d", "3", "2"],
  [
    () => F.conv2d(rand(1, 1, 5, 5), rand(1, 1, 3, 3), undefined, { dilation: 3 }),
    ShapeError,
    "conv2d",
  ],
  [() => F.conv2d(rand(5, 5), rand(1, 1, 3, 3)), ShapeError, "conv2d", "[5, 5]"],
  [
    () => F.conv2d(rand(1, 1, 5, 5), rand(1, 1, 3, 3), rand(2)),
    ShapeError,
    "conv2d",
    "bias",
    "[2]",
  ],
  [() => F.conv2d(rand(1, 1, 5, 5), rand(1, 1, 0, 3)), ShapeError, "conv2d"],
  [
    () => F.conv2d(zeros(1, 1, 5, 5, { dtype: "int32" }), rand(1, 1, 3, 3)),
    DtypeError,
    "conv2d",
    "int32",
  ],
  [() => F.maxPool2d(rand(1, 1, 2, 2), 3), ShapeError, "maxPool2d"],
  [() => F.maxPool2d(rand(1, 1, 8, 8), 2, { padding: 2 }), ArgumentError, "maxPool2d", "padding"],
  [() => F.maxPool2d(rand(8, 8), 2), ShapeError, "maxPool2d", "[8, 8]"],
  [() => F.avgPool2d(rand(1, 1, 8, 8), 2, { divisorOverride: 0 }), ArgumentError, "avgPool2d", "0"],
  [() => F.linear(rand(64, 784), rand(10, 780)), ShapeError, "linear", "[10, 780]", "[64, 784]"],
  [
    () => new nn.Linear(3136, 10).to(device)(rand(2, 32, 7, 7)),
    ShapeError,
    "linear",
    "[2, 32, 7, 7]",
    "3136",
  ],
  [() => rand(2, 3).matmul(rand(2, 3)), ShapeError, "matmul", "[2, 3]"],
  [() => tensor(1).matmul(rand(3)), ShapeError, "matmul"],
  [() => rand(2, 3).add(rand(2, 4)), ShapeError, "add", "[2, 3]", "[2, 4]"],
  [() => rand(2, 3).add_(rand(5, 2, 3)), ShapeError, "add", "[5, 2, 3]", "[2, 3]"],
  [() => zeros(2, { dtype: "int32" }).add_(0.5), DtypeError, "add"],
  [() => rand(2, 3).view(4, 2), ShapeError, "view", "[4, 2]"],
  [() => rand(2, 3).view(-1, -1), ArgumentError, "view"],
  [() => rand(2, 3).view(-1, 4), ShapeError, "view"],
  [() => rand(0, 3).view(-1, 0), ShapeError, "view"],
  [() => rand(2, 3).sum({ dim: [0, 0] }), ArgumentError, "sum", "0"],
  [() => rand(2, 3).sum({ dim: 2 }), IndexError, "sum", "2"],
  [() => rand(2, 3).permute(0, 0), ArgumentError, "permute"],
  [() => rand(2, 3).permute(0), ShapeError, "permute"],
  [() => rand(2, 3).expand(2, 4), ShapeError, "expand"],
  [() => rand(2, 3).expand(3), ShapeError, "expand"],
  [() => rand(2, 3).select(0, 2), IndexError, "select", "2"],
  [() => rand(0, 3).amax({ dim: 0 }), IndexError, "amax"],
  [() => rand(0).max(), ArgumentError, "max"],
  [() => rand(0).argmax(), IndexError, "argmax"],
  [() => torch.cat([]), ArgumentError, "cat"],
  [() => torch.cat([rand(2, 3), rand(2, 4)]), ShapeError, "cat", "[2, 3]", "[2, 4]"],
  [() => torch.stack([rand(2), rand(3)]), ShapeError, "stack", "[2]", "[3]"],
  [() => rand(2, 3).indexSelect(0, labels(2)), IndexError, "indexSelect", "2"],
  [() => rand(2, 3).indexSelect(0, tensor([0.5])), DtypeError, "indexSelect", "float32"],
  [() => rand(2, 3).gather(1, tensor([[3]], { dtype: "int32" })), IndexError, "gather", "3"],
  [() => F.oneHot(labels(5), 3), IndexError, "oneHot", "5"],
  [() => F.oneHot(labels(-1), 3), IndexError, "oneHot", "-1"],
  [() => F.oneHot(rand(3), 3), DtypeError, "oneHot", "float32"],
  [() => F.pad(rand(2, 3), [-2, -2]), ShapeError, "pad"],
  [() => F.crossEntropy(rand(4, 10), labels(0, 1, 2, 10)), IndexError, "crossEntropy", "10"],
  [() => F.crossEntropy(rand(4, 10), labels(0, 1, 2, -1)), IndexError, "crossEntropy", "-1"],
  [
    () => F.crossEntropy(rand(4, 10), labels(0, 1, 2)),
    ShapeError,
    "crossEntropy",
    "[4, 10]",
    "[3]",
  ],
  [() => F.crossEntropy(rand(4, 10), rand(4)), ShapeError, "crossEntropy", "[4, 10]", "[4]"],
  [() => F.crossEntropy(rand(4, 10), rand(4).gt(0)), DtypeError, "crossEntropy", "bool"],
  [
    () => F.crossEntropy(rand(4, 10), labels(0, 1, 2, 3), { weight: rand(9) }),
    ShapeError,
    "crossEntropy",
    "weight",
    "[9]",
  ],
  [() => F.nllLoss(rand(2, 3), labels(0, 3)), IndexError, "nllLoss", "3"],
  [() => F.dropout(rand(3), { p: 1.5 }), ArgumentError, "dropout", "1.5"],
  [() => rand(3).maskedFill(rand(3), 1), DtypeError, "maskedFill", "float32"],
  [() => torch.where(rand(3), rand(3), rand(3)), DtypeError, "where", "float32"],
  [() => tensor([1, [2]] as never), ShapeError, "tensor"],
  [() => tensor([[1, 2], [3]]), ShapeError, "tensor"],
  [() => tensor([1, 2, 3], { shape: [2, 2] }), ShapeError, "tensor", "[2, 2]"],
  [() => tensor("abc" as never), ArgumentError, "tensor"],
  [() => torch.arange(0, 1, 0), ArgumentError, "arange"],
  [() => torch.randint(5, 5, [2]), ArgumentError, "randint", "5"],
  [() => zeros(65536, 65536), OutOfMemoryError, "zeros", "65536"],
  [() => zeros(2 ** 31), ArgumentError, "zeros"],
  [() => torch.eye(65536), OutOfMemoryError, "eye"],
  [() => torch.arange(2 ** 40), ArgumentError, "arange"],
  [() => torch.randperm(2 ** 40), ArgumentError, "randperm"],
  [() => zeros(1).expand(30000, 30000).contiguous(), OutOfMemoryError, "contiguous"],
  [() => zeros(1).expand(30000, 30000).add(1), OutOfMemoryError, "add"],
  [() => zeros(70000, 1).matmul(zeros(1, 70000)), OutOfMemoryError, "matmul"],
  [() => F.pad(zeros(2, 3), [2 ** 30, 2 ** 30]), OutOfMemoryError, "pad"],
  [() => F.oneHot(labels(1), 2 ** 30), OutOfMemoryError, "oneHot"],
  [
    () => F.conv2d(rand(1, 1, 3, 3), rand(1, 1, 3, 3), undefined, { padding: 2 ** 20 }),
    OutOfMemoryError,
    "conv2d",
  ],
  [() => rand(2, 3).repeat(2 ** 20, 2 ** 20), OutOfMemoryError, "repeat"],
  [() => new nn.Linear(2 ** 20, 2 ** 20), OutOfMemoryError, "Linear"],
  [() => new nn.MaxPool2d(undefined as never), ArgumentError, "MaxPool2d", "kernelSize"],
  [() => new nn.AvgPool2d(2, "2" as never), ArgumentError, "AvgPool2d"],
  [() => new nn.Flatten("1" as never), ArgumentError, "Flatten", "startDim"],
  [() => new nn.Unflatten(1, 5 as never), ArgumentError, "Unflatten", "5"],
  [() => rand(2, 3).size("0" as never), ArgumentError, "size", '"0"'],
  [() => rand(2, 3).sum(1, true as never), ArgumentError, "sum", "true"],
  [() => rand(2, 3).sum(1, { dim: 0 } as never), ArgumentError, "sum", '"dim"'],
  [() => rand(2, 3).max({ dim: 1 }, { keepdim: true }), ArgumentError, "max", "two"],
  [() => rand(2, 3).norm({ p: 1 }, { dim: 1 }), ArgumentError, "norm", "two"],
  [() => rand(2, 3).norm(1, true as never), ArgumentError, "norm", "true"],
  [() => rand(2, 3).norm([1] as never), ArgumentError, "norm", "[1]"],
  [() => new optim.SGD([]), ArgumentError, "SGD"],
  [
    () => new optim.SGD([ones(2).requiresGrad_()], { lr: 0.1, nesterov: true }),
    ArgumentError,
    "SGD",
    "momentum",
  ],
  [() => new optim.Adam([ones(2).requiresGrad_().mul(2)]), ArgumentError, "Adam", "leaf"],
  [
    () => new nn.Linear(2, 3).to(device).loadStateDict({ weight: rand(3, 2) }),
    ArgumentError,
    "stateDict",
    "bias",
  ],
  [
    () => new nn.Linear(2, 3).to(device).loadStateDict({ weight: rand(2, 3), bias: rand(3) }),
    ShapeError,
    "stateDict",
    "weight",
    "[2, 3]",
    "[3, 2]",
  ],
];

describe("calls that a user may well write", () => {
  test.each(PICKED)("%s", async (call, type, ...words) => {
    let error: Error | undefined;
    try {
      const result = call();
      if (result instanceof Tensor) await result.data();
    } catch (thrown) {
      error = thrown as Error;
    }
    expect(error).toBeInstanceOf(TorchletError);
    const message = error!.message;
    const [name, ...rest] = words;
    if (!namesOperation(message, name!)) expect(message).toContain(name);
    for (const word of rest) expect(message).toContain(word);
    expect(error!.name).toBe(type.name);
    expect(await rand(2, 3).matmul(rand(3, 2)).data()).toHaveLength(4);
  });
});

describe("tensors that are gone", () => {
  test.each([
    ["relu", (x: Tensor) => F.relu(x)],
    ["sum", (x: Tensor) => x.sum()],
    ["conv2d", (x: Tensor) => F.conv2d(x, rand(1, 1, 1, 1))],
    ["add", (x: Tensor) => ones(2).add(x)],
    ["flatten", (x: Tensor) => x.flatten()],
    ["backward", (x: Tensor) => x.backward()],
    ["data", (x: Tensor) => x.dataSync()],
  ])("%s of a disposed tensor", (name, call) => {
    const x = rand(1, 1, 2, 2);
    x.dispose();
    expect(() => call(x)).toThrow(TorchletError);
    expect(() => call(x)).toThrow(/dispose/);
    try {
      call(x);
    } catch (error) {
      expect(namesOperation((error as Error).message, name), (error as Error).message).toBe(true);
    }
  });
});

// A GPU makes no patches.
test.runIf(device === "cpu")(
  "a gradient whose patches do not fit in memory is refused",
  async () => {
    // The convolution itself needs little; 10,000 taps at 160,801 positions would need 6.4 GB.
    const x = zeros(1, 1, 900, 900, { requiresGrad: true });
    const y = F.conv2d(x, zeros(1, 1, 100, 100), undefined, { stride: 2 });
    expect(() => y.sum().backward()).toThrow(OutOfMemoryError);
    expect(await rand(2, 3).matmul(rand(3, 2)).data()).toHaveLength(4);
  },
);

test("a refused operation leaves its target and the graph as they were", async () => {
  const x = rand(2, 3, { requiresGrad: true });
  const y = x.mul(2);
  const before = await y.data();
  expect(() => y.add_(rand(3, 3))).toThrow(ShapeError);
  expect(() => y.mul(rand(7))).toThrow(ShapeError);
  await expect(y).toBeAllclose(before, { rtol: 0, atol: 0 });
  y.sum().backward();
  await expect(x.grad!).toBeAllclose([2, 2, 2, 2, 2, 2]);
});
