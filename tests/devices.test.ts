/** @file Every operation, by its samples, on the GPU: values, gradients and strided inputs as on the CPU. */
import { describe, expect, test } from "vitest";
import { Tensor } from "torchlet";
import { raw } from "./core.js";
import { device } from "./device.js";

/** Gradients that PyTorch refuses as well: of class weights. */
const REFUSED: Record<string, number> = { cross_entropy: 2, nll_loss: 2 };

/** What dropout drops is drawn anew at each call. */
const RANDOM = new Set(["dropout", "dropout2d"]);

/** What takes no tensor whose memory is not in order. */
const ORDERED = new Set(["view"]);

interface Outcome {
  outputs: Float64Array[];
  gradients: (Float64Array | null)[];
}

type Arrange = (handle: number, on: "cpu" | "webgpu") => Tensor;

const operations = raw.operations();

/** A fresh copy of a tensor of the core on a device. */
function plain(handle: number, on: "cpu" | "webgpu"): Tensor {
  const [copy] = raw.apply(operations.indexOf("clone"), Uint32Array.of(handle), Float64Array.of());
  if (on === "webgpu") raw.moveToGpu(copy!);
  return new Tensor(copy!);
}

/** The same values as every second column of a wider, transposed tensor. */
function strided(handle: number, on: "cpu" | "webgpu"): Tensor {
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
  sample: number,
  on: "cpu" | "webgpu",
  arrange: Arrange,
): Promise<Outcome> {
  const name = operations[id]!;
  const [count = 0, ...rest] = raw.sample(id, sample);
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
  for (const output of outputs) expect(output.device, name).toBe(on);
  const [y] = outputs;
  if (y?.requiresGrad) {
    const dy = Float32Array.from({ length: y.numel() }, (_, i) => ((i * 13) % 7) / 3.5 - 0.9);
    const seed = raw.fromF32(dy, Float64Array.from(y.shape));
    if (on === "webgpu") raw.moveToGpu(seed);
    raw.backward(y.handle, seed, false);
  }
  return {
    outputs: await Promise.all(outputs.map(numbers)),
    gradients: await Promise.all(
      leaves.map(async (leaf) => (leaf.grad ? await numbers(leaf.grad) : null)),
    ),
  };
}

function close(actual: Float64Array, expected: Float64Array, what: string): void {
  expect(actual.length, what).toBe(expected.length);
  for (const [i, e] of expected.entries()) {
    const a = actual[i]!;
    const same = Object.is(a, e) || a === e || Math.abs(a - e) <= 2e-6 + 2e-5 * Math.abs(e);
    if (!same) expect.fail(`${what}: element ${i} is ${a} on webgpu, ${e} on cpu`);
  }
}

async function compare(id: number, sample: number, arrange: Arrange): Promise<void> {
  const cpu = await run(id, sample, "cpu", arrange);
  const gpu = await run(id, sample, "webgpu", arrange);
  expect(gpu.outputs.length).toBe(cpu.outputs.length);
  cpu.outputs.forEach((y, i) => close(gpu.outputs[i]!, y, `sample ${sample}, output ${i}`));
  cpu.gradients.forEach((dx, i) => {
    expect(gpu.gradients[i] === null, `gradient of input ${i}`).toBe(dx === null);
    if (dx) close(gpu.gradients[i]!, dx, `sample ${sample}, gradient of input ${i}`);
  });
}

/** How many samples an operation has. */
function samplesOf(id: number): number {
  let count = 0;
  while (raw.sample(id, count).length > 0) count++;
  return count;
}

describe.runIf(device === "webgpu")("on the GPU as on the CPU", () => {
  test.each(operations.map((name, id) => ({ name, id })))("$name", async ({ name, id }) => {
    const count = samplesOf(id);
    expect(count).toBeGreaterThan(0);
    for (let sample = 0; sample < count; sample++) {
      await compare(id, sample, plain);
      if (!RANDOM.has(name) && !ORDERED.has(name)) await compare(id, sample, strided);
    }
  });
});
