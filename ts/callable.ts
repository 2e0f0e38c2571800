/** @file Objects that are called like functions, as PyTorch's modules and transforms are. */

/** The method that a call runs. */
export const onCall = Symbol("onCall");

/**
 * Base of classes whose instances are functions.
 *
 * The instance is an arrow function with the class's prototype: fields and private members of derived
 * classes land on it. Fields of this very class would not.
 */
export abstract class Callable {
  constructor() {
    const self = ((...args: never[]) => self[onCall](...args)) as unknown as Callable;
    // A function's own properties would hide a getter of the class or refuse a field of that name.
    delete (self as { name?: unknown }).name;
    delete (self as { length?: unknown }).length;
    return Object.setPrototypeOf(self, new.target.prototype) as Callable;
  }

  /** What a call runs. */
  abstract [onCall](...args: never[]): unknown;
}
