/** @file Every operation by its samples: values, gradients and strided inputs, for devices and platforms to agree on. */
import { type Device, Tensor } from "torchlet";
import { raw } from "./core.js";

/** The names of the operations. */
export const operations: readonly string[] = raw.operations();

/** Gradients that PyTorch refuses as well: of class weights. */
const REFUSED: Record<string, number> = { cross_entropy: 2, nll_loss: 2 };

/** Not for strided inputs: what dropout drops is drawn anew at each call, `view` refuses them. */
const PLAIN_ONLY = new Set(["dropout", "dropout2d", "view"]);

/** What one sample gave. */
export interface Outcome {
  what: string;
  outputs: ArrayLike<number>[];
  gradients: (ArrayLike<number> | null)[];
}

type Arrange = (handle: number, on: Device) => Tensor;

/** A fresh copy of a tensor of the core on a device. */
function plain(handle: number, on: Device): Tensor {
  const clone = operations.indexOf("clone");
  const [copy] = raw.apply(clone, Uint32Array.of(handle), Float64Array.of());
  if (on === "webgpu") raw.moveToGpu(copy!);
  return new Tensor(copy!);
}

/** The same values as every second column of a wider, transposed tensor. */
function strided(handle: number, on: Device): Tensor {
  const x = plain(handle, "cpu");
  if (x.ndim < 2) return plain(handle, on);
  const turned = x.transpose(0, 1).contiguous();
  if (on === "webgpu") raw.moveToGpu(turned.handle);
  return turned.transpose(0, 1);
}

async function numbers(x: Tensor): Promise<Float64Array> {
  return Float64Array.from(await x.data());
}

async function run(
  id: number,
  sample: Float64Array,
  on: Device,
  arrange: Arrange,
  what: string,
): Promise<Outcome> {
  const name = operations[id]!;
  const [count = 0, ...rest] = sample;
  const inputs = rest.slice(0, count).map((handle) => arrange(handle, on));
  const leaves = inputs.map((input, i) => {
    const labels = inputs[1]?.dtype === "int32";
    if (input.dtype !== "float32" || (REFUSED[name] === i && labels)) return input;
    return input.detach().requiresGrad_();
  });
  const args = Float64Array.from(rest.slice(count));
  const handles = Uint32Array.from(leaves.map((leaf) => leaf.handle));
  raw.seed(0, 7);
  const outputs = Array.from(raw.apply(id, handles, args), (handle) => new Tensor(handle));
  const stray = outputs.find((output) => output.device !== on);
  if (stray) throw new Error(`${name} on ${on} gave a tensor on ${stray.device}`);
  const [y] = outputs;
  if (y?.requiresGrad) {
    const dy = Float32Array.from({ length: y.numel() }, (_, i) => ((i * 13) % 7) / 3.5 - 0.9);
    const seed = raw.fromF32(dy, Float64Array.from(y.shape));
    if (on === "webgpu") raw.moveToGpu(seed);
    raw.backward(y.handle, seed, false);
  }
  return {
    what,
    outputs: await Promise.all(outputs.map((output) => numbers(output))),
    gradients: await Promise.all(
      leaves.map(async (leaf) => (leaf.grad ? await numbers(leaf.grad) : null)),
    ),
  };
}

/** Run an operation by all of its samples on a device. */
export async function outcomes(name: string, on: Device): Promise<Outcome[]> {
  const id = operations.indexOf(name);
  const found: Outcome[] = [];
  for (let i = 0; ; i++) {
    const sample = raw.sample(id, i);
    if (sample.length === 0) break;
    found.push(await run(id, sample, on, plain, `sample ${i}`));
    if (!PLAIN_ONLY.has(name))
      found.push(await run(id, sample, on, strided, `sample ${i}, strided`));
    for (const handle of sample.slice(1, 1 + sample[0]!)) raw.free(handle);
  }
  if (found.length === 0) throw new Error(`${name} has no samples`);
  return found;
}

/** The first element in which two lists differ. */
function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): string | undefined {
  if (actual.length !== expected.length) {
    return `${actual.length} elements, expected ${expected.length}`;
  }
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    const same = Object.is(a, e) || a === e || Math.abs(a - e) <= 2e-6 + 2e-5 * Math.abs(e);
    if (!same) return `element ${i} is ${a}, expected ${e}`;
  }
  return undefined;
}

/** Where the outcomes of an operation are not what was expected. */
export function differences(actual: readonly Outcome[], expected: readonly Outcome[]): string[] {
  const wrong: string[] = [];
  const compare = (
    what: string,
    a?: ArrayLike<number> | null,
    e?: ArrayLike<number> | null,
  ): void => {
    if (!a !== !e) wrong.push(`${what}: ${a ? "is there" : "is missing"}`);
    const found = a && e && difference(a, e);
    if (found) wrong.push(`${what}: ${found}`);
  };
  if (actual.length !== expected.length) {
    wrong.push(`${actual.length} outcomes, expected ${expected.length}`);
  }
  expected.forEach(({ what, outputs, gradients }, i) => {
    const found = actual[i];
    const most = Math.max(outputs.length, found?.outputs.length ?? 0);
    for (let k = 0; k < most; k++) compare(`${what}, output ${k}`, found?.outputs[k], outputs[k]);
    gradients.forEach((dx, k) =>
      compare(`${what}, gradient of input ${k}`, found?.gradients[k], dx),
    );
  });
  return wrong;
}
