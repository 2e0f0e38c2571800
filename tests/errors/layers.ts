/** @file The layers, losses and optimizers with a good call each, for the error tests. */
import * as torch from "torchlet";
import { device } from "../device.js";
import { ones, tensor } from "../on-device.js";
import {
  count,
  counts,
  flag,
  ints,
  maybeTensor,
  numberOrOptions,
  optional,
  pair,
  probability,
  real,
  t,
  without,
  word,
} from "./arguments.js";
import { from, type Row } from "./look-up.js";
import type { Operation } from "./mutate.js";

const CONV = { stride: pair(1, 1), padding: pair(0), dilation: pair(1, 1), groups: count(1, 1) };
const MAX_POOL = {
  stride: optional(pair(1, 1)),
  padding: pair(0),
  dilation: pair(1, 1),
  ceilMode: flag(true),
};
const AVG_POOL = {
  stride: optional(pair(1, 1)),
  padding: pair(0),
  ceilMode: flag(true),
  countIncludePad: flag(true),
  divisorOverride: optional(real(3)),
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
  ["conv2d", [t(2, 4, 6, 6), t(4, 4, 3, 3), without(maybeTensor(ones(4)), {})], CONV],
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
  ["oneHot", [ints(0, 2), without(numberOrOptions(count(3, 0)), -1)]],
  [
    "pad",
    [
      t(2, 3),
      {
        good: [1, 1],
        bad: [...counts([1, 1], -9).bad, [1], [1, 1, 1], [-9, 0], [1, 1, 1, 1, 1, 1]],
      },
    ],
    { value: real(0) },
  ],
];

type Class = new (...args: unknown[]) => unknown;
const nn = torch.nn as unknown as Record<string, Class>;
const optim = torch.optim as unknown as Record<string, Class>;

/** A module is built and called, as some arguments are looked at in the call only. */
const module_ = ([[name, args, options], inner, ...inputs]: [
  Row,
  string,
  ...torch.Tensor[],
]): Operation => ({
  name,
  inner,
  args,
  options,
  call: (...given) => {
    const module = new nn[name]!(...given) as torch.nn.Module<torch.Tensor[], unknown>;
    return module.to(device)(...inputs);
  },
});

const optimizer = ([name, args, options]: Row): Operation => ({
  name,
  args,
  options,
  call: (...given) => new optim[name]!(...given),
});

const BIAS = { bias: flag(true) };
const images = ones(2, 4, 6, 6);
const classes = tensor(Int32Array.of(0, 2));
const SMOOTHED = { ...REDUCTION, labelSmoothing: probability(0.1) };
const MODULES: [Row, string, ...torch.Tensor[]][] = [
  [["Linear", [count(3, 1), count(4, 1)], BIAS], "linear", ones(2, 3)],
  [["Conv2d", [count(4, 1), count(4, 1), pair(3, 1)], { ...CONV, ...BIAS }], "conv2d", images],
  [["MaxPool2d", [pair(2, 1)], MAX_POOL], "maxPool2d", images],
  [["AvgPool2d", [pair(2, 1)], AVG_POOL], "avgPool2d", images],
  [["Dropout", [numberOrOptions(probability(0.5))]], "dropout", images],
  [["Dropout2d", [numberOrOptions(probability(0.5))]], "dropout2d", images],
  [["CrossEntropyLoss", [], SMOOTHED], "crossEntropy", ones(2, 3), classes],
];

const PARAMETERS = {
  good: [ones(2).requiresGrad_()],
  bad: [null, undefined, "x", 3, [], [3], [{}]],
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

/** The functions of `functional`, the modules and the optimizers. */
export const layers: Record<string, Operation[]> = {
  functional: FUNCTIONAL.map(from(torch.functional)),
  modules: MODULES.map(module_),
  optimizers: OPTIMIZERS.map(optimizer),
};
