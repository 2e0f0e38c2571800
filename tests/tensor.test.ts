/** @file The tensor's face: dtypes, views, indexing, reading, and methods that are functions too. */
import { describe, expect, test } from "vitest";
import * as torch from "torchlet";
import {
  arange,
  ArgumentError,
  type DType,
  DtypeError,
  IndexError,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from "torchlet";

const ints = (...values: number[]): Tensor => tensor(Int32Array.from(values));
const leaf = (...values: number[]): Tensor => tensor(values, { requiresGrad: true });
/** 0 to 11 in 3 rows. */
const grid = (): Tensor => arange(12).reshape(3, 4);

describe("dtypes of results", () => {
  const [f, i, b] = [tensor([1.5]), ints(2), tensor([true])];
  // What the golden tables do not have; int32 is PyTorch's int64.
  test.each<[what: string, result: Tensor, dtype: DType]>([
    ["bool + 1", b.add(1), "int32"],
    ["bool + 1.5", b.add(1.5), "float32"],
    ["1 - int32", torch.sub(1, i), "int32"],
    ["2.5 ** int32", torch.pow(2.5, i), "float32"],
    ["int32 / 2", i.div(2), "float32"],
    ["int32 // 2", i.floorDivide(2), "int32"],
    ["int32 % 2.5", i.remainder(2.5), "float32"],
    ["bool / bool", b.div(b), "float32"],
    ["int32 with a float32 without dimensions", i.mul(tensor(2.5)), "float32"],
    ["maximum of int32 and float32", torch.maximum(i, f), "float32"],
    ["where of int32 and a fraction", torch.where(b, i, 0.5), "float32"],
    ["where of int32 and an integer", torch.where(b, i, 1), "int32"],
    ["cat of bool and int32", torch.cat([b, i]), "int32"],
    ["exp of int32", i.exp(), "float32"],
    ["square of int32", i.square(), "int32"],
    ["floor of int32", i.floor(), "int32"],
    ["reciprocal of int32", i.reciprocal(), "float32"],
    ["clamp of int32", i.clamp(0, 1), "int32"],
    ["clamp of int32 by a fraction", i.clamp(0.5, 1), "float32"],
    ["cumsum of bool", b.cumsum(0), "int32"],
    ["prod of int32", i.prod(), "int32"],
    ["max of bool", b.max(), "bool"],
    ["comparison", i.eq(f), "bool"],
    ["logic", f.logicalAnd(i), "bool"],
    ["any", f.any(), "bool"],
    ["argmax", f.argmax(), "int32"],
  ])("%s", (_, result, dtype) => {
    expect(result.dtype).toBe(dtype);
  });

  test("in place the dtype stays, or the operation is refused", async () => {
    expect(await tensor([1.5]).add_(ints(1)).tolist()).toEqual([2.5]);
    expect(await tensor([false]).fill_(true).tolist()).toEqual([true]);
    expect(
      await ints(1)
        .copy_(tensor([1.7]))
        .tolist(),
    ).toEqual([1]);
    for (const f of [
      () => ints(1).add_(tensor([1.5])),
      () => ints(1).mul_(1.5),
      () => ints(1).div_(2),
      () => tensor([true]).add_(1),
    ]) {
      expect(f).toThrow(DtypeError);
      expect(f).toThrow(/result type (float32|int32) can't be cast to the desired output type/);
    }
  });

  test("conversions", async () => {
    const x = tensor([1.5, -1.5, 0, NaN]);
    expect(await x.bool().tolist()).toEqual([true, true, false, true]);
    expect(await x.slice({ end: 2 }).int().tolist()).toEqual([1, -1]);
    expect([x.long(), x.float(), x.to("bool")].map((t) => t.dtype)).toEqual([
      "int32",
      "float32",
      "bool",
    ]);
    for (const same of [x.float(), x.to("float32"), x.to(x.device), x.contiguous()]) {
      expect(same === x).toBe(true);
    }
    expect(leaf(1).int().requiresGrad).toBe(false);
  });
});

describe("views", () => {
  const VIEWS: [what: string, view: (x: Tensor) => Tensor, offset: number, stride: number[]][] = [
    ["view", (x) => x.view(2, 6), 0, [6, 1]],
    ["reshape", (x) => x.reshape(6, -1), 0, [2, 1]],
    ["flatten", (x) => x.flatten(), 0, [1]],
    ["t", (x) => x.t(), 0, [1, 4]],
    ["T", (x) => x.T, 0, [1, 4]],
    ["permute", (x) => x.permute(1, 0), 0, [1, 4]],
    ["unsqueeze", (x) => x.unsqueeze(1), 0, [4, 4, 1]],
    ["unsqueeze at the end", (x) => x.unsqueeze(-1), 0, [4, 1, 1]],
    ["squeeze", (x) => x.squeeze(), 0, [4, 1]],
    ["expand", (x) => x.expand(2, 3, 4), 0, [0, 4, 1]],
    ["select", (x) => x.select(0, 1), 4, [1]],
    ["slice", (x) => x.slice({ dim: 1, start: 1, step: 2 }), 1, [4, 2]],
    ["narrow", (x) => x.narrow(1, -2, 2), 2, [4, 1]],
    ["at with a number", (x) => x.at(-1), 8, [1]],
    ["at with ranges", (x) => x.at([1], [null, null, 2]), 4, [4, 2]],
    ["split", (x) => x.split(2, 1)[1]!, 2, [4, 1]],
    ["chunk", (x) => x.chunk(2)[1]!, 8, [4, 1]],
    ["unbind", (x) => x.unbind(1)[2]!, 2, [4]],
    ["an iterator", (x) => [...x][2]!, 8, [1]],
    ["detach", (x) => x.detach(), 0, [4, 1]],
  ];

  test.each(VIEWS)("%s shares memory", async (_, view, offset, stride) => {
    const x = grid();
    const v = view(x);
    expect([v.storageOffset(), v.stride()]).toEqual([offset, stride]);
    const flat = x.flatten();
    flat.at(offset).fill_(-1);
    expect((await v.data())[0]).toBe(-1);
    expect(v.version).toBe(x.version);
  });

  test.each<[what: string, copy: (x: Tensor) => Tensor]>([
    ["clone", (x) => x.clone()],
    ["reshape of a transposed tensor", (x) => x.t().reshape(12)],
    ["contiguous of a transposed tensor", (x) => x.t().contiguous()],
    ["at with a tensor", (x) => x.at(ints(0, 1))],
    ["indexSelect", (x) => x.indexSelect(0, ints(0))],
    ["flip", (x) => x.flip(0).flip(0)],
    ["cat", (x) => torch.cat([x])],
    ["repeat", (x) => x.repeat(1, 1)],
    ["to another dtype", (x) => x.to("float32")],
    ["tensor", (x) => tensor(x)],
  ])("%s copies", async (_, copy) => {
    const x = grid();
    const y = copy(x);
    x.fill_(-1);
    expect(y.isContiguous()).toBe(true);
    expect((await y.data())[0]).toBe(0);
  });

  test("contiguous is what lies in row-major order", () => {
    const x = grid();
    expect([x, x.at(0), x.at([0, 1]).t(), x.view(2, 6)].map((t) => t.isContiguous())).toEqual(
      Array(4).fill(true),
    );
    expect([x.t(), x.at(":", 0), x.at(":", [1]), x.expand(2, 3, 4)].map((t) => t.isContiguous())) // prettier-ignore
      .toEqual(Array(4).fill(false));
    expect([zeros(0, 3), zeros(2, 0, 3), zeros()].map((t) => t.stride())).toEqual([
      [3, 1],
      [3, 3, 1],
      [],
    ]);
    expect(() => x.t().view(12)).toThrow(/view size is not compatible.*Use reshape/);
  });

  test("shapes", () => {
    const x = grid();
    expect([x.shape, x.size(), x.size(0), x.size(-1), x.ndim, x.dim(), x.numel()]).toEqual([
      [3, 4],
      [3, 4],
      3,
      4,
      2,
      2,
      12,
    ]);
    expect(() => x.size(2)).toThrow(IndexError);
    expect(() => ((x.shape as number[])[0] = 5)).toThrow(TypeError);
  });
});

describe("at() is Python's indexing", () => {
  test.each<[python: string, index: torch.Index[], shape: number[], first: number | undefined]>([
    ["x[1]", [1], [4], 4],
    ["x[-1]", [-1], [4], 8],
    ["x[1, 2]", [1, 2], [], 6],
    ["x[1:]", [[1]], [2, 4], 4],
    ["x[:2]", [[null, 2]], [2, 4], 0],
    ["x[-2:]", [[-2]], [2, 4], 4],
    ["x[::2]", [[null, null, 2]], [2, 4], 0],
    ["x[5:]", [[5]], [0, 4], undefined],
    ["x[2:1]", [[2, 1]], [0, 4], undefined],
    ["x[:, 1]", [":", 1], [3], 1],
    ["x[:, 1:3]", [":", [1, 3]], [3, 2], 1],
    ["x[..., 1]", ["...", 1], [3], 1],
    ["x[1, ...]", [1, "..."], [4], 4],
    ["x[None, ..., 2]", [null, "...", 2], [1, 3], 2],
    ["x[..., None]", ["...", null], [3, 4, 1], 0],
    ["x[...]", ["..."], [3, 4], 0],
    ["x[tensor([2, 0])]", [ints(2, 0)], [2, 4], 8],
    ["x[1:, tensor([3])]", [[1], ints(3)], [2, 1], 7],
    ["x[tensor(1)]", [ints(1).squeeze()], [4], 4],
    ["x[tensor(1), 1:]", [ints(1).squeeze(), [1]], [3], 5],
  ])("%s", async (_, index, shape, first) => {
    const picked = grid().at(...index);
    expect(picked.shape).toEqual(shape);
    expect((await picked.data())[0]).toBe(first);
  });

  test.each<[what: string, index: unknown[], type: new (m: string) => Error]>([
    ["an index outside", [3], IndexError],
    ["an index before the start", [-4], IndexError],
    ["too many indices", [0, 0, 0], IndexError],
    ["two ellipses", ["...", "..."], ArgumentError],
    ["a fraction", [0.5], ArgumentError],
    ["a step backwards", [[null, null, -1]], ArgumentError],
    ["a mask", [tensor([true, false, true])], DtypeError],
    ["a word", ["all"], ArgumentError],
    ["a boolean", [true], ArgumentError],
    ["nothing", [undefined], ArgumentError],
  ])("refuses %s", (_, index, type) => {
    const f = (): Tensor => grid().at(...(index as torch.Index[]));
    expect(f).toThrow(type);
    expect(f).toThrow(/^at: /);
  });
});

describe("reading", () => {
  test("the awaited forms and those for the CPU agree", async () => {
    for (const x of [tensor(2.5), grid(), grid().t(), tensor([[true]]), zeros(2, 0)]) {
      expect(await x.data()).toEqual(x.dataSync());
      expect(await x.tolist()).toEqual(x.tolistSync());
    }
    const constructors = [tensor([1]), ints(1), tensor([true])].map(
      (x) => x.dataSync().constructor,
    );
    expect(constructors).toEqual([Float32Array, Int32Array, Uint8Array]);
    expect(grid().at([0, 2], [1, 3]).tolistSync()).toEqual([[1, 2], [5, 6]]); // prettier-ignore
    expect([tensor(2.5), tensor([[[7]]]), ints(-3), tensor(true)].map((x) => x.itemSync())).toEqual(
      [2.5, 7, -3, 1],
    );
    expect(await leaf(4).item()).toBe(4);
  });

  test("data is a copy, as it was at the time of the call", async () => {
    const x = tensor([1, 2]);
    const reading = x.data();
    x.fill_(5);
    const data = await reading;
    expect(data).toEqual(Float32Array.of(1, 2));
    data.fill(9);
    expect(x.tolistSync()).toEqual([5, 5]);
  });

  test("what has no single value has no item", async () => {
    await expect(tensor([1, 2]).item()).rejects.toThrow(/item: .*\[2\]/);
    await expect(tensor([]).item()).rejects.toThrow(ShapeError);
  });

  test("a tensor is no JavaScript number, but it is text", () => {
    const x: unknown = tensor(3);
    expect(() => (x as number) * 2).toThrow(/not a number.*await x\.item\(\)/);
    expect(() => (x as number) > 2).toThrow(ArgumentError);
    expect(() => Math.max(x as number, 0)).toThrow(ArgumentError);
    expect("x is " + String(x)).toBe("x is tensor(3.)");
  });

  test("iteration gives the slices of the first dimension", () => {
    expect([...grid()].map((row) => row.tolistSync())).toEqual(grid().tolistSync());
    expect([...zeros(0, 2)]).toEqual([]);
    expect(() => [...tensor(1)]).toThrow(/iteration over a tensor without dimensions/);
  });
});

describe("a dimension stands alone, before the options, or among them", () => {
  const x = grid().float();
  test.each<[what: string, results: Tensor[]]>([
    ["sum", [x.sum(1, { keepdim: true }), x.sum({ dim: 1, keepdim: true }), x.sum([1], { keepdim: true })]], // prettier-ignore
    ["mean of everything", [x.mean(null, { keepdim: true }), x.mean({ keepdim: true }), x.mean(undefined, { keepdim: true })]], // prettier-ignore
    ["std", [x.std(0, { correction: 0 }), x.std({ dim: 0, correction: 0 })]],
    ["argmax", [x.argmax(1, { keepdim: true }), x.argmax({ dim: 1, keepdim: true })]],
    ["max", [x.max(1, { keepdim: true })[0], x.max({ dim: 1, keepdim: true })[0]]],
    ["norm", [x.norm(1, { dim: 1 }), x.norm({ p: 1, dim: 1 }), x.abs().sum(1)]],
    ["norm of everything", [x.norm(1), x.norm({ p: 1 }), x.sum()]],
    ["softmax", [x.softmax(1), x.softmax({ dim: 1 })]],
    ["cat", [torch.cat([x, x], 1), torch.cat([x, x], { dim: 1 })]],
  ])("%s", (_, [first, ...others]) => {
    for (const other of others) {
      expect([other.shape, other.tolistSync()]).toEqual([first!.shape, first!.tolistSync()]);
    }
  });
});

describe("what is a method in PyTorch and a function is both here", () => {
  const x = tensor([
    [0.5, 2],
    [1, 0.25],
  ]);
  const [mask, index] = [x.gt(0.75), tensor([[0], [1]], { dtype: "int32" })];
  type Both = keyof typeof torch & keyof Tensor;
  const ALONE = (
    "abs all any argmax argmin ceil clone cos detach erf exp expm1 flatten floor isfinite isinf isnan log log10 " +
    "log1p log2 logicalNot max mean min neg norm numel prod reciprocal relu round rsqrt sigmoid sign sin sqrt " +
    "square squeeze std sum t tan tanh trunc var"
  ).split(" ") as Both[];

  test.each<[name: Both, ...args: unknown[]]>([
    ...ALONE.map((name): [Both] => [name]),
    ["add", x, { alpha: 2 }],
    ["sub", 1],
    ["mul", x],
    ["div", 2],
    ["pow", 2],
    ["remainder", 2],
    ["floorDivide", 2],
    ["maximum", 1],
    ["minimum", x],
    ["eq", x],
    ["ne", 1],
    ["lt", 1],
    ["le", 1],
    ["gt", 1],
    ["ge", 1],
    ["atan2", x],
    ["logicalAnd", x],
    ["logicalOr", x],
    ["logicalXor", x],
    ["clamp", 0.5, 1],
    ["maskedFill", mask, 3],
    ["amax", { dim: 1 }],
    ["amin", 0],
    ["logsumexp", 1],
    ["max", 1],
    ["min", { dim: 1, keepdim: true }],
    ["softmax", 1],
    ["logSoftmax", { dim: 0 }],
    ["cumsum", 1],
    ["matmul", x],
    ["mm", x],
    ["mv", x.at(0)],
    ["reshape", [4]],
    ["permute", [1, 0]],
    ["transpose", 0, 1],
    ["unsqueeze", 0],
    ["flip", [0]],
    ["narrow", 1, 0, 1],
    ["select", 0, 1],
    ["indexSelect", 1, index.squeeze()],
    ["gather", 1, index],
    ["split", 1],
    ["chunk", 2, 1],
    ["unbind", { dim: 1 }],
    ["unflatten", 1, [2, 1]],
    ["allcloseSync", x],
    ["equalSync", x],
  ])("%s", (name, ...args) => {
    const method = Reflect.get(x, name) as (...args: unknown[]) => unknown;
    const f = torch[name] as (...args: unknown[]) => unknown;
    expect(readable(method.apply(x, args))).toEqual(readable(f(x, ...args)));
  });

  test("where and bernoulli", () => {
    expect(x.where(mask, 0).tolistSync()).toEqual(torch.where(mask, x, 0).tolistSync());
    const p = tensor([0, 1, 1]);
    expect([p.bernoulli(), torch.bernoulli(p)].map((t) => t.tolistSync())).toEqual([
      [0, 1, 1],
      [0, 1, 1],
    ]);
  });
});

/** Tensors as lists, to be compared. */
function readable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(readable);
  return value instanceof torch.Tensor ? [value.dtype, value.tolistSync()] : value;
}
