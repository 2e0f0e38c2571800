/** @file The base of optimizers: parameter groups, their state, and one multi-tensor step for each. */
import { callable, describe } from "../check.js";
import type { Device } from "../device.js";
import { ArgumentError } from "../errors.js";
import { enableGrad } from "../grad-mode.js";
import { keep } from "../memory.js";
import { clearGrads, type ZeroGradOptions } from "../nn/any-module.js";
import { callUpdate, raw, type UpdateName } from "../raw.js";
import { Tensor } from "../tensor.js";
import { tensor } from "../tensor-from.js";

/** Parameters that are optimised with the same options. */
export type ParamGroup<Options> = Options & { params: Tensor[] };

/** A group as it is given: options that are missing are those of the optimizer. */
export type ParamGroupInput<Options> = Partial<Options> & { params: Tensor | Iterable<Tensor> };

/** What an optimizer takes: parameters, or groups of them. */
export type Params<Options> = Iterable<Tensor> | Iterable<ParamGroupInput<Options>>;

/** What an optimizer remembers of one parameter: its number of steps and running averages. */
export interface ParamState {
  step: number;
  [average: string]: number | Tensor;
}

/** What `stateDict()` gives; parameters are counted through the groups. */
export interface OptimizerStateDict<Options> {
  state: Record<number, ParamState>;
  paramGroups: (Options & { params: number[] })[];
}

/** One step of the core for a group: the operation, its parameters, and the averages it keeps. */
export interface Update {
  operation: UpdateName;
  args: readonly number[];
  averages: readonly string[];
}

/** Base of optimizers. */
export abstract class Optimizer<Options extends object> {
  /** The groups; change an option here to change it from the next step on. */
  readonly paramGroups: ParamGroup<Options>[] = [];
  /** What the optimizer remembers of each parameter. */
  readonly state = new Map<Tensor, ParamState>();
  /** Options of groups that do not give their own. */
  readonly defaults: Readonly<Options>;

  constructor(params: Params<Options>, defaults: Options) {
    this.defaults = defaults;
    if (params instanceof Tensor) {
      throw new ArgumentError(`${this.#name}: params must be a list, got a single Tensor`);
    }
    const given = [...this.#list<unknown>(params)] as (Tensor | ParamGroupInput<Options>)[];
    if (given.length === 0) {
      throw new ArgumentError(`${this.#name}: optimizer got an empty parameter list`);
    }
    const areTensors = given[0] instanceof Tensor;
    const groups = areTensors ? [{ params: given as Tensor[] }] : given;
    for (const group of groups) this.addParamGroup(group as ParamGroupInput<Options>);
  }

  get #name(): string {
    return this.constructor.name;
  }

  /** Throw if an option of a group makes no sense. */
  protected abstract check(options: Options): void;

  /** Say how one step of a group is made. */
  protected abstract update(options: Options): Update;

  #check(options: Options): void {
    for (const [name, usual] of Object.entries(this.defaults)) {
      const value: unknown = (options as Record<string, unknown>)[name];
      if (typeof value !== typeof usual || Number.isNaN(value)) {
        throw new ArgumentError(`${this.#name}: Invalid ${name}: ${describe(value)}`);
      }
    }
    this.check(options);
  }

  #list<T>(params: Iterable<T>): Iterable<T> {
    if (params !== null && typeof params === "object" && Symbol.iterator in params) return params;
    throw new ArgumentError(
      `${this.#name}: params must be a list of Tensors or of groups, got ${describe(params)}`,
    );
  }

  /** Add parameters, with options of their own if need be. */
  addParamGroup(group: ParamGroupInput<Options>): void {
    if (group === null || typeof group !== "object" || !("params" in group)) {
      throw new ArgumentError(
        `${this.#name}: a parameter group must be an object with params, got ${describe(group)}`,
      );
    }
    const params = group.params instanceof Tensor ? [group.params] : [...this.#list(group.params)];
    const known = new Set(this.paramGroups.flatMap((other) => other.params));
    for (const param of params) {
      if (!(param instanceof Tensor)) {
        throw new ArgumentError(
          `${this.#name}: optimizer can only optimize Tensors, but one of the params is ${describe(param)}`,
        );
      }
      if (!param.isLeaf) {
        throw new ArgumentError(`${this.#name}: can't optimize a non-leaf Tensor`);
      }
      if (known.has(param)) {
        throw new ArgumentError(
          `${this.#name}: some parameters appear in more than one parameter group`,
        );
      }
      known.add(param);
    }
    const options = { ...this.defaults } as Record<string, unknown>;
    for (const [key, value] of Object.entries(group)) {
      if (key === "params") continue;
      if (!(key in options)) {
        throw new ArgumentError(
          `${this.#name}: unknown option ${describe(key)} in a parameter group`,
        );
      }
      if (value !== undefined) options[key] = value;
    }
    this.#check(options as Options);
    this.paramGroups.push({ ...(options as Options), params });
  }

  /** Forget all gradients (default), or set them to 0. */
  zeroGrad(options?: ZeroGradOptions): void {
    clearGrads(
      this.paramGroups.flatMap(({ params }) => params),
      options,
    );
  }

  /** Change all parameters that have a gradient. A closure computes the loss first, which is given back. */
  step(): void;
  step<T>(closure: () => T): T;
  step<T>(closure?: () => T): T | undefined {
    const loss = closure && enableGrad(callable("step", "closure", closure));
    if (loss instanceof Promise) {
      throw new ArgumentError("step: the closure must not be async; read the loss after the step");
    }
    for (const group of this.paramGroups) this.#stepGroup(group);
    // Work for the GPU waits in a list until here: a step is one submission.
    raw.flushGpu();
    return loss;
  }

  #stepGroup(group: ParamGroup<Options>): void {
    this.#check(group);
    const { operation, args, averages } = this.update(group);
    const grads: number[] = [];
    try {
      const params = group.params.filter((param) => {
        const grad = raw.grad(param.handle);
        return grad !== 0 && grads.push(grad);
      });
      if (params.length === 0) return;
      const states = params.map((param) => this.#stateOf(param, averages));
      const tensors = [
        ...params.map((param) => param.handle),
        ...grads,
        ...averages.flatMap((name) => states.map((state) => (state[name] as Tensor).handle)),
      ];
      callUpdate(operation, tensors, [...args, ...states.map((state) => state.step + 1)]);
      for (const state of states) state.step++;
    } finally {
      grads.forEach((grad) => raw.free(grad));
    }
  }

  #stateOf(param: Tensor, averages: readonly string[]): ParamState {
    const state = this.state.get(param) ?? { step: 0 };
    const missing = averages.filter((name) => !(state[name] instanceof Tensor));
    // Averages begin with the first step that keeps them, however many steps went before.
    if (missing.length > 0 && missing.length === averages.length) state.step = 0;
    for (const name of missing) {
      const onGpu = param.device === "webgpu";
      state[name] = keep(new Tensor(raw.full(raw.shape(param.handle), 0, 0, onGpu)));
    }
    this.state.set(param, state);
    return state;
  }

  /** Everything that a later `loadStateDict` needs to go on from here. The tensors are shared. */
  stateDict(): OptimizerStateDict<Options> {
    const order = this.paramGroups.flatMap((group) => group.params);
    const index = new Map(order.map((param, i) => [param, i]));
    return {
      state: Object.fromEntries(
        [...this.state].map(([param, state]) => [index.get(param)!, { ...state }]),
      ),
      paramGroups: this.paramGroups.map((group) => ({
        ...group,
        params: group.params.map((param) => index.get(param)!),
      })),
    };
  }

  /** Go on from a state of an optimizer with the same groups. The tensors are copied. */
  loadStateDict(saved: OptimizerStateDict<Options>): void {
    const isState = Array.isArray((saved as Partial<typeof saved> | null)?.paramGroups);
    if (!isState || saved.state === null || typeof saved.state !== "object") {
      throw new ArgumentError(
        `${this.#name}: expected what stateDict() gives, got ${describe(saved)}`,
      );
    }
    const fits = saved.paramGroups.every(
      ({ params }, i) =>
        Array.isArray(params) && params.length === this.paramGroups[i]?.params.length,
    );
    if (saved.paramGroups.length !== this.paramGroups.length) {
      throw new ArgumentError(
        `${this.#name}: loaded state dict has a different number of parameter groups`,
      );
    }
    if (!fits) {
      throw new ArgumentError(
        `${this.#name}: loaded state dict contains a parameter group that doesn't match the size of optimizer's group`,
      );
    }
    for (const group of saved.paramGroups) this.#check(group);
    const params = new Map<number, Tensor>();
    saved.paramGroups.forEach(({ params: indices, ...options }, i) => {
      const group = this.paramGroups[i]!;
      Object.assign(group, options);
      indices.forEach((index, j) => params.set(index, group.params[j]!));
    });
    this.state.clear();
    for (const [index, state] of Object.entries(saved.state)) {
      const param = params.get(Number(index));
      if (param) this.state.set(param, copied(state, param.device));
    }
  }
}

function copied(state: ParamState, device: Device): ParamState {
  const entries = Object.entries(state).map(([name, value]) => [
    name,
    value instanceof Tensor ? keep(tensor(value, { device })) : value,
  ]);
  return Object.fromEntries(entries) as ParamState;
}

/** Refuse an option below its bound, with PyTorch's words. */
export function atLeast0(optimizer: string, what: string, value: unknown): void {
  if (typeof value !== "number" || !(value >= 0)) {
    throw new ArgumentError(`${optimizer}: Invalid ${what}: ${describe(value)}`);
  }
}
