/** @file Runs the cases of a golden file: results, gradients and refusals. */
import { describe, expect, test } from "vitest";
import * as torch from "torchlet";
import { device } from "../device.js";
import { type Case, fill, golden, input } from "./golden.js";

type Program = (
  scope: Record<string, unknown>,
  inputs: Record<string, torch.Tensor>,
) => Record<string, torch.Tensor>;

const SCOPE = { torch, F: torch.functional, nn: torch.nn, noGrad: torch.noGrad };

/** A program of a case as a function. */
function compile(code: string, inputs: string[]): Program {
  const names = `{ ${Object.keys(SCOPE).join(", ")} }, { ${inputs.join(", ")} }`;
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the code is our own golden file's
  return new Function(names, code) as Program;
}

async function check(c: Case, code: string): Promise<void> {
  const inputs = Object.fromEntries(Object.entries(c.inputs).map(([k, spec]) => [k, input(spec)]));
  const run = (): Record<string, torch.Tensor> => compile(code, Object.keys(inputs))(SCOPE, inputs);
  if (c.raises) return refuses(run, c.raises);
  const outputs = run();
  for (const [name, expected] of Object.entries(c.outputs)) {
    await expect(outputs[name], `${name} of: ${code}`).toBeAllclose(expected, c);
  }
  if (!c.backward) return;
  const root = outputs[c.backward]!;
  root.backward(torch.tensor(fill(c.seed!, root.numel(), -1, 1), { shape: root.shape, device }));
  const tolerance = { rtol: c.gradRtol ?? 1e-4, atol: c.gradAtol ?? 1e-5 };
  for (const [name, tensor] of Object.entries(inputs)) {
    const expected = c.grads?.[name];
    if (expected) expect(tensor.grad, `gradient of ${name} of: ${code}`).not.toBeNull();
    if (!expected) expect(tensor.grad, `no gradient of ${name} of: ${code}`).toBeNull();
    else
      await expect(tensor.grad, `gradient of ${name} of: ${code}`).toBeAllclose(
        expected,
        tolerance,
      );
  }
}

function refuses(run: () => unknown, words: string[]): void {
  let error: unknown;
  try {
    run();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(torch.TorchletError);
  for (const word of words) {
    expect((error as Error).message.toLowerCase()).toContain(word.toLowerCase());
  }
}

/** Make a test of every case in a golden file. */
export function runCases(file: string): void {
  const { by, cases } = golden<{ by: string; cases: Case[] }>(file);
  describe(`as ${by}`, () => {
    for (const c of cases) {
      test(c.name, async () => {
        for (const code of c.programs) await check(c, code);
      });
    }
  });
}
