/** @file Runs a function on both devices and compares what comes out, gradients too. */
import { expect } from "vitest";
import { type Device, Tensor, tensor } from "torchlet";
import { fill } from "../golden/golden.js";
import type { Tolerance } from "../allclose.js";

/** A function of tensors; its first output is the one that gradients are taken of. */
export type Program = (...x: Tensor[]) => Tensor | readonly Tensor[];

const CLOSE: Tolerance = { rtol: 2e-5, atol: 2e-6 };

/** Random values of a shape: always the same, the second of a pair by another `seed`. */
export function random(shape: readonly number[], { seed = 1, lo = 0.5, hi = 1.5 } = {}): Tensor {
  const numel = shape.reduce((a, b) => a * b, 1);
  return tensor(fill(seed, numel, lo, hi), { shape });
}

/** Labels from 0 to `classes` - 1. */
export function randomLabels(shape: readonly number[], classes: number): Tensor {
  return random(shape, { seed: 9, lo: 0, hi: classes }).floor().to("int32");
}

function run(program: Program, inputs: readonly Tensor[], device: Device): Tensor[] {
  const x = inputs.map((input) => {
    const copy = input.detach().to(device);
    return input.dtype === "float32" && input.requiresGrad ? copy.requiresGrad_() : copy;
  });
  const result = program(...x);
  const outputs = result instanceof Tensor ? [result] : result;
  for (const output of outputs) expect(output.device).toBe(device);
  const [y] = outputs;
  if (y?.requiresGrad) y.backward(random([...y.shape], { seed: 5, lo: 0.2, hi: 1.2 }).to(device));
  return [...outputs, ...x.flatMap((input) => input.grad ?? [])];
}

/** Expect the same outputs and gradients on the GPU as on the CPU. */
export async function same(
  program: Program,
  inputs: readonly Tensor[],
  tolerance = CLOSE,
): Promise<void> {
  const expected = run(program, inputs, "cpu");
  const actual = run(program, inputs, "webgpu");
  expect(actual.length).toBe(expected.length);
  for (const [i, e] of expected.entries()) await expect(actual[i]!).toBeAllclose(e, tolerance);
}

/** As `same`, for random inputs of these shapes, all of which want gradients. */
export async function compare(
  program: Program,
  shapes: readonly (readonly number[])[],
  tolerance = CLOSE,
): Promise<void> {
  const inputs = shapes.map((shape, i) => random(shape, { seed: i + 1 }));
  inputs.forEach((input) => input.requiresGrad_());
  await same(program, inputs, tolerance);
}
