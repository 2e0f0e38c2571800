/** @file Finds the functions that the error tests call. */
import type * as torch from "torchlet";
import type { Argument } from "./arguments.js";
import type { Operation } from "./mutate.js";

type Call = (...args: unknown[]) => unknown;

/** An operation by its name: kinds of arguments, kinds of options. */
export type Row = [name: string, args: Argument[], options?: Record<string, Argument>];

/** A function of a namespace, looked up when it is called, so that a missing one is a fault of its own row. */
export const from =
  (source: object) =>
  ([name, args, options]: Row): Operation => ({
    name,
    args,
    options,
    call: (...given) => (source as Record<string, Call>)[name]!(...given),
  });

/** A method of a copy of the first argument, which then is a good tensor. */
export const method = ([name, [receiver, ...args], options]: Row): Operation => ({
  name,
  args,
  options,
  call: (...given) => {
    const copy = (receiver!.good as torch.Tensor).clone() as unknown as Record<string, Call>;
    return copy[name]!(...given);
  },
});
