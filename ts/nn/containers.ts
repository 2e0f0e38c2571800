/** @file Modules that hold modules. */
import { describe } from "../check.js";
import { ArgumentError, IndexError } from "../errors.js";
import { onCall } from "../callable.js";
import type { Tensor } from "../tensor.js";
import { AnyModule, isModule } from "./any-module.js";
import { Module } from "./module.js";
import { tree } from "./repr.js";

/** Modules by name, in order. */
export type NamedModules<M> = Readonly<Record<string, M>>;

/** Refuse an index outside of a list; count negative ones from its end. */
function position(name: string, index: number, length: number, last = length - 1): number {
  const at = index < 0 ? index + length : index;
  if (Number.isInteger(at) && at >= 0 && at <= last) return at;
  throw new IndexError(`${name}: index ${describe(index)} is out of range for ${length} modules`);
}

/**
 * Run modules one after the other.
 *
 * Built from modules, which get the names "0", "1", ..., or from an object with names.
 */
export class Sequential extends Module {
  constructor(modules: NamedModules<Module>);
  constructor(...modules: Module[]);
  constructor(...args: Module[] | [NamedModules<Module>]) {
    super();
    const [first] = args;
    const isRecord = args.length === 1 && typeof first === "object" && !isModule(first);
    const modules = (isRecord ? first : args) as NamedModules<Module>;
    for (const [name, module] of Object.entries(modules)) this.addModule(name, module);
  }

  #modules(): Module[] {
    return this.children() as Module[];
  }

  /** Number of modules. */
  override get length(): number {
    return this.#modules().length;
  }

  /** The module at an index; negative ones count from the end. */
  at(index: number): Module {
    const modules = this.#modules();
    return modules[position("Sequential", index, modules.length)]!;
  }

  /** Add a module at the end. */
  append(module: Module): this {
    this.addModule(String(this.length), module);
    return this;
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.#modules().values();
  }

  forward(x: Tensor): Tensor {
    let result = x;
    for (const module of this.#modules()) result = module(result);
    return result;
  }
}

/** A container that has no `forward`: the module that holds it calls its members. */
abstract class Holder extends AnyModule {
  forward(): never {
    throw new ArgumentError(`${this.constructor.name}: has no forward; call its members`);
  }

  [onCall](): never {
    return this.forward();
  }
}

/** A list of modules whose parameters belong to the module that holds it. */
export class ModuleList<M extends AnyModule = Module> extends Holder {
  constructor(modules: Iterable<M> = []) {
    super();
    this.extend(modules);
  }

  #modules(): M[] {
    return this.children() as M[];
  }

  #assign(modules: readonly M[]): void {
    modules.forEach((module, i) => this.addModule(String(i), module));
  }

  /** Number of modules. */
  get length(): number {
    return this.#modules().length;
  }

  /** The module at an index; negative ones count from the end. */
  at(index: number): M {
    const modules = this.#modules();
    return modules[position("ModuleList", index, modules.length)]!;
  }

  /** Replace the module at an index. */
  set(index: number, module: M): this {
    this.addModule(String(position("ModuleList", index, this.length)), module);
    return this;
  }

  /** Add a module at the end. */
  append(module: M): this {
    this.addModule(String(this.length), module);
    return this;
  }

  /** Add modules at the end. */
  extend(modules: Iterable<M>): this {
    for (const module of modules) this.append(module);
    return this;
  }

  /** Add a module before an index. */
  insert(index: number, module: M): this {
    const modules = this.#modules();
    modules.splice(position("ModuleList", index, modules.length, modules.length), 0, module);
    this.#assign(modules);
    return this;
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#modules().values();
  }

  /** The tree of modules; neighbours that print alike are one entry, as in PyTorch. */
  override toString(): string {
    const runs: { first: number; last: number; text: string }[] = [];
    this.#modules().forEach((module, i) => {
      const text = module.toString();
      const run = runs.at(-1);
      if (run?.text === text) run.last = i;
      else runs.push({ first: i, last: i, text });
    });
    const entries = runs.map(({ first, last, text }): [string, string] =>
      first === last ? [`${first}`, text] : [`${first}-${last}`, `${last - first + 1} x ${text}`],
    );
    return tree(this.constructor.name, this.extraRepr(), entries);
  }
}

/** Modules by name whose parameters belong to the module that holds it. */
export class ModuleDict<M extends AnyModule = Module> extends Holder {
  constructor(modules: NamedModules<M> = {}) {
    super();
    for (const [name, module] of Object.entries(modules)) this.set(name, module);
  }

  /** Number of modules. */
  get size(): number {
    return this.children().length;
  }

  /** Tell whether there is a module of this name. */
  has(name: string): boolean {
    return this.keys().includes(name);
  }

  /** The module of this name. */
  get(name: string): M {
    const found = this.entries().find(([key]) => key === name);
    if (found) return found[1];
    throw new IndexError(
      `ModuleDict: there is no module ${describe(name)} (it has ${this.keys().join(", ")})`,
    );
  }

  /** Add or replace a module. */
  set(name: string, module: M): this {
    this.addModule(name, module);
    return this;
  }

  /** Take a module out. */
  delete(name: string): boolean {
    return this.has(name) && Reflect.deleteProperty(this, name);
  }

  /** The names. */
  keys(): string[] {
    return this.entries().map(([name]) => name);
  }

  /** The modules. */
  values(): M[] {
    return this.entries().map(([, module]) => module);
  }

  /** Names and modules. */
  entries(): [name: string, module: M][] {
    return this.namedChildren() as [string, M][];
  }

  [Symbol.iterator](): Iterator<[name: string, module: M]> {
    return this.entries().values();
  }
}
