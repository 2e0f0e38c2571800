/** @file What every module has, whatever it takes and gives: parameters, children, modes, state. */
import { boolean, describe, withDefaults } from "../check.js";
import { Callable } from "../callable.js";
import { checkDevice, type Device } from "../device.js";
import { ArgumentError, DeviceError, DtypeError } from "../errors.js";
import { isDtype } from "../dtype.js";
import { keep } from "../memory.js";
import { raw } from "../raw.js";
import { Tensor } from "../tensor.js";
import { loadInto, type LoadOptions, type LoadResult, type StateDict } from "./state.js";
import { Parameter } from "./parameter.js";
import { tree } from "./repr.js";

/** A value by the name under which a module has it; names of children's values have dots. */
type Named<T> = [name: string, value: T];

/** Options of `registerBuffer`. */
export interface BufferOptions {
  /** Whether the buffer is part of `stateDict()`. Default true. */
  persistent?: boolean;
}

/** Options of `zeroGrad`. */
export interface ZeroGradOptions {
  /** Whether gradients become null instead of 0. Default true. */
  setToNone?: boolean;
}

/** A module of any kind. Parameters, buffers and children are its fields. */
export abstract class AnyModule extends Callable {
  /** Whether the module is in training mode, which matters to dropout and the like. */
  training = true;

  /** Names of buffers, and whether they are part of the state. */
  readonly #buffers = new Map<string, boolean>();

  /** Names of fields in the order in which they came: an object lists "0" before "a". */
  readonly #order = new Set<string>();

  /** Compute the output. Call the module itself instead, which runs its hooks as well. */
  abstract forward(...args: never[]): unknown;

  /** What this module has itself, in the order in which it got them. */
  *#own<T>(isWanted: (value: unknown, name: string) => value is T): Generator<Named<T>> {
    for (const name of [...this.#names()]) {
      const value: unknown = Reflect.get(this, name);
      if (isWanted(value, name)) yield [name, value];
    }
  }

  #names(): Iterable<string> {
    for (const name of this.#order) if (!Object.hasOwn(this, name)) this.#order.delete(name);
    for (const name of Object.keys(this)) this.#order.add(name);
    return this.#order;
  }

  #isBuffer(value: unknown, name: string): value is Tensor {
    return this.#buffers.has(name) && value instanceof Tensor && !isParameter(value);
  }

  /** Values of this module and of those below it, each once. */
  #collect<T>(own: (module: AnyModule) => Iterable<Named<T>>): Named<T>[] {
    const seen = new Set<T>();
    return this.namedModules().flatMap(([path, module]) =>
      [...own(module)]
        .filter(([, value]) => !seen.has(value) && seen.add(value))
        .map(([name, value]): Named<T> => [join(path, name), value]),
    );
  }

  /** The modules that are fields of this one, one that is two fields twice. */
  protected ownModules(): Named<AnyModule>[] {
    return [...this.#own(isModule)];
  }

  /** The modules that are fields of this one, each once, with their names. */
  namedChildren(): Named<AnyModule>[] {
    const seen = new Set<AnyModule>();
    return this.ownModules().filter(([, child]) => !seen.has(child) && seen.add(child));
  }

  /** The modules that are fields of this one, each once. */
  children(): AnyModule[] {
    return this.namedChildren().map(([, child]) => child);
  }

  /** This module (with an empty name) and all below it, each once, with their paths. */
  namedModules(): Named<AnyModule>[] {
    const seen = new Set<AnyModule>();
    const walk = (path: string, module: AnyModule): Named<AnyModule>[] => {
      if (seen.has(module)) return [];
      seen.add(module);
      const below = module
        .namedChildren()
        .flatMap(([name, child]) => walk(join(path, name), child));
      return [[path, module], ...below];
    };
    return walk("", this);
  }

  /** This module and all below it, each once. */
  modules(): AnyModule[] {
    return this.namedModules().map(([, module]) => module);
  }

  /** All parameters, with their paths. */
  namedParameters(): Named<Parameter>[] {
    return this.#collect((module) => module.#own(isParameter));
  }

  /** All parameters. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** All buffers, with their paths. */
  namedBuffers(): Named<Tensor>[] {
    return this.#collect((module) =>
      module.#own((value, name): value is Tensor => module.#isBuffer(value, name)),
    );
  }

  /** All buffers. */
  buffers(): Tensor[] {
    return this.namedBuffers().map(([, buffer]) => buffer);
  }

  #add(
    operation: string,
    name: string,
    value: unknown,
    isKin: (value: unknown, name: string) => boolean,
  ): void {
    if (typeof name !== "string" || name === "" || name.includes(".")) {
      throw new ArgumentError(
        `${operation}: a name must be a string without dots that is not empty, got ${describe(name)}`,
      );
    }
    if (name in this && !Object.hasOwn(this, name)) {
      throw new ArgumentError(`${operation}: ${describe(name)} is the name of a method`);
    }
    const present: unknown = Reflect.get(this, name) ?? value;
    if (present !== value && !isKin(present, name)) {
      throw new ArgumentError(
        `${operation}: ${describe(name)} is already there: ${describe(present)}`,
      );
    }
    this.#names();
    Reflect.set(this, name, value);
    this.#names();
  }

  /** Add a tensor that belongs to the module's state without being learned. */
  registerBuffer(name: string, buffer: Tensor | null, options?: BufferOptions): void {
    const { persistent } = withDefaults<Required<BufferOptions>>("registerBuffer", options, {
      persistent: true,
    });
    if (buffer !== null && !(buffer instanceof Tensor)) {
      throw new ArgumentError(`registerBuffer: expected a Tensor or null, got ${describe(buffer)}`);
    }
    this.#add("registerBuffer", name, buffer && keep(buffer), (v, n) => this.#isBuffer(v, n));
    this.#buffers.set(name, persistent);
  }

  /** Add a parameter by name, as a field would. */
  registerParameter(name: string, parameter: Parameter | null): void {
    if (parameter !== null && !isParameter(parameter)) {
      throw new ArgumentError(
        `registerParameter: expected a Parameter or null, got ${describe(parameter)}`,
      );
    }
    this.#add("registerParameter", name, parameter, isParameter);
  }

  /** Add a child by name, as a field would. */
  addModule(name: string, module: AnyModule): void {
    checkModule("addModule", module);
    this.#add("addModule", name, module, isModule);
  }

  /** All parameters and persistent buffers by their paths; they share the elements. */
  stateDict(): StateDict {
    return Object.fromEntries(
      [...this.#state("")].map(([path, tensor]) => [path, tensor.detach()]),
    );
  }

  *#state(path: string): Generator<Named<Tensor>> {
    for (const [name, value] of this.#own(isParameter)) yield [join(path, name), value];
    for (const [name, value] of this.#own((v, n): v is Tensor => this.#isBuffer(v, n))) {
      if (this.#buffers.get(name)) yield [join(path, name), value];
    }
    for (const [name, child] of this.ownModules()) yield* child.#state(join(path, name));
  }

  /**
   * Copy the tensors of a state into the parameters and buffers of the same names.
   *
   * @throws ArgumentError that lists missing and unexpected names (if `strict`), or ShapeError if shapes
   *   differ as well; nothing is copied then.
   */
  loadStateDict(state: StateDict, options?: LoadOptions): LoadResult {
    return loadInto(this.constructor.name, [...this.#state("")], state, options);
  }

  /** Choose training mode, or evaluation mode with `train(false)`, for this module and all below it. */
  train(mode = true): this {
    boolean("train", "mode", mode);
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** Choose evaluation mode: dropout does nothing. */
  eval(): this {
    return this.train(false);
  }

  /** Move parameters and buffers to a device. The way back from `"webgpu"` is `await module.cpu()`. */
  to(target: Device | "float32"): this {
    if (target === "float32") return this;
    if (isDtype(target)) {
      throw new DtypeError(`to: parameters can only be "float32", got ${describe(target)}`);
    }
    const device = checkDevice("to", target);
    const tensors = [...this.parameters(), ...this.buffers()];
    if (device === "cpu" && tensors.some((tensor) => tensor.device !== "cpu")) {
      throw new DeviceError(
        'to: a module on "webgpu" cannot be moved synchronously; await module.cpu() instead',
      );
    }
    if (device === "webgpu") for (const tensor of tensors) raw.moveToGpu(tensor.handle);
    return this;
  }

  /** Move parameters and buffers to the CPU. */
  async cpu(): Promise<this> {
    for (const tensor of [...this.parameters(), ...this.buffers()]) {
      if (tensor.device !== "cpu") await raw.moveToCpu(tensor.handle);
    }
    return this;
  }

  /** Forget all gradients (default), or set them to 0. */
  zeroGrad(options?: ZeroGradOptions): void {
    clearGrads(this.parameters(), options);
  }

  /** Say whether gradients are wanted for all parameters. */
  requiresGrad_(on = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad_(on);
    return this;
  }

  /** Call a function with every module below this one, then with this one. */
  apply(f: (module: AnyModule) => void): this {
    for (const child of this.children()) child.apply(f);
    f(this);
    return this;
  }

  /** What `toString` shows between the parentheses. */
  extraRepr(): string {
    return "";
  }

  /** The tree of modules, as PyTorch prints it. */
  override toString(): string {
    const children = this.ownModules().map(([name, child]): Named<string> => [
      name,
      child.toString(),
    ]);
    return tree(this.constructor.name, this.extraRepr(), children);
  }
}

// What console.log shows in Node.
Object.defineProperty(AnyModule.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: AnyModule) {
    return this.toString();
  },
});

/** Tell modules from other values. */
export function isModule(value: unknown): value is AnyModule {
  return value instanceof AnyModule;
}

/** Refuse what is not a module. */
export function checkModule(operation: string, value: unknown): asserts value is AnyModule {
  if (isModule(value)) return;
  throw new ArgumentError(`${operation}: expected a Module, got ${describe(value)}`);
}

function isParameter(value: unknown): value is Parameter {
  return value instanceof Parameter;
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** Forget gradients, or set them to 0. */
export function clearGrads(tensors: readonly Tensor[], options: ZeroGradOptions | undefined): void {
  const { setToNone } = withDefaults<Required<ZeroGradOptions>>("zeroGrad", options, {
    setToNone: true,
  });
  for (const tensor of tensors) {
    if (setToNone) tensor.grad = null;
    else tensor.grad?.detach().zero_();
  }
}
