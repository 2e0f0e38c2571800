/** @file Every operation with a good call and the kinds of its arguments, for the error tests. */
import * as torch from "torchlet";
import { ones, tensor } from "torchlet";
import {
  type Argument,
  count,
  counts,
  dim,
  dims,
  flag,
  ints,
  maybeTensor,
  operand,
  pair,
  probability,
  real,
  t,
  tensors,
  word,
  x,
} from "./arguments.js";
import type { Operation } from "./mutate.js";

type Call = (...args: unknown[]) => unknown;
type Row = [name: string, args: Argument[], options?: Record<string, Argument>];

const namespace = torch as unknown as Record<string, Call>;
const functional = torch.functional as unknown as Record<string, Call>;

/** Look a function up when it is called, so that a missing one is a fault of its own row. */
const from =
  (source: Record<string, Call>) =>
  ([name, args, options]: Row): Operation => ({
    name,
    args,
    options,
    call: (...given) => source[name]!(...given),
  });

/** A method of the first argument, which then is a good tensor. */
const method = ([name, args, options]: Row): Operation => ({
  name,
  args: args.slice(1),
  options,
  call: (...given) => {
    const receiver = (args[0]!.good as torch.Tensor).clone() as unknown as Record<string, Call>;
    return receiver[name]!(...given);
  },
});

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

const SUM = { dim: dim(1), keepdim: flag(true) };
const GENERATOR = { good: null, bad: [3, "x", {}] };
const MAKE = {
  dtype: word("float32"),
  requiresGrad: flag(false),
  device: word("cpu"),
  nonsense: { good: 1, bad: [1] },
};

const POINTWISE: Row[] = [
  ...UNARY.map((name): Row => [name, [t(2, 3)]]),
  ...BINARY.map((name): Row => [name, [x(ones(2, 3)), operand(ones(3))]]),
  ...LOGICAL.map((name): Row => [name, [t(2, 3), t(3)]]),
  ["clamp", [t(2, 3)], { min: real(0), max: real(1) }],
  ["where", [x(ones(2, 3).gt(0)), operand(ones(3)), operand(ones(3))]],
  ["maskedFill", [t(2, 3), x(ones(3).gt(0)), real(2)]],
];

const MOVES: Row[] = [
  ["reshape", [t(2, 3), counts([3, 2], -1)]],
  ["transpose", [t(2, 3), dim(0), dim(1)]],
  ["unsqueeze", [t(2, 3), dim(1)]],
  ["flip", [t(2, 3), dims([0, 1])]],
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
  ["zeros", [counts([2, 3])], MAKE],
  ["ones", [counts([2, 3])], MAKE],
  ["full", [counts([2, 3]), real(1)], MAKE],
  ["rand", [counts([2, 3])], { generator: GENERATOR }],
  ["randn", [counts([2, 3])], { generator: GENERATOR }],
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
  ["flatten", [t(2, 3, 4), dim(0), dim(1)]],
  ["transpose", [t(2, 3), dim(0), dim(1)]],
  ["narrow", [t(2, 3), dim(1), real(0), count(2)]],
  ["select", [t(2, 3), dim(1), dim(2)]],
  ["slice", [t(2, 3)], { dim: dim(1), step: count(1, 1), start: real(0), end: real(3) }],
  ["maskedFill_", [t(2, 3), x(ones(3).gt(0)), real(2)]],
  ["copy_", [t(2, 3), t(3)]],
  ["fill_", [t(2, 3), real(1)]],
  ["clamp_", [t(2, 3)], { min: real(0), max: real(1) }],
  ["uniform_", [t(2, 3), real(0), real(1)]],
  ["normal_", [t(2, 3), real(0), real(1)]],
  ["bernoulli_", [t(2, 3), probability(0.5)]],
  ...UNARY_IN_PLACE.map((name): Row => [name, [t(2, 3)]]),
  ...BINARY_IN_PLACE.map((name): Row => [name, [t(2, 3), operand(ones(3))]]),
  ["to", [t(2), word("int32")]],
  ["requiresGrad_", [t(2), flag(true)]],
];

const CONV = { stride: pair(1, 1), padding: pair(0), dilation: pair(1, 1), groups: count(1, 1) };
const MAX_POOL = {
  stride: pair(1, 1),
  padding: pair(0),
  dilation: pair(1, 1),
  ceilMode: flag(true),
};
const AVG_POOL = {
  stride: pair(1, 1),
  padding: pair(0),
  ceilMode: flag(true),
  countIncludePad: flag(true),
  divisorOverride: count(3, 1),
};
const REDUCTION = { reduction: word("sum") };
const LOSSES = "mseLoss l1Loss smoothL1Loss".split(" ");

const FUNCTIONAL: Row[] = [
  ..."silu softplus gelu mish hardswish hardsigmoid relu6 logsigmoid leakyRelu elu"
    .split(" ")
    .map((name): Row => [name, [t(2, 3)]]),
  ["relu", [t(2, 3)], { inplace: flag(false) }],
  ["leakyRelu", [t(2, 3)], { negativeSlope: real(0.1), inplace: flag(false) }],
  ["elu", [t(2, 3)], { alpha: real(0.1) }],
  ["linear", [t(2, 3), t(4, 3), maybeTensor(ones(4))]],
  ["conv2d", [t(2, 4, 6, 6), t(4, 4, 3, 3), maybeTensor(ones(4))], CONV],
  ["maxPool2d", [t(2, 3, 6, 6), pair(2, 1)], MAX_POOL],
  ["avgPool2d", [t(2, 3, 6, 6), pair(2, 1)], AVG_POOL],
  ["dropout", [t(2, 3)], { p: probability(0.5), training: flag(true) }],
  ["dropout2d", [t(2, 3, 2, 2)], { p: probability(0.5), training: flag(true) }],
  [
    "crossEntropy",
    [t(2, 3), ints(0, 2)],
    {
      ...REDUCTION,
      weight: maybeTensor(ones(3)),
      labelSmoothing: probability(0.1),
      ignoreIndex: real(1),
    },
  ],
  [
    "nllLoss",
    [t(2, 3), ints(0, 2)],
    { ...REDUCTION, weight: maybeTensor(ones(3)), ignoreIndex: real(1) },
  ],
  ...LOSSES.map((name): Row => [name, [t(2, 3), t(2, 3)], REDUCTION]),
  ["binaryCrossEntropy", [t(2, 3), t(2, 3)], REDUCTION],
  ["oneHot", [ints(0, 2), count(3, 1)]],
  [
    "pad",
    [
      t(2, 3),
      {
        good: [1, 1],
        bad: [...counts([1, 1], -3).bad, [1], [1, 1, 1], [-9, 0], [1, 1, 1, 1, 1, 1]],
      },
    ],
    { value: real(0) },
  ],
];

const nn = torch.nn as unknown as Record<string, new (...args: unknown[]) => unknown>;
const optim = torch.optim as unknown as Record<string, new (...args: unknown[]) => unknown>;
const build =
  (source: typeof nn) =>
  ([name, args, options]: Row): Operation => ({
    name,
    args,
    options,
    call: (...given) => new source[name]!(...given),
  });

const BIAS = { bias: flag(true) };
const MODULES: Row[] = [
  ["Linear", [count(3, 1), count(4, 1)], BIAS],
  ["Conv2d", [count(4, 1), count(4, 1), pair(3, 1)], { ...CONV, ...BIAS }],
  ["MaxPool2d", [pair(2, 1)], MAX_POOL],
  ["AvgPool2d", [pair(2, 1)], AVG_POOL],
  ["Dropout", [], { p: probability(0.5) }],
  ["CrossEntropyLoss", [], { ...REDUCTION, labelSmoothing: probability(0.1) }],
];

const PARAMETERS = {
  good: [ones(2).requiresGrad_()],
  bad: [null, undefined, "x", 3, [], [3], [ones(2)], [{ params: [] }], [{}]],
};
const rate = { good: 0.1, bad: ["1", null, {}, NaN, -1, true] };
const OPTIMIZERS: Row[] = [
  [
    "SGD",
    [PARAMETERS],
    {
      lr: rate,
      momentum: rate,
      weightDecay: rate,
      dampening: { ...rate, bad: ["1", null, NaN] },
      nesterov: flag(false),
    },
  ],
  [
    "Adam",
    [PARAMETERS],
    {
      lr: rate,
      eps: rate,
      weightDecay: rate,
      betas: { good: [0.9, 0.9], bad: [0.9, "x", [], [0.9], [1, 0.9], [0.9, -1], [NaN, 0]] },
      amsgrad: flag(true),
    },
  ],
  ["AdamW", [PARAMETERS], { lr: rate, weightDecay: rate }],
];

/** All of them. */
export const operations: Record<string, Operation[]> = {
  functions: [...POINTWISE, ...MOVES, ...REDUCED, ...MADE].map(from(namespace)),
  methods: METHODS.map(method),
  functional: FUNCTIONAL.map(from(functional)),
  modules: MODULES.map(build(nn)),
  optimizers: OPTIMIZERS.map(build(optim)),
};
