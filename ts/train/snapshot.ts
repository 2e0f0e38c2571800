/** @file Snapshots: the state of a training run on the host, from which it can go on after a device was lost. */
import { getRngState, setRngState } from "../generator.js";
import type { StateDict } from "../nn/state.js";
import type { OptimizerStateDict } from "../optim/optimizer.js";
import { tensor } from "../tensor-from.js";
import { Tensor } from "../tensor.js";

/** What a snapshot needs of a model. */
interface Model {
  stateDict(): StateDict;
  loadStateDict(state: StateDict): unknown;
}

/** What a snapshot needs of an optimizer. */
interface AnyOptimizer<Options extends object> {
  stateDict(): OptimizerStateDict<Options>;
  loadStateDict(state: OptimizerStateDict<Options>): void;
}

/** A copy on the CPU that later steps do not change. */
async function hostCopy(x: Tensor): Promise<Tensor> {
  return x.device === "cpu" ? tensor(x) : x.cpu();
}

async function hostCopies<T extends object>(values: T): Promise<T> {
  const copies = Object.entries(values).map(async ([name, value]: [string, unknown]) => [
    name,
    value instanceof Tensor ? await hostCopy(value) : value,
  ]);
  return Object.fromEntries((await Promise.all(copies)) as [string, unknown][]) as T;
}

/** The state of a model, its optimizer and the default generator at one moment, on the host. */
export class Snapshot<Options extends object> {
  readonly #model: StateDict;
  readonly #optimizer: OptimizerStateDict<Options>;
  readonly #generator: Uint8Array;

  private constructor(
    model: StateDict,
    optimizer: OptimizerStateDict<Options>,
    generator: Uint8Array,
  ) {
    this.#model = model;
    this.#optimizer = optimizer;
    this.#generator = generator;
  }

  /** Copy the state; take no step until the promise is resolved. */
  static async take<Options extends object>(
    model: Model,
    optimizer: AnyOptimizer<Options>,
  ): Promise<Snapshot<Options>> {
    const generator = getRngState();
    const { state, paramGroups } = optimizer.stateDict();
    const states = Object.entries(state).map(async ([index, of]) => [index, await hostCopies(of)]);
    const copied = Object.fromEntries((await Promise.all(states)) as [string, never][]);
    const groups = paramGroups.map((group) => ({ ...group }));
    return new Snapshot(
      await hostCopies(model.stateDict()),
      { state: copied, paramGroups: groups },
      generator,
    );
  }

  /**
   * Write the state into a model and an optimizer of its parameters, on whichever device they are.
   *
   * After a device was lost both have to be made anew: tensors on it are gone.
   */
  restore(model: Model, optimizer: AnyOptimizer<Options>): void {
    model.loadStateDict(this.#model);
    optimizer.loadStateDict(this.#optimizer);
    setRngState(this.#generator);
  }
}
