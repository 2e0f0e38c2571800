/** @file Operations as methods: what is a function of a tensor is also a method of it. */
import { bernoulli } from "./create.js";
import type { GeneratorOptions } from "./generator.js";
import * as combine from "./ops/combine.js";
import * as compare from "./ops/compare.js";
import * as inPlace from "./ops/in-place.js";
import * as indexing from "./ops/index-at.js";
import * as linalg from "./ops/linalg.js";
import * as pointwise from "./ops/pointwise.js";
import * as reduce from "./ops/reduce.js";
import * as shape from "./ops/shape.js";
import { Tensor } from "./tensor.js";

/** Functions of a tensor, without their first argument. */
type MethodsOf<Functions> = {
  [Name in keyof Functions]: Functions[Name] extends (
    x: never,
    ...rest: infer Rest extends readonly unknown[]
  ) => infer Out
    ? (...rest: Rest) => Out
    : never;
};

/** Methods whose form is not that of the function. */
interface SpecialMethods {
  /** The largest element; with `dim` the values and their indices; of two tensors the larger elements. */
  max: WithoutFirst<typeof reduce.max>;
  /** The smallest element; with `dim` the values and their indices; of two tensors the smaller elements. */
  min: WithoutFirst<typeof reduce.min>;
  /** Elements of this tensor where `condition` is true and of `other` elsewhere. */
  where(condition: Tensor, other: Tensor | number): Tensor;
  /** Ones and zeros, where each element is the probability of a one. */
  bernoulli(options?: GeneratorOptions): Tensor;
}

/** An overloaded function of a tensor, without its first argument. */
type WithoutFirst<F> = F extends {
  (x: Tensor): infer A;
  (x: Tensor, dim: infer D, options?: infer P): infer B;
  (x: Tensor, other: infer O): infer C;
}
  ? { (): A; (dim: D, options?: P): B; (other: O): C }
  : never;

/** Every operation that is a method of tensors. */
export interface TensorMethods
  extends
    MethodsOf<typeof compare>,
    MethodsOf<typeof inPlace>,
    MethodsOf<typeof indexing>,
    MethodsOf<typeof linalg>,
    MethodsOf<typeof pointwise>,
    MethodsOf<Omit<typeof reduce, "max" | "min">>,
    MethodsOf<typeof shape>,
    SpecialMethods {}

function install(name: string, method: (this: Tensor, ...rest: never[]) => unknown): void {
  Object.defineProperty(Tensor.prototype, name, {
    value: method,
    writable: true,
    configurable: true,
  });
}

type AnyFunction = (x: Tensor, ...rest: unknown[]) => unknown;

for (const functions of [compare, inPlace, indexing, linalg, pointwise, reduce, shape]) {
  for (const [name, f] of Object.entries(functions) as [string, AnyFunction][]) {
    install(name, function (...rest: unknown[]) {
      return f(this, ...rest);
    });
  }
}
install("where", function (condition: Tensor, other: Tensor | number) {
  return combine.where(condition, this, other);
});
install("bernoulli", function (options?: GeneratorOptions) {
  return bernoulli(this, options);
});
