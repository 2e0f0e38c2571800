/** @file How tensors are made: dtypes, shapes, options and refusals. */
import { describe, expect, test } from "vitest";
import * as torch from "torchlet";
import {
  arange,
  ArgumentError,
  type DType,
  DtypeError,
  full,
  noGrad,
  ones,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from "torchlet";

const ints = (...values: number[]): Tensor => tensor(Int32Array.from(values));
const leaf = (...values: number[]): Tensor => tensor(values, { requiresGrad: true });

/** Shape and dtype in short. */
const kind = (x: Tensor): string => `${x.dtype} [${x.shape.join(", ")}]`;

describe("tensor()", () => {
  test.each<[what: string, made: Tensor, kind: string, list: torch.NestedList]>([
    ["a number", tensor(2.5), "float32 []", 2.5],
    ["whole numbers", tensor([1, 2]), "float32 [2]", [1, 2]],
    ["a boolean", tensor(true), "bool []", true],
    ["booleans", tensor([[true], [false]]), "bool [2, 1]", [[true], [false]]],
    ["an empty list", tensor([]), "float32 [0]", []],
    ["empty rows", tensor([[], []]), "float32 [2, 0]", [[], []]],
    ["Float32Array", tensor(Float32Array.of(0.5, 2)), "float32 [2]", [0.5, 2]],
    ["Float64Array", tensor(Float64Array.of(0.5)), "float32 [1]", [0.5]],
    ["Int32Array", tensor(Int32Array.of(-5, 7)), "int32 [2]", [-5, 7]],
    ["Int8Array", tensor(Int8Array.of(-5)), "int32 [1]", [-5]],
    ["Uint8Array", tensor(Uint8Array.of(255)), "int32 [1]", [255]],
    ["Uint8ClampedArray", tensor(Uint8ClampedArray.of(255)), "int32 [1]", [255]],
    ["Uint16Array", tensor(Uint16Array.of(65535)), "int32 [1]", [65535]],
    ["Uint32Array", tensor(Uint32Array.of(7)), "int32 [1]", [7]],
    ["BigInt64Array", tensor(BigInt64Array.of(-7n)), "int32 [1]", [-7]],
    ["BigUint64Array", tensor(BigUint64Array.of(7n)), "int32 [1]", [7]],
    ["typed arrays in a list", tensor([[1, 2], Float32Array.of(3, 4)] as number[][]), "float32 [2, 2]", [[1, 2], [3, 4]]], // prettier-ignore
    ["numbers as int32", tensor([1.7, -1.7], { dtype: "int32" }), "int32 [2]", [1, -1]],
    ["numbers as bool", tensor([0, 0.5, NaN], { dtype: "bool" }), "bool [3]", [false, true, true]],
    ["integers as float32", tensor(ints(3), { dtype: "float32" }), "float32 [1]", [3]],
    ["a typed array with a shape", tensor(new Float32Array(6), { shape: [1, 3, 2] }), "float32 [1, 3, 2]", [[[0, 0], [0, 0], [0, 0]]]], // prettier-ignore
    ["a list with a shape", tensor([1, 2], { shape: [2, 1] }), "float32 [2, 1]", [[1], [2]]],
    ["one element without dimensions", tensor([5], { shape: [] }), "float32 []", 5],
    ["a tensor with a shape", tensor(ints(1, 2), { shape: [2, 1] }), "int32 [2, 1]", [[1], [2]]],
  ])("%s", async (_, made, expected, list) => {
    expect(kind(made)).toBe(expected);
    expect(await made.tolist()).toEqual(list);
    expect([made.requiresGrad, made.isLeaf, made.device]).toEqual([false, true, "cpu"]);
  });

  test("copies what it is given", async () => {
    const data = Float32Array.of(1, 2);
    const [a, x] = [tensor(data), leaf(3, 4)];
    const copy = tensor(x);
    data.fill(9);
    noGrad(() => x.fill_(9));
    expect(await a.tolist()).toEqual([1, 2]);
    expect(await copy.tolist()).toEqual([3, 4]);
    expect([copy.requiresGrad, copy.isLeaf]).toEqual([false, true]);
  });

  test.each([
    [tensor([1], { requiresGrad: true })],
    [zeros(2, { requiresGrad: true })],
    [torch.randn([2], { requiresGrad: true })],
    [arange(0, 1, 0.5, { requiresGrad: true })],
    [torch.eye(2, { requiresGrad: true })],
    [torch.zerosLike(ones(2), { requiresGrad: true })],
  ])("requiresGrad makes a leaf: %s", (x) => {
    expect([x.requiresGrad, x.isLeaf, x.gradFn, x.grad]).toEqual([true, true, null, null]);
  });

  test.each<[what: string, make: () => Tensor, type: new (m: string) => Error, message: RegExp]>([
    ["rows of two lengths", () => tensor([[1, 2], [3]]), ShapeError, /data\[1\] has 1 elements where 2/], // prettier-ignore
    ["a row among numbers", () => tensor([1, [2]]), ShapeError, /data\[1\] has 1 elements where a number/], // prettier-ignore
    ["numbers among booleans", () => tensor([true, 1]), ArgumentError, /data\[1\] is 1 where a boolean/], // prettier-ignore
    ["a shape that does not fit", () => tensor([1, 2, 3], { shape: [2, 2] }), ShapeError, /\[2, 2\] has 4 elements, the data has 3/], // prettier-ignore
    ["what int32 cannot hold", () => tensor(Uint32Array.of(2 ** 31)), ArgumentError, /2147483648 does not fit into int32/], // prettier-ignore
    ["NaN as int32", () => tensor([NaN], { dtype: "int32" }), ArgumentError, /NaN does not fit/],
    ["int32 with a gradient", () => tensor([1], { dtype: "int32", requiresGrad: true }), DtypeError, /only float32 tensors can require gradients/], // prettier-ignore
  ])("refuses %s", (_, make, type, message) => {
    expect(make).toThrow(type);
    expect(make).toThrow(message);
  });
});

describe("making tensors", () => {
  test.each<[what: string, made: Tensor, kind: string, list: torch.NestedList]>([
    ["sizes one by one", zeros(2, 1), "float32 [2, 1]", [[0], [0]]],
    ["sizes as a list", ones([2, 1]), "float32 [2, 1]", [[1], [1]]],
    ["no sizes", zeros(), "float32 []", 0],
    ["an empty list of sizes", ones([]), "float32 []", 1],
    ["options after sizes", zeros(1, 2, { dtype: "int32" }), "int32 [1, 2]", [[0, 0]]],
    ["options after a list", ones([2], { dtype: "bool" }), "bool [2]", [true, true]],
    ["full with a number", full([2], 3), "float32 [2]", [3, 3]],
    ["full with a boolean", full([2], true), "bool [2]", [true, true]],
    ["full with a dtype", full([], 3.7, { dtype: "int32" }), "int32 []", 3],
    ["zerosLike keeps the dtype", torch.zerosLike(ints(1)), "int32 [1]", [0]],
    ["onesLike with another dtype", torch.onesLike(ints(1), { dtype: "float32" }), "float32 [1]", [1]], // prettier-ignore
    ["fullLike with a boolean", torch.fullLike(tensor([false]), true), "bool [1]", [true]],
    ["arange of integers", arange(1, 4), "int32 [3]", [1, 2, 3]],
    ["arange with a fraction", arange(0, 1, 0.5), "float32 [2]", [0, 0.5]],
    ["arange downwards", arange(3, 0, -1), "int32 [3]", [3, 2, 1]],
    ["arange of nothing", arange(5, 5), "int32 [0]", []],
    ["arange as float32", arange(2, { dtype: "float32" }), "float32 [2]", [0, 1]],
    ["linspace as int32", torch.linspace(0, 10, 5, { dtype: "int32" }), "int32 [5]", [0, 2, 5, 7, 10]], // prettier-ignore
    ["linspace of nothing", torch.linspace(0, 1, 0), "float32 [0]", []],
    ["eye as bool", torch.eye(1, 2, { dtype: "bool" }), "bool [1, 2]", [[true, false]]],
    ["eye without columns", torch.eye(2, 0), "float32 [2, 0]", [[], []]],
    ["randint of one value", torch.randint(3, 4, [2]), "int32 [2]", [3, 3]],
    ["randint from 0", torch.randint(1, [2], { dtype: "float32" }), "float32 [2]", [0, 0]],
    ["randLike has the shape only", torch.randLike(zeros(0, 2, { dtype: "int32" })), "float32 [0, 2]", []], // prettier-ignore
  ])("%s", async (_, made, expected, list) => {
    expect(kind(made)).toBe(expected);
    expect(await made.tolist()).toEqual(list);
  });

  test("*Like does not take over requiresGrad", () => {
    const x = leaf(1);
    const made = [torch.zerosLike(x), torch.onesLike(x), torch.randLike(x), torch.randnLike(x)];
    expect(made.map((t) => t.requiresGrad)).toEqual([false, false, false, false]);
  });

  test.each<[what: string, make: () => Tensor, type: new (m: string) => Error]>([
    ["arange against its step", () => arange(5, 1), ArgumentError],
    ["arange to NaN", () => arange(NaN), ArgumentError],
    ["arange beyond int32", () => arange(2 ** 31, 2 ** 31 + 2), ArgumentError],
    ["linspace beyond int32", () => torch.linspace(0, 1e10, 2, { dtype: "int32" }), ArgumentError],
    ["full beyond int32", () => full([1], 1e10, { dtype: "int32" }), ArgumentError],
    ["random fractions as int32", () => torch.rand(2, { dtype: "int32" }), DtypeError],
    ["random fractions as bool", () => torch.randn([2], { dtype: "bool" }), DtypeError],
    ["a dtype of PyTorch's", () => zeros(2, { dtype: "float64" as DType }), ArgumentError],
    ["an option that is not there", () => zeros(2, { type: "int32" } as object), ArgumentError],
  ])("refuses %s", (_, make, type) => {
    expect(make).toThrow(type);
  });
});
