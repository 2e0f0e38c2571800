/** @file Modules that hold modules. */
import { describe } from "../check.js";
import { ArgumentError, IndexError } from "../errors.js";
import { onCall } from "../callable.js";
import type { Tensor } from "../tensor.js";
import { AnyModule, checkModule, isModule } from "./any-module.js";
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

/** Names and modules of a plain object. */
function namedModules<M>(name: string, modules: NamedModules<M>): [string, M][] {
  const given: unknown = modules;
  if (typeof given === "object" && given !== null && !(Symbol.iterator in given)) {
    return Object.entries(modules);
  }
  throw new ArgumentError(
    `${name}: expected modules or an object of them, got ${describe(modules)}`,
  );
}

/** The fields of a container whose names are places, and the changes that move them. */
class Places<M extends AnyModule> {
  constructor(
    readonly container: AnyModule,
    readonly fields: () => [name: string, module: M][],
  ) {}

  get modules(): M[] {
    return this.fields().map(([, module]) => module);
  }

  get #name(): string {
    return this.container.constructor.name;
  }

  /** The name and the module at an index; negative ones count from the end. */
  at(index: number): [name: string, module: M] {
    const fields = this.fields();
    return fields[position(this.#name, index, fields.length)]!;
  }

  append(module: M): void {
    let place = this.fields().length;
    // Names of a slice of a Sequential do not begin at 0.
    while (Object.hasOwn(this.container, String(place))) place++;
    this.container.addModule(String(place), module);
  }

  insert(index: number, module: M): void {
    checkModule(this.#name, module);
    const { modules } = this;
    modules.splice(position(this.#name, index, modules.length, modules.length), 0, module);
    this.#assign(modules);
  }

  pop(index: number): M {
    const { modules } = this;
    const [module] = modules.splice(position(this.#name, index, modules.length), 1);
    this.#assign(modules);
    return module!;
  }

  /** Number the modules anew. */
  #assign(modules: readonly M[]): void {
    for (const [name] of this.fields()) Reflect.deleteProperty(this.container, name);
    modules.forEach((module, i) => this.container.addModule(String(i), module));
  }
}

/**
 * Run modules one after the other.
 *
 * Built from modules, which get the names "0", "1", ..., or from an object with names.
 */
export class Sequential extends Module {
  readonly [index: number]: Module;
  readonly #places = new Places(this, () => this.ownModules() as [string, Module][]);

  constructor(modules: NamedModules<Module>);
  constructor(...modules: Module[]);
  constructor(...args: Module[] | [NamedModules<Module>]) {
    super();
    const [first] = args;
    if (args.length === 1 && !isModule(first)) {
      if (typeof first === "function") checkModule("Sequential", first);
      const named = namedModules("Sequential", first);
      for (const [name, module] of named) this.addModule(name, module);
    } else {
      this.extend(args as Module[]);
    }
  }

  /** Number of modules. */
  override get length(): number {
    return this.#places.fields().length;
  }

  /** The module at an index; negative ones count from the end. */
  at(index: number): Module {
    return this.#places.at(index)[1];
  }

  /** Replace the module at an index. */
  set(index: number, module: Module): this {
    this.addModule(this.#places.at(index)[0], module);
    return this;
  }

  /** Some of the modules, under their names, in a new Sequential: `net.slice(0, -1)`. */
  slice(start?: number, end?: number): Sequential {
    const part = new Sequential();
    for (const [name, module] of this.#places.fields().slice(start, end)) {
      part.addModule(name, module);
    }
    return part;
  }

  /** Add a module at the end. */
  append(module: Module): this {
    this.#places.append(module);
    return this;
  }

  /** Add modules at the end. */
  extend(modules: Iterable<Module>): this {
    for (const module of modules) this.append(module);
    return this;
  }

  /** Add a module before an index; the names are "0", "1", ... afterwards. */
  insert(index: number, module: Module): this {
    this.#places.insert(index, module);
    return this;
  }

  /** Take a module out; the names are "0", "1", ... afterwards. */
  pop(index = -1): Module {
    return this.#places.pop(index);
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.#places.modules.values();
  }

  forward(x: Tensor): Tensor {
    let result = x;
    for (const module of this.#places.modules) result = module(result);
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
  readonly [index: number]: M;
  readonly #places = new Places(this, () => this.ownModules() as [string, M][]);

  constructor(modules: Iterable<M> = []) {
    super();
    this.extend(modules);
  }

  /** Number of modules. */
  get length(): number {
    return this.#places.fields().length;
  }

  /** The module at an index; negative ones count from the end. */
  at(index: number): M {
    return this.#places.at(index)[1];
  }

  /** Replace the module at an index. */
  set(index: number, module: M): this {
    this.addModule(this.#places.at(index)[0], module);
    return this;
  }

  /** Some of the modules in a new list. */
  slice(start?: number, end?: number): ModuleList<M> {
    return new ModuleList(this.#places.modules.slice(start, end));
  }

  /** Add a module at the end. */
  append(module: M): this {
    this.#places.append(module);
    return this;
  }

  /** Add modules at the end. */
  extend(modules: Iterable<M>): this {
    for (const module of modules) this.append(module);
    return this;
  }

  /** Add a module before an index. */
  insert(index: number, module: M): this {
    this.#places.insert(index, module);
    return this;
  }

  /** Take a module out. */
  pop(index = -1): M {
    return this.#places.pop(index);
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#places.modules.values();
  }

  /** The tree of modules; neighbours that print alike are one entry, as in PyTorch. */
  override toString(): string {
    const runs: { first: number; last: number; text: string }[] = [];
    this.#places.modules.forEach((module, i) => {
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
    for (const [name, module] of namedModules("ModuleDict", modules)) this.set(name, module);
  }

  /** Number of modules. */
  get size(): number {
    return this.entries().length;
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
    return this.ownModules() as [string, M][];
  }

  [Symbol.iterator](): Iterator<[name: string, module: M]> {
    return this.entries().values();
  }
}
