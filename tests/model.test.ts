/** @file The tutorials' nets against PyTorch: weights of a seed, logits, gradients and ten losses. */
import { beforeAll, describe, expect, test } from "vitest";
import { functional as F, manualSeed, optim, type Tensor } from "torchlet";
import { device } from "./device.js";
import { LeNet, SimpleCNN } from "./golden/nets.js";
import { fill, filled, type Stored } from "./golden/golden.js";
import { golden } from "./golden/read.js";
import { tensor } from "./on-device.js";

/** Sums in float64, and some values spread over a tensor. */
interface Summary {
  shape: number[];
  sum: number;
  norm: number;
  stride: number;
  values: number[];
}

interface Row {
  model: "SimpleCNN" | "LeNet";
  input: number[];
  optimizer: "SGD" | "Adam";
  options: Record<string, number>;
  weights: Record<string, Summary>;
  logits: Stored;
  losses: number[];
  gradients: Record<string, Summary>;
  trained: Record<string, Summary>;
}

const { by, rows } = golden<{ by: string; rows: Row[] }>("model.json");
const MODELS = { SimpleCNN, LeNet };

async function compare(
  t: Tensor,
  expected: Summary,
  what: string,
  rtol: number,
  atol: number,
): Promise<void> {
  const data = Array.from(await t.data());
  const norm = Math.sqrt(data.reduce((sum, v) => sum + v * v, 0));
  const sum = data.reduce((a, b) => a + b, 0);
  const picked = data.filter((_, i) => i % expected.stride === 0);
  expect(t.shape, what).toEqual(expected.shape);
  await expect(picked, what).toBeAllclose(expected.values, { rtol, atol });
  await expect([norm], `norm of ${what}`).toBeAllclose([expected.norm], { rtol, atol });
  // What cancels in a sum does not cancel in its rounding errors.
  await expect([sum], `sum of ${what}`).toBeAllclose([expected.sum], {
    rtol,
    atol: atol + rtol * expected.norm * Math.sqrt(data.length),
  });
}

describe.each(rows)(`$model with $optimizer as ${by}`, (row) => {
  let net: SimpleCNN | LeNet;
  const x = filled(1, row.input, 0, 1);
  const y = tensor(Int32Array.from(fill(2, row.input[0]!, 0, 10), Math.floor));

  beforeAll(() => {
    manualSeed(42);
    net = new MODELS[row.model]().to(device);
  });

  test("starts from the same weights", async () => {
    const names = [...net.namedParameters()].map(([name]) => name);
    expect(names).toEqual(Object.keys(row.weights));
    for (const [name, p] of net.namedParameters())
      await compare(p, row.weights[name]!, name, 0, 1e-9);
  });

  test("gives the same logits", async () => {
    await expect(net(x)).toBeAllclose(row.logits, { rtol: 1e-5, atol: 1e-6 });
  });

  test("has the same gradients and the same ten losses", async () => {
    const optimizer = new optim[row.optimizer](net.parameters(), row.options);
    for (const [step, expected] of row.losses.entries()) {
      optimizer.zeroGrad();
      const loss = F.crossEntropy(net(x), y);
      loss.backward();
      if (step === 0) {
        for (const [name, p] of net.namedParameters()) {
          await compare(p.grad!, row.gradients[name]!, `gradient of ${name}`, 1e-4, 1e-6);
        }
      }
      optimizer.step();
      await expect([await loss.item()], `loss of step ${step + 1}`).toBeAllclose([expected], {
        rtol: 1e-5,
        atol: 0,
      });
    }
    // Adam divides by the size of the gradient, so that rounding errors of tiny gradients show.
    const [rtol, atol] = row.optimizer === "Adam" ? [1e-3, 1e-4] : [1e-4, 1e-6];
    for (const [name, p] of net.namedParameters()) {
      await compare(p, row.trained[name]!, `${name} after ten steps`, rtol, atol);
    }
  });
});
