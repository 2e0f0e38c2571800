/** @file New tensors: filled with a value, a sequence, or random numbers. */
import { describe, int32, number, numbers, scalar, withDefaults } from "./check.js";
import { composed, naming } from "./composed.js";
import { checkDevice, type Device } from "./device.js";
import { type DType, dtypeCode } from "./dtype.js";
import { ArgumentError, DtypeError } from "./errors.js";
import { type Generator, type GeneratorOptions, generatorOf } from "./generator.js";
import { pack, raw } from "./raw.js";
import { apply, handleOf, Tensor } from "./tensor.js";

/** Options of everything that makes a tensor. */
export interface TensorOptions {
  /** Type of the elements. */
  dtype?: DType;
  /** Whether gradients are wanted. Default false. */
  requiresGrad?: boolean;
  /** Where the tensor lives. Default `"cpu"`. */
  device?: Device;
}

/** Options of what draws random numbers into a new tensor. */
export interface RandomOptions extends TensorOptions {
  /** The generator to draw from. Default: the one that `manualSeed` seeds. */
  generator?: Generator | null;
}

/** A size: `zeros(2, 3)`, `zeros([2, 3])`, each with options after it. */
export type SizeArgs<Options> =
  | readonly number[]
  | readonly [...size: number[], options: Options | undefined]
  | readonly [size: readonly number[], options?: Options];

function sizeArgs<O>(operation: string, args: SizeArgs<O>): [readonly number[], O | undefined] {
  if (Array.isArray(args[0])) {
    return [numbers(operation, "size", args[0]), args[1] as O | undefined];
  }
  const last = args.at(-1);
  const hasOptions = args.length > 0 && typeof last !== "number";
  const size = hasOptions ? args.slice(0, -1) : args;
  return [numbers(operation, "size", size), hasOptions ? (last as O) : undefined];
}

/** Fill options with their defaults. */
function fill<O extends TensorOptions>(
  operation: string,
  options: O | undefined,
  defaults: Required<O>,
): Required<O> {
  const given = options as Partial<Required<O>> | undefined;
  const filled = withDefaults<Required<O>>(operation, given, defaults);
  checkDevice(operation, filled.device);
  return filled;
}

const DEFAULTS: Required<TensorOptions> = { dtype: "float32", requiresGrad: false, device: "cpu" };
const RANDOM: Required<RandomOptions> = { ...DEFAULTS, generator: null };
const RANDOM_INT: Required<RandomOptions> = { ...RANDOM, dtype: "int32" };

/** Wrap a new handle, converted and marked as the options want it. */
function finish(operation: string, handle: number, options: TensorOptions): Tensor {
  let tensor = new Tensor(handle);
  if (options.dtype !== undefined && options.dtype !== tensor.dtype) {
    const converted = apply("cast", [tensor], [dtypeCode(operation, options.dtype)]);
    tensor.dispose();
    tensor = converted;
  }
  if (options.device === "webgpu") raw.moveToGpu(tensor.handle);
  return options.requiresGrad ? tensor.requiresGrad_() : tensor;
}

function filled(
  operation: string,
  size: readonly number[],
  value: number,
  options: TensorOptions | undefined,
  defaults: TensorOptions = {},
): Tensor {
  const given = fill(operation, options, { ...DEFAULTS, ...defaults });
  const dtypeNumber = dtypeCode(operation, given.dtype);
  const shape = pack(operation, size);
  const element = given.dtype === "int32" ? int32(operation, value) : value;
  const onGpu = given.device === "webgpu";
  const handle = naming(operation, () => raw.full(shape, element, dtypeNumber, onGpu));
  return finish(operation, handle, { requiresGrad: given.requiresGrad });
}

/** A tensor of zeros. */
export function zeros(...args: SizeArgs<TensorOptions>): Tensor {
  const [size, options] = sizeArgs("zeros", args);
  return filled("zeros", size, 0, options);
}

/** A tensor of ones. */
export function ones(...args: SizeArgs<TensorOptions>): Tensor {
  const [size, options] = sizeArgs("ones", args);
  return filled("ones", size, 1, options);
}

/** A tensor whose values do not matter; they are zeros here. */
export function empty(...args: SizeArgs<TensorOptions>): Tensor {
  const [size, options] = sizeArgs("empty", args);
  return filled("empty", size, 0, options);
}

/** A tensor filled with one value; `bool` for true and false, else `float32`. */
export function full(
  size: readonly number[],
  value: number | boolean,
  options?: TensorOptions,
): Tensor {
  const bool = typeof value === "boolean";
  const fillValue = scalar("full", "value", value);
  numbers("full", "size", size);
  return filled("full", size, fillValue, options, {
    dtype: bool ? "bool" : "float32",
  });
}

/** One value in the shape of another tensor, and of its dtype and on its device if the options name no other. */
function filledLike(
  operation: string,
  x: Tensor,
  value: number,
  options: TensorOptions | undefined,
): Tensor {
  handleOf(operation, x);
  return filled(operation, x.shape, value, options, { dtype: x.dtype, device: x.device });
}

/** A tensor of zeros with the shape, dtype and device of another. */
export function zerosLike(x: Tensor, options?: TensorOptions): Tensor {
  return filledLike("zerosLike", x, 0, options);
}

/** A tensor of ones with the shape, dtype and device of another. */
export function onesLike(x: Tensor, options?: TensorOptions): Tensor {
  return filledLike("onesLike", x, 1, options);
}

/** A tensor with the shape, dtype and device of another whose values do not matter; they are zeros here. */
export function emptyLike(x: Tensor, options?: TensorOptions): Tensor {
  return filledLike("emptyLike", x, 0, options);
}

/** A tensor filled with one value, with the shape, dtype and device of another. */
export function fullLike(x: Tensor, value: number | boolean, options?: TensorOptions): Tensor {
  return filledLike("fullLike", x, scalar("fullLike", "value", value), options);
}

/** Make sure that a tensor fits into the core's memory, before JavaScript allocates its elements. */
function reserve(operation: string, shape: Float64Array): void {
  naming(operation, () => raw.free(raw.full(shape, 0, 0)));
}

/** Make a tensor of `count` computed numbers. */
function computed(
  operation: string,
  count: number,
  options: TensorOptions,
  value: (i: number) => number,
): Tensor {
  const shape = pack(operation, [count]);
  reserve(operation, shape);
  const handle =
    options.dtype === "int32"
      ? raw.fromI32(
          Int32Array.from({ length: count }, (_, i) => int32(operation, value(i))),
          shape,
        )
      : raw.fromF32(
          Float32Array.from({ length: count }, (_, i) => value(i)),
          shape,
        );
  return finish(operation, handle, options);
}

/**
 * Numbers from `start` to before `end`: `arange(5)`, `arange(1, 5)`, `arange(0, 1, 0.25)`.
 *
 * The dtype is `int32` if all three are integers, else `float32`.
 */
export function arange(end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, step: number, options?: TensorOptions): Tensor;
export function arange(...args: (number | TensorOptions | undefined)[]): Tensor {
  const given = args.filter((arg) => arg !== undefined);
  const count = given.findIndex((arg) => typeof arg !== "number");
  const values = (count < 0 ? given : given.slice(0, count)) as number[];
  const options = count < 0 ? undefined : (given[count] as TensorOptions);
  const [start, end, step] =
    values.length < 2 ? [0, values[0], 1] : [values[0]!, values[1]!, values[2] ?? 1];
  number("arange", "end", end);
  const size = Math.ceil((end! - start) / step);
  if (!(step !== 0 && size >= 0 && size < Infinity)) {
    throw new ArgumentError(`arange: cannot go from ${start} to ${end} in steps of ${step}`);
  }
  const dtype = [start, end, step].every(Number.isInteger) ? "int32" : "float32";
  return computed(
    "arange",
    size,
    fill("arange", options, { ...DEFAULTS, dtype }),
    (i) => start + step * i,
  );
}

/** `steps` numbers at even distances from `start` to `end`, both included. */
export function linspace(
  start: number,
  end: number,
  steps: number,
  options?: TensorOptions,
): Tensor {
  const f = Math.fround;
  const [first, last] = [f(number("linspace", "start", start)), f(number("linspace", "end", end))];
  number("linspace", "steps", steps);
  const step = steps > 1 ? f((last - first) / (steps - 1)) : 0;
  // The second half counts from the end, as in PyTorch, so that it arrives there exactly.
  return computed("linspace", steps, fill("linspace", options, DEFAULTS), (i) =>
    i < steps / 2 ? first + f(step * i) : last - f(step * (steps - 1 - i)),
  );
}

/** The identity matrix, `n` by `m` (square if `m` is missing). */
export function eye(n: number, options?: TensorOptions): Tensor;
export function eye(n: number, m: number, options?: TensorOptions): Tensor;
export function eye(n: number, second?: number | TensorOptions, third?: TensorOptions): Tensor {
  number("eye", "n", n);
  const m = typeof second === "number" ? second : n;
  const options = fill("eye", typeof second === "number" ? third : second, DEFAULTS);
  const shape = pack("eye", [n, m]);
  reserve("eye", shape);
  const data = new Float32Array(n * m);
  for (let i = 0; i < Math.min(n, m); i++) data[i * m + i] = 1;
  return finish("eye", raw.fromF32(data, shape), options);
}

/** Options of numbers that are drawn from a continuous range: they are `float32`. */
function drawn(operation: string, given: RandomOptions | undefined): Required<RandomOptions> {
  const options = fill(operation, given, RANDOM);
  if (options.dtype === "float32") return options;
  throw new DtypeError(
    `${operation}: dtype must be "float32", got ${describe(options.dtype)}; randint() draws integers`,
  );
}

/** Numbers drawn evenly from [0, 1). */
export function rand(...args: SizeArgs<RandomOptions>): Tensor {
  const [size, given] = sizeArgs("rand", args);
  const options = drawn("rand", given);
  const { id } = generatorOf("rand", options.generator);
  const shape = pack("rand", size);
  return finish(
    "rand",
    naming("rand", () => raw.randUniform(id, shape, 0, 1)),
    options,
  );
}

/** Numbers of the standard normal distribution. */
export function randn(...args: SizeArgs<RandomOptions>): Tensor {
  const [size, given] = sizeArgs("randn", args);
  const options = drawn("randn", given);
  const { id } = generatorOf("randn", options.generator);
  const shape = pack("randn", size);
  return finish(
    "randn",
    naming("randn", () => raw.randNormal(id, shape, 0, 1)),
    options,
  );
}

/** Numbers drawn evenly from [0, 1), with the shape and device of another tensor. */
export function randLike(x: Tensor, options?: RandomOptions): Tensor {
  handleOf("randLike", x);
  return rand(x.shape, { device: x.device, ...options });
}

/** Numbers of the standard normal distribution, with the shape and device of another tensor. */
export function randnLike(x: Tensor, options?: RandomOptions): Tensor {
  handleOf("randnLike", x);
  return randn(x.shape, { device: x.device, ...options });
}

/** Integers drawn evenly from [low, high): `randint(0, 10, [4])`, `randint(10, [4])`; `int32`. */
export function randint(high: number, size: readonly number[], options?: RandomOptions): Tensor;
export function randint(
  low: number,
  high: number,
  size: readonly number[],
  options?: RandomOptions,
): Tensor;
export function randint(
  first: number,
  second: number | readonly number[],
  third?: readonly number[] | RandomOptions,
  fourth?: RandomOptions,
): Tensor {
  const both = typeof second === "number";
  const [low, high, size] = both ? [first, second, third] : [0, first, second];
  const given = both ? fourth : (third as RandomOptions | undefined);
  number("randint", "low", low);
  number("randint", "high", high);
  const options = fill("randint", given, RANDOM_INT);
  const { id } = generatorOf("randint", options.generator);
  const shape = pack("randint", numbers("randint", "size", size));
  return finish(
    "randint",
    naming("randint", () => raw.randInt(id, shape, low, high)),
    options,
  );
}

/** The integers from 0 to n - 1 in random order; `int32`. */
export function randperm(n: number, options?: RandomOptions): Tensor {
  const filled = fill("randperm", options, RANDOM_INT);
  const { id } = generatorOf("randperm", filled.generator);
  number("randperm", "n", n);
  return finish(
    "randperm",
    naming("randperm", () => raw.randPerm(id, n)),
    filled,
  );
}

/**
 * Ones and zeros, where each element of `p` is the probability of a one.
 *
 * On `"webgpu"` nobody looks whether they lie between 0 and 1: those below never, those above always give a one.
 */
export function bernoulli(p: Tensor, options?: GeneratorOptions): Tensor {
  const { generator } = withDefaults<{ generator: Generator | null }>("bernoulli", options, {
    generator: null,
  });
  handleOf("bernoulli", p);
  if (p.device === "cpu" && !p.dataSync().every((value) => value >= 0 && value <= 1)) {
    throw new ArgumentError("bernoulli: probabilities must lie between 0 and 1");
  }
  const { id } = generatorOf("bernoulli", generator);
  return composed("bernoulli", () => {
    const drawn = new Tensor(raw.randUniform(id, pack("bernoulli", p.shape), 0, 1));
    if (p.device === "webgpu") raw.moveToGpu(drawn.handle);
    return apply("lt", [drawn, p.detach()]).to(p.dtype);
  });
}
