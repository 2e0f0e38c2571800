/** @file Checks a case of a golden file: results, gradients and refusals. */
import { device } from "../device.js";
import { difference, type Tolerance } from "../allclose.js";
import { torch } from "../on-device.js";
import { type Case, fill, input, type Stored } from "./golden.js";

type Tensor = InstanceType<typeof torch.Tensor>;

const SCOPE = { torch, F: torch.functional, nn: torch.nn, noGrad: torch.noGrad };

/** Cases whose shapes depend on values, which a GPU does not give at once: words of the refusal. */
const READS: Record<string, string[]> = {
  "one_hot finds the number of classes": ["oneHot", "numClasses"],
};

/** Run a program of a golden file on its inputs. */
export function execute(code: string, inputs: Record<string, Tensor>): unknown {
  const names = `{ ${Object.keys(SCOPE).join(", ")} }, { ${Object.keys(inputs).join(", ")} }`;
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the code is our own golden file's
  return (new Function(names, code) as (...args: object[]) => unknown)(SCOPE, inputs);
}

/** Run every form of a case's program; throws at the first that does not do what PyTorch does. */
export async function checkCase(c: Case): Promise<void> {
  for (const code of c.programs) await check(c, code);
}

async function check(c: Case, code: string): Promise<void> {
  const inputs = Object.fromEntries(Object.entries(c.inputs).map(([k, spec]) => [k, input(spec)]));
  const hasInputs = Object.keys(inputs).length > 0;
  const run = (): unknown => execute(code, inputs);
  if (c.raises) return refuses(run, c.raises);
  const words = device === "webgpu" && READS[c.name];
  if (words) return refuses(run, words);
  const outputs = run() as Record<string, Tensor>;
  for (const [name, expected] of Object.entries(c.outputs)) {
    const what = `${name} of: ${code}`;
    await agree(outputs[name], expected, c, what);
    // A module without inputs is on the CPU, as they all begin.
    if (hasInputs && outputs[name]!.device !== device) throw new Error(`${what}: left ${device}`);
  }
  if (!c.backward) return;
  const root = outputs[c.backward]!;
  root.backward(torch.tensor(fill(c.seed!, root.numel(), -1, 1), { shape: root.shape, device }));
  const tolerance = { rtol: c.gradRtol ?? 1e-4, atol: c.gradAtol ?? 1e-5 };
  for (const [name, tensor] of Object.entries(inputs)) {
    const expected = c.grads?.[name];
    const what = `gradient of ${name} of: ${code}`;
    if (expected) await agree(tensor.grad, expected, tolerance, what);
    else if (tensor.grad !== null) throw new Error(`a ${what}, where PyTorch has none`);
  }
}

async function agree(
  actual: Tensor | null | undefined,
  expected: Stored,
  tolerance: Tolerance,
  what: string,
): Promise<void> {
  if (!actual) throw new Error(`no ${what}`);
  const wrong = await difference(actual, expected, tolerance);
  if (wrong !== undefined) throw new Error(`${what}: ${wrong}`);
}

function refuses(run: () => unknown, words: string[]): void {
  let error: unknown;
  try {
    run();
  } catch (thrown) {
    error = thrown;
  }
  if (!(error instanceof torch.TorchletError)) {
    throw new Error(`expected a TorchletError, got ${String(error)}`, { cause: error });
  }
  const message = error.message.toLowerCase();
  const absent = words.find((word) => !message.includes(word.toLowerCase()));
  if (absent !== undefined) {
    throw new Error(`expected "${absent}" in: ${error.message}`, { cause: error });
  }
}
