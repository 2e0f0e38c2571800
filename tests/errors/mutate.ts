/** @file Calls an operation with one argument wrong at a time and tells what did not end as it should. */
import { Tensor, TorchletError } from "torchlet";
import { type Argument, show } from "./arguments.js";

/** An operation with one kind for every argument, and for every option of its trailing object. */
export interface Operation {
  name: string;
  /** What a message may name instead: the operation that a module runs. */
  inner?: string;
  call: (...args: unknown[]) => unknown;
  args: Argument[];
  options?: Record<string, Argument>;
}

interface Attempt {
  label: string;
  args: unknown[];
  mustFail: boolean;
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** Whether a message starts with an operation's name in our spelling or in PyTorch's: `max_dim: ` will do for `max`. */
export function namesOperation(message: string, name: string): boolean {
  const bare = name.replace(/_$/, "");
  return [bare, snake(bare)].some((n) => new RegExp(`^${n}\\w*: `).test(message));
}

function attempts({ args, options = {} }: Operation): Attempt[] {
  const good = args.map((a) => a.good);
  const found: Attempt[] = [];
  const vary = (label: string, a: Argument, make: (value: unknown) => unknown[]): void => {
    for (const value of a.bad)
      found.push({ label: `${label} = ${show(value)}`, args: make(value), mustFail: true });
    for (const value of a.maybe ?? []) {
      found.push({ label: `${label} = ${show(value)}`, args: make(value), mustFail: false });
    }
  };
  args.forEach((a, i) => {
    vary(`argument ${i}`, a, (value) => good.with(i, value));
    if (!a.optional)
      found.push({ label: `argument ${i} missing`, args: good.slice(0, i), mustFail: true });
  });
  for (const [key, a] of Object.entries(options))
    vary(key, a, (value) => [...good, { [key]: value }]);
  if (Object.keys(options).length > 0) {
    const wrong = [{ nonsense: 1 }, "3", () => 1, 3n];
    vary("options", { good: {}, bad: wrong }, (value) => [...good, value]);
  }
  return found;
}

/** Read every tensor of a result, so that a lazy fault shows. */
async function touch(result: unknown): Promise<void> {
  if (result instanceof Tensor) await result.data();
  else if (Array.isArray(result)) for (const part of result) await touch(part);
}

async function problem(op: Operation, { args, mustFail }: Attempt): Promise<string | undefined> {
  try {
    await touch(op.call(...args));
    return mustFail ? "was accepted" : undefined;
  } catch (error) {
    if (!(error instanceof TorchletError)) return `threw ${String(error)}`;
    if (Object.getPrototypeOf(error) === TorchletError.prototype)
      return `has no class of its own: ${error.message}`;
    const names = [op.name, op.inner ?? op.name];
    if (names.some((name) => namesOperation(error.message, name))) return undefined;
    return `does not name the operation: ${error.message}`;
  }
}

/** Everything that is wrong with the way in which an operation takes wrong arguments. */
export async function faults(op: Operation): Promise<string[]> {
  const good = op.args.map((a) => a.good);
  const found: string[] = [];
  for (const attempt of attempts(op)) {
    const wrong = await problem(op, attempt);
    if (wrong) found.push(`${op.name}, ${attempt.label}: ${wrong}`);
    try {
      await touch(op.call(...good));
    } catch (error) {
      found.push(`${op.name}, a good call after ${attempt.label}: ${String(error)}`);
    }
  }
  return found;
}
