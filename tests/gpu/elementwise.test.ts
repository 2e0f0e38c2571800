/** @file Elementwise functions on the GPU over all of float32's range, as on the CPU. */
import { describe, expect, test } from "vitest";
import * as torchlet from "torchlet";
import { type Device, type Tensor, tensor } from "torchlet";
import { device } from "../device.js";

/** Both signs of magnitudes from the smallest normal number to the largest, and what is special. */
const WIDE = [
  0,
  2 ** -126,
  1e-30,
  1e-10,
  1e-5,
  1e-3,
  0.01,
  0.1,
  0.2499,
  0.3,
  0.35,
  0.41,
  0.5,
  0.6999,
]
  .concat([
    0.7, 0.78, 0.79, 0.9, 0.99999, 1, 1.00001, 1.1, 1.4142, 1.5, 1.5707964, 2, 2.5, 3, 3.1415927,
  ])
  .concat([
    3.5, 4, 5.5, 6, 7.9, 9, 10, 15, 20, 20.1, 42.7, 64, 80, 88, 100, 355, 1e3, 10367.5, 65537, 1e6,
  ])
  .concat([8388607.5, 8388609, 16777217, 1e9, 4294967296, 1e10, 1e20, 1e37, 3.4e38, Infinity, NaN])
  .flatMap((x) => [x, -x]);

/** What a GPU may flush to 0, times a number below 100. */
const FLUSHED = 1.2e-36;
/** Roundings of numbers near 1: where 1 + tanh(x) or 1 - tanh(x)^2 is near 0 they are all of it. */
const ATOL: Record<string, number> = { "gelu, tanh": 3e-7 };
const GRADIENT_ATOL: Record<string, number> = { tanh: 3e-7, "gelu, tanh": 1e-6 };

/** As close as float32's rounding asks it of a few operations. */
function check(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: (i: number) => string,
  atol = FLUSHED,
): void {
  const wrong: string[] = [];
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    const same = Object.is(a, e) || a === e || Math.abs(a - e) <= atol + 1e-5 * Math.abs(e);
    if (!same) wrong.push(`${what(i)} is ${a} on webgpu, ${e} on cpu`);
  }
  expect(wrong, `${wrong.length} of ${expected.length}`).toEqual([]);
}

type Unary = (x: Tensor) => Tensor;

const UNARY: Record<string, Unary> = Object.fromEntries(
  (
    [
      [
        "neg",
        "abs",
        "sign",
        "square",
        "exp",
        "expm1",
        "log",
        "log1p",
        "log2",
        "log10",
        "sqrt",
        "rsqrt",
      ],
      [
        "reciprocal",
        "sin",
        "cos",
        "tan",
        "tanh",
        "sigmoid",
        "relu",
        "erf",
        "floor",
        "ceil",
        "round",
      ],
      ["trunc", "isnan", "isinf", "isfinite", "logicalNot"],
    ] as const
  )
    .flat()
    .map((name) => [name, (x: Tensor) => x[name]()]),
);
for (const name of [
  "relu6",
  "silu",
  "mish",
  "hardswish",
  "hardsigmoid",
  "logsigmoid",
  "softplus",
  "gelu",
] as const) {
  UNARY[name] = (x) => torchlet.functional[name](x);
}
UNARY["gelu, tanh"] = (x) => torchlet.functional.gelu(x, { approximate: "tanh" });
UNARY.elu = (x) => torchlet.functional.elu(x, { alpha: 0.7 });
UNARY["clamp from below"] = (x) => x.clamp({ min: -2.5 });
UNARY["to int32 and back"] = (x) => x.clamp(-1e9, 1e9).to("int32").to("float32");
for (const exponent of [-3, -1, -0.5, 0, 0.5, 1, 2, 3, 7, 31, 65, 2.7, Infinity, -Infinity, NaN]) {
  UNARY[`x^${exponent}`] = (x) => x.pow(exponent);
}
for (const base of [-2, 0, 0.3, 1, 2, 10]) UNARY[`${base}^x`] = (x) => torchlet.pow(base, x);
for (const divisor of [3, -3, 0.3, 1e-20, 7e20, Infinity]) {
  UNARY[`remainder of ${divisor}`] = (x) => x.remainder(divisor);
}
for (const divisor of [3, -7, 0.5, 1e20])
  UNARY[`floor of x / ${divisor}`] = (x) => x.floorDivide(divisor);
for (const other of [0, 1, Infinity, NaN]) {
  UNARY[`maximum of ${other}`] = (x) => x.maximum(other);
  UNARY[`x == ${other}`] = (x) => x.eq(other);
  UNARY[`x != ${other}`] = (x) => x.ne(other);
  UNARY[`x < ${other}`] = (x) => x.lt(other);
  UNARY[`x >= ${other}`] = (x) => x.ge(other);
}

const BINARY: Record<string, (x: Tensor, y: Tensor) => Tensor> = Object.fromEntries(
  (
    [
      [
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "maximum",
        "minimum",
        "remainder",
        "floorDivide",
        "atan2",
      ],
      ["eq", "ne", "lt", "le", "gt", "ge", "logicalAnd", "logicalOr", "logicalXor"],
    ] as const
  )
    .flat()
    .map((name) => [name, (x: Tensor, y: Tensor) => x[name](y)]),
);

describe.runIf(device === "webgpu")("float32", () => {
  test.each(Object.keys(UNARY))("%s", async (name) => {
    const f = UNARY[name]!;
    const results = [tensor(WIDE), tensor(WIDE, { device })].map((x) => f(x).data());
    const [expected, actual] = await Promise.all(results);
    check(actual!, expected!, (i) => `f(${WIDE[i]})`, ATOL[name]);
  });

  test.each(Object.keys(UNARY))("gradient of %s", async (name) => {
    const gradient = (on: Device): Tensor | null => {
      const x = tensor(WIDE, { device: on, requiresGrad: true });
      const y = UNARY[name]!(x);
      if (y.requiresGrad) y.backward(torchlet.fullLike(y, 0.75));
      return x.grad;
    };
    const [expected, actual] = [gradient("cpu"), gradient(device)];
    expect(actual === null).toBe(expected === null);
    if (!expected || !actual) return;
    check(await actual.data(), await expected.data(), (i) => `f'(${WIDE[i]})`, GRADIENT_ATOL[name]);
  });

  test.each(Object.keys(BINARY))("%s of all pairs", async (name) => {
    const f = BINARY[name]!;
    const results = [tensor(WIDE), tensor(WIDE, { device })].map((x) =>
      f(x.unsqueeze(1), x).data(),
    );
    const [expected, actual] = await Promise.all(results);
    const n = WIDE.length;
    check(actual!, expected!, (i) => `f(${WIDE[Math.floor(i / n)]}, ${WIDE[i % n]})`);
  });
});

describe.runIf(device === "webgpu")("int32", () => {
  const values = [0, 1, -1, 2, -3, 7, -7, 100, 46341, -65536, 2 ** 31 - 1, -(2 ** 31)];
  const x = Int32Array.from(values);

  test.each(Object.keys(BINARY))("%s of all pairs", async (name) => {
    const divides = name === "remainder" || name === "floorDivide";
    const y = Int32Array.from(divides ? values.slice(1) : values);
    const f = BINARY[name]!;
    const on = (options: object): Tensor => f(tensor(x, options).unsqueeze(1), tensor(y, options));
    const [expected, actual] = await Promise.all([on({}).data(), on({ device }).data()]);
    check(actual, expected, (i) => `f(${x[Math.floor(i / y.length)]}, ${y[i % y.length]})`);
  });

  test.each([-3, -2.5, 0, 0.5, 7, 2 ** 31 - 1, 2 ** 31, -1e12, Infinity, NaN])(
    "compared with %d",
    async (number) => {
      for (const name of ["eq", "ne", "lt", "le", "gt", "ge"] as const) {
        const results = [tensor(x), tensor(x, { device })].map((t) => t[name](number).data());
        const [expected, actual] = await Promise.all(results);
        check(actual!, expected!, (i) => `${name}(${x[i]}, ${number})`);
      }
    },
  );
});
