/** @file Compiles what a model runs before the first step has to wait for it. */
import { numbers, withDefaults } from "./check.js";
import { zeros } from "./create.js";
import { synchronize } from "./device.js";
import type { DType } from "./dtype.js";
import { getRngState, setRngState } from "./generator.js";
import { noGrad } from "./grad-mode.js";
import { scope } from "./memory.js";
import type { Module } from "./nn/module.js";
import type { Tensor } from "./tensor.js";

/** Options of `warmup()`. */
export interface WarmupOptions {
  /** Whether gradients are computed as well. Default true. */
  backward?: boolean;
  /** Type of the input. Default `"float32"`. */
  dtype?: DType;
}

/**
 * Run a model once on zeros, so that a GPU compiles its pipelines; resolves when they are ready.
 *
 * Engines compile aside from the program, which may go on meanwhile. Gradients, buffers and the random
 * stream are afterwards as they were before. On the CPU there is nothing to compile: it does nothing.
 *
 * @param inputShape - shape of the input, such as [64, 1, 28, 28]
 */
export async function warmup(
  model: Module,
  inputShape: readonly number[],
  options?: WarmupOptions,
): Promise<void> {
  const { backward, dtype } = withDefaults<Required<WarmupOptions>>("warmup", options, {
    backward: true,
    dtype: "float32",
  });
  const shape = numbers("warmup", "inputShape", inputShape);
  const parameters = model.parameters();
  const device = [...parameters, ...model.buffers()][0]?.device ?? "cpu";
  if (device === "cpu") return;
  const generator = getRngState();
  const gradients = parameters.map((parameter) => parameter.grad);
  parameters.forEach((parameter) => (parameter.grad = null));
  try {
    scope(() => {
      const buffers = model.buffers().map((buffer): [Tensor, Tensor] => [buffer, buffer.clone()]);
      const run = (): Tensor => model(zeros(shape, { device, dtype }));
      const y = backward ? run() : noGrad(run);
      if (y.requiresGrad) y.sum().backward();
      noGrad(() => buffers.forEach(([buffer, before]) => buffer.copy_(before)));
    });
  } finally {
    parameters.forEach((parameter, i) => (parameter.grad = gradients[i]!));
    setRngState(generator);
  }
  await synchronize(device);
}
