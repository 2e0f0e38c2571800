/** @file Convolution on both devices: the value and the gradients of image, weight and bias. */
import { describe, test } from "vitest";
import { functional as F } from "torchlet";
import { device } from "../device.js";
import { compare, type Program } from "./both.js";

const numel = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

/** A sum of many terms is as exact as the terms allow. */
async function agree(program: Program, shapes: readonly (readonly number[])[]): Promise<void> {
  const [image, weight] = shapes as [number[], number[]];
  const positions = numel(image) / Math.max(1, image[1]!);
  const longest = Math.max(1, positions, numel(weight) / weight[0]!);
  await compare(program, shapes, { rtol: 2e-5, atol: 4e-6 * Math.sqrt(longest) });
}

interface Case {
  name: string;
  x: number[];
  weight: number[];
  options?: F.Conv2dOptions;
  bias?: false;
}

const CASES: Case[] = [
  { name: "LeNet's first on CIFAR-10", x: [16, 3, 32, 32], weight: [6, 3, 5, 5] },
  { name: "LeNet's second", x: [16, 6, 14, 14], weight: [16, 6, 5, 5] },
  { name: "LeNet's on MNIST", x: [64, 1, 28, 28], weight: [6, 1, 5, 5], options: { padding: 2 } },
  { name: "SimpleCNN's first", x: [8, 1, 28, 28], weight: [32, 1, 3, 3], options: { padding: 1 } },
  {
    name: "SimpleCNN's second",
    x: [8, 32, 14, 14],
    weight: [64, 32, 3, 3],
    options: { padding: 1 },
  },
  { name: "VGG's first", x: [1, 3, 64, 64], weight: [64, 3, 3, 3], options: { padding: 1 } },
  { name: "VGG's", x: [2, 128, 28, 28], weight: [128, 128, 3, 3], options: { padding: 1 } },
  { name: "VGG's last", x: [1, 256, 4, 4], weight: [256, 256, 3, 3], options: { padding: 1 } },
  { name: "without bias", x: [2, 5, 9, 8], weight: [7, 5, 3, 3], bias: false },
  { name: "without bias, many positions", x: [8, 3, 40, 40], weight: [8, 3, 3, 3], bias: false },
  { name: "1 x 1", x: [3, 20, 9, 7], weight: [33, 20, 1, 1] },
  { name: "1 x 1, groups", x: [3, 20, 9, 7], weight: [30, 10, 1, 1], options: { groups: 2 } },
  { name: "1 x 1, stride", x: [3, 20, 9, 7], weight: [33, 20, 1, 1], options: { stride: 2 } },
  { name: "1 x 1, padding", x: [2, 3, 4, 5], weight: [6, 3, 1, 1], options: { padding: [1, 2] } },
  {
    name: "stride 2",
    x: [3, 8, 15, 16],
    weight: [10, 8, 3, 3],
    options: { stride: 2, padding: 1 },
  },
  {
    name: "ResNet's first",
    x: [1, 3, 65, 64],
    weight: [64, 3, 7, 7],
    options: { stride: 2, padding: 3 },
  },
  {
    name: "a stride beyond the kernel",
    x: [2, 3, 17, 14],
    weight: [4, 3, 2, 3],
    options: { stride: [5, 4] },
  },
  {
    name: "a stride beyond the image",
    x: [2, 3, 5, 4],
    weight: [4, 3, 2, 3],
    options: { stride: 9 },
  },
  {
    name: "dilation",
    x: [2, 3, 17, 14],
    weight: [4, 3, 3, 3],
    options: { dilation: [2, 3], padding: 2 },
  },
  {
    name: "stride and dilation",
    x: [2, 6, 19, 22],
    weight: [4, 6, 3, 4],
    options: { stride: [2, 6], dilation: [2, 4], padding: [1, 7] },
  },
  {
    name: "stride and dilation, prime to each other",
    x: [2, 6, 19, 22],
    weight: [4, 6, 5, 3],
    options: { stride: [3, 2], dilation: [2, 3], padding: 4 },
  },
  { name: "groups", x: [2, 12, 9, 10], weight: [15, 4, 3, 3], options: { groups: 3, padding: 1 } },
  {
    name: "groups, stride",
    x: [2, 16, 9, 10],
    weight: [40, 8, 3, 3],
    options: { groups: 2, stride: [2, 3] },
  },
  {
    name: "depthwise",
    x: [2, 33, 9, 10],
    weight: [33, 1, 3, 3],
    options: { groups: 33, padding: 1 },
  },
  {
    name: "depthwise, stride and dilation",
    x: [2, 9, 14, 15],
    weight: [18, 1, 3, 2],
    options: { groups: 9, padding: 2, stride: [2, 3], dilation: [3, 2] },
  },
  {
    name: "few channels a group, without bias",
    x: [2, 12, 7, 9],
    weight: [8, 3, 3, 3],
    options: { groups: 4 },
    bias: false,
  },
  {
    name: "one channel, many filters a group",
    x: [2, 3, 9, 9],
    weight: [24, 1, 3, 3],
    options: { groups: 3 },
  },
  { name: "a large batch", x: [1000, 2, 6, 6], weight: [3, 2, 3, 3] },
  { name: "no images", x: [0, 2, 6, 6], weight: [3, 2, 3, 3] },
  { name: "no channels", x: [2, 0, 6, 6], weight: [3, 0, 3, 3] },
  { name: "as large as the image", x: [4, 10, 6, 6], weight: [65, 10, 6, 6] },
];

describe.runIf(device === "webgpu")("conv2d", () => {
  test.each(CASES)("$name", async ({ x, weight, options = {}, bias = true }) => {
    if (bias) await agree((x, w, b) => F.conv2d(x, w, b, options), [x, weight, [weight[0]!]]);
    else await agree((x, w) => F.conv2d(x, w, options), [x, weight]);
  });

  test.each([1, 3, 15, 17, 31, 33, 64, 65])(
    "%i filters, images at the edges of tiles",
    async (filters) => {
      for (const channels of [1, 7, 17])
        for (const [images, width] of [
          [30, 4],
          [2, 66],
        ] as const) {
          const shapes = [[images, channels, 20, width], [filters, channels, 3, 3], [filters]];
          await agree((x, w, b) => F.conv2d(x, w, b, { padding: [0, 1] }), shapes);
        }
    },
  );
});
