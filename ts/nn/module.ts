/** @file The base of layers and networks: callable, with hooks. */
import { callable } from "../check.js";
import { onCall } from "../callable.js";
import { ArgumentError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { AnyModule } from "./any-module.js";

/** Takes a hook off again. */
export interface RemovableHandle {
  remove(): void;
}

/** Runs before `forward`; may give other arguments, one of them without a list around it. */
export type ForwardPreHook<M, Args extends unknown[]> = (
  module: M,
  args: Args,
) => Args | Args[0] | void;

/** Runs after `forward`; may give another output. */
export type ForwardHook<M, Args extends unknown[], Out> = (
  module: M,
  args: Args,
  output: Out,
) => Out | void;

export interface Module<Args extends unknown[] = [Tensor], Out = Tensor> {
  // eslint-disable-next-line @typescript-eslint/prefer-function-type -- only an interface merges with a class
  (...args: Args): Out;
}

/**
 * Base of layers and networks.
 *
 * Derive from it, make layers and parameters fields, write `forward`, and call the module:
 * `class Net extends nn.Module { fc = new nn.Linear(2, 1); forward(x: Tensor) { return this.fc(x); } }`.
 * `Args` and `Out` are what `forward` takes and gives.
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- see the interface
export abstract class Module<Args extends unknown[] = [Tensor], Out = Tensor> extends AnyModule {
  readonly #preHooks = new Set<ForwardPreHook<this, Args>>();
  readonly #hooks = new Set<ForwardHook<this, Args, Out>>();

  abstract override forward(...args: Args): Out;

  /** Run hooks and `forward`; this is what calling the module does. */
  [onCall](...args: Args): Out {
    if (typeof this.forward !== "function") {
      throw new ArgumentError(`${this.constructor.name}: has no method "forward"`);
    }
    let given = args;
    for (const hook of this.#preHooks) {
      const changed = hook(this, given) ?? given;
      given = (Array.isArray(changed) ? changed : [changed]) as Args;
    }
    let output = this.forward(...given);
    for (const hook of this.#hooks) output = hook(this, given, output) ?? output;
    return output;
  }

  /** Have a function called before `forward`, which may change the arguments. */
  registerForwardPreHook(hook: ForwardPreHook<this, Args>): RemovableHandle {
    return added("registerForwardPreHook", this.#preHooks, hook);
  }

  /** Have a function called after `forward`, which may change the output. */
  registerForwardHook(hook: ForwardHook<this, Args, Out>): RemovableHandle {
    return added("registerForwardHook", this.#hooks, hook);
  }
}

function added<T extends (...args: never[]) => unknown>(
  operation: string,
  hooks: Set<T>,
  hook: T,
): RemovableHandle {
  callable(operation, "hook", hook);
  // A function of its own for each registration, so that one hook can be registered twice.
  const own = ((...args: never[]) => hook(...args)) as T;
  hooks.add(own);
  return { remove: () => hooks.delete(own) };
}
