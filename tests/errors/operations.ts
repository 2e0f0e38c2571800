/** @file Every operation with a good call and the kinds of its arguments, for the error tests. */
import { device } from "../device.js";
import { ones, tensor, torch } from "../on-device.js";
import {
  count,
  counts,
  dim,
  dims,
  flag,
  ints,
  left,
  later,
  operand,
  optional,
  probability,
  real,
  sizes,
  t,
  tensors,
  without,
  word,
  x,
} from "./arguments.js";
import { layers } from "./layers.js";
import { from, method, type Row } from "./look-up.js";
import type { Operation } from "./mutate.js";

const UNARY =
  `neg abs sign exp expm1 log log1p log2 log10 sqrt rsqrt square reciprocal sin cos tan tanh sigmoid relu erf
  floor ceil round trunc logicalNot isnan isinf isfinite clone`.split(/\s+/);
const BINARY = "add sub mul div pow maximum minimum remainder floorDivide eq ne lt le gt ge".split(
  " ",
);
const LOGICAL = "logicalAnd logicalOr logicalXor atan2".split(" ");
const REDUCTIONS = "sum mean prod amax amin all any logsumexp std".split(" ");
const UNARY_IN_PLACE = "neg_ abs_ exp_ log_ sqrt_ square_ tanh_ sigmoid_ relu_ zero_".split(" ");
const BINARY_IN_PLACE = "add_ sub_ mul_ div_ pow_".split(" ");

const SUM = { dim: optional(dim(1)), keepdim: flag(true) };
const GENERATOR = { good: null, bad: [3, "x", {}] };
const MAKE = {
  dtype: word("float32"),
  requiresGrad: flag(false),
  device: word(device),
  nonsense: { good: 1, bad: [1] },
};

const POINTWISE: Row[] = [
  ...UNARY.map((name): Row => [name, [t(2, 3)]]),
  ...BINARY.map((name): Row => [name, [left(ones(2, 3)), operand(ones(3))]]),
  ...LOGICAL.map((name): Row => [name, [t(2, 3), t(3)]]),
  ["clamp", [t(2, 3), optional(real(0)), optional(real(1))]],
  ["where", [x(ones(2, 3).gt(0)), operand(ones(3)), operand(ones(3))]],
  ["maskedFill", [t(2, 3), x(ones(3).gt(0)), without(real(2), true)]],
];

const MOVES: Row[] = [
  ["reshape", [t(2, 3), counts([3, 2], -1)]],
  ["transpose", [t(2, 3), dim(0), dim(1)]],
  ["unsqueeze", [t(2, 3), dim(1)]],
  ["flip", [t(2, 3), optional(dims([0, 1]))]],
  ["indexSelect", [t(2, 3), dim(1), ints(0, 2)]],
  ["gather", [t(2, 3), dim(1), x(torch.zeros(2, 2, { dtype: "int32" }))]],
  ["cat", [tensors(ones(2, 3), ones(2, 3))], { dim: dim(1) }],
  ["stack", [tensors(ones(2, 3), ones(2, 3))], { dim: dim(1) }],
];

const REDUCED: Row[] = [
  ...REDUCTIONS.map((name): Row => [name, [t(2, 3)], SUM]),
  ["max", [t(2, 3)], SUM],
  ["min", [t(2, 3)], SUM],
  ["argmax", [t(2, 3)], SUM],
  ["argmin", [t(2, 3)], SUM],
  ["norm", [t(2, 3)], { ...SUM, p: real(2) }],
  ["softmax", [t(2, 3), dim(1)]],
  ["logSoftmax", [t(2, 3), dim(1)]],
  ["cumsum", [t(2, 3), dim(1)]],
  ["matmul", [t(2, 3), t(3, 4)]],
  ["mm", [t(2, 3), t(3, 4)]],
  ["bmm", [t(2, 2, 3), t(2, 3, 4)]],
];

const MADE: Row[] = [
  ["zeros", [sizes([2, 3])], MAKE],
  ["ones", [sizes([2, 3])], MAKE],
  ["full", [counts([2, 3]), without(real(1), true)], MAKE],
  ["rand", [sizes([2, 3])], { generator: GENERATOR }],
  ["randn", [sizes([2, 3])], { generator: GENERATOR }],
  ["randint", [real(0), real(10), counts([2, 3])], { generator: GENERATOR }],
  ["randperm", [count(5)], { generator: GENERATOR }],
  ["eye", [count(3)]],
  ["bernoulli", [x(tensor([0.5, 0.1]))], { generator: GENERATOR }],
  ["manualSeed", [{ good: 1, bad: ["1", null, {}, NaN, 2.5, Infinity] }]],
];

const METHODS: Row[] = [
  ["view", [t(2, 3), count(6, -1)]],
  ["reshape", [t(2, 3), count(6, -1)]],
  ["permute", [t(2, 3), dim(0), dim(1)]],
  ["expand", [t(2, 1), count(2, -1), count(3, -1)]],
  ["flatten", [t(2, 3, 4), optional(dim(0)), optional(dim(1))]],
  ["transpose", [t(2, 3), dim(0), dim(1)]],
  ["narrow", [t(2, 3), dim(1), real(0), count(2)]],
  ["select", [t(2, 3), dim(1), dim(2)]],
  ["slice", [t(2, 3)], { dim: dim(1), step: count(1, 1), start: real(0), end: real(3) }],
  ["maskedFill_", [t(2, 3), x(ones(3).gt(0)), without(real(2), true)]],
  ["copy_", [t(2, 3), t(3)]],
  ["fill_", [t(2, 3), without(real(1), true)]],
  ["clamp_", [t(2, 3), optional(real(0)), optional(real(1))]],
  ["uniform_", [t(2, 3), later(real(0)), later(real(1))]],
  ["normal_", [t(2, 3), later(real(0)), later(real(1))]],
  ["bernoulli_", [t(2, 3), later(probability(0.5))]],
  ...UNARY_IN_PLACE.map((name): Row => [name, [t(2, 3)]]),
  ...BINARY_IN_PLACE.map((name): Row => [name, [t(2, 3), operand(ones(3))]]),
  ["to", [t(2), word("int32")]],
  ["requiresGrad_", [t(2), later(flag(true))]],
];

/** All of them. */
export const operations: Record<string, Operation[]> = {
  functions: [...POINTWISE, ...MOVES, ...REDUCED, ...MADE].map(from(torch)),
  methods: METHODS.map(method),
  ...layers,
};
