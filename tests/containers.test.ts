/** @file Sequential, ModuleList and ModuleDict. */
import { describe, expect, test } from "vitest";
import { ArgumentError, IndexError, nn, ones, type Tensor, tensor } from "torchlet";

/** Adds a number. */
class Plus extends nn.Module {
  weight = new nn.Parameter(ones(1));
  constructor(readonly n: number) {
    super();
  }
  forward(x: Tensor): Tensor {
    return x.mul(10).add(this.n);
  }
}

const plus = (...values: number[]): Plus[] => values.map((n) => new Plus(n));
const names = (module: nn.AnyModule): string[] => module.namedChildren().map(([name]) => name);
/** The digits that a Sequential of Plus writes after a 1. */
const digits = (net: nn.Sequential): number => net(tensor(1)).itemSync();

describe("Sequential", () => {
  test("runs its modules in order", () => {
    const net = new nn.Sequential(...plus(1, 2, 3));
    expect(digits(net)).toBe(1123);
    expect(Object.keys(net.stateDict())).toEqual(["0.weight", "1.weight", "2.weight"]);
    expect(new nn.Sequential()(tensor(5)).itemSync()).toBe(5);
  });

  test("indexing and iteration", () => {
    const [a, b, c] = plus(1, 2, 3) as [Plus, Plus, Plus];
    const net = new nn.Sequential(a, b, c);
    const same = [net.at(0), net.at(-1), net[1], [...net][2]].map((m, i) => m === [a, c, b, c][i]);
    expect([...same, net.length]).toEqual([true, true, true, true, 3]);
    expect(net[3]).toBeUndefined();
    for (const index of [3, -4, 0.5]) expect(() => net.at(index)).toThrow(IndexError);
    net.set(-1, new Plus(7));
    expect([digits(net), names(net)]).toEqual([1127, ["0", "1", "2"]]);
  });

  test("names from an object keep their order, also when it grows", () => {
    const [first, second, third] = plus(1, 2, 3) as [Plus, Plus, Plus];
    const net = new nn.Sequential({ first, second });
    expect([names(net), Reflect.get(net, "first") === first]).toEqual([["first", "second"], true]);
    net.append(third);
    expect([names(net), digits(net)]).toEqual([["first", "second", "2"], 1123]);
    expect(Object.keys(net.stateDict())).toEqual(["first.weight", "second.weight", "2.weight"]);
    net.addModule("1", new Plus(4));
    net.addModule("first", new Plus(5));
    expect([names(net), digits(net)]).toEqual([["first", "second", "2", "1"], 15234]);
  });

  test("a slice shares modules and keeps their names", () => {
    const net = new nn.Sequential(...plus(1, 2, 3, 4));
    const part = net.slice(1, -1);
    expect([digits(part), names(part), part.at(0) === net.at(1)]).toEqual([123, ["1", "2"], true]);
    part.append(new Plus(9));
    expect([digits(part), names(part)]).toEqual([1239, ["1", "2", "3"]]);
    expect([digits(net.slice(2)), digits(net.slice(0, 0)), net.slice().length]).toEqual([
      134, 1, 4,
    ]);
    expect(digits(net)).toBe(11234);
  });

  test("append, extend, insert and pop", () => {
    const net = new nn.Sequential(...plus(1)).append(new Plus(2)).extend(plus(3, 4));
    net.insert(1, new Plus(5)).insert(-1, new Plus(6)).insert(6, new Plus(7));
    expect([digits(net), names(net)]).toEqual([11523647, ["0", "1", "2", "3", "4", "5", "6"]]);
    expect([(net.pop() as Plus).n, (net.pop(0) as Plus).n, digits(net)]).toEqual([7, 1, 152364]);
    expect(names(net)).toEqual(["0", "1", "2", "3", "4"]);
    expect(() => net.insert(7, new Plus(1))).toThrow(IndexError);
    expect(() => net.insert(0, ones(1) as never)).toThrow(/Sequential: expected a Module/);
    expect([digits(net), net.length]).toEqual([152364, 5]);
  });

  test("of other numbers of arguments than one, in subclasses, nested", () => {
    class Block extends nn.Sequential {
      constructor(n: number) {
        super(new Plus(n), new Plus(n));
      }
    }
    const net = new nn.Sequential(new Block(1), new nn.Sequential({ inner: new Block(2) }));
    expect(digits(net)).toBe(11122);
    expect(net.namedParameters().map(([name]) => name)).toEqual([
      ...["0.0.weight", "0.1.weight", "1.inner.0.weight", "1.inner.1.weight"],
    ]);
  });

  test.each<[what: string, args: unknown[], message: RegExp]>([
    ["a function", [new nn.ReLU(), (x: Tensor) => x], /expected a Module, got a function/],
    ["a class", [nn.ReLU], /Sequential: expected a Module, got a function/],
    ["a list", [[new nn.ReLU()]], /Sequential: expected modules or an object of them, got \[a ReLU\]/], // prettier-ignore
    ["a map", [new Map([["a", new nn.ReLU()]])], /expected modules or an object of them/],
    ["null", [null], /expected modules or an object of them, got null/],
    ["the name of a method", [{ forward: new nn.ReLU() }], /"forward" is the name of a method/],
  ])("refuses %s", (_, args, message) => {
    const make = (): nn.Sequential => new nn.Sequential(...(args as nn.Module[]));
    expect(make).toThrow(ArgumentError);
    expect(make).toThrow(message);
  });
});

describe("ModuleList", () => {
  test("is a list", () => {
    const [a, b] = plus(1, 2) as [Plus, Plus];
    const list = new nn.ModuleList([a, b]);
    list.append(new Plus(3)).extend(plus(4)).insert(0, new Plus(0)).set(1, new Plus(8));
    const values = (): number[] => [...list].map((m) => m.n);
    expect([values(), list.length]).toEqual([[0, 8, 2, 3, 4], 5]);
    expect([list.at(2) === b, list[2] === b, list.at(-1).n, list.pop(-2).n]).toEqual([true, true, 4, 3]); // prettier-ignore
    expect([values(), names(list)]).toEqual([
      [0, 8, 2, 4],
      ["0", "1", "2", "3"],
    ]);
    const part = list.slice(2);
    expect([names(part), part.at(0) === b]).toEqual([["0", "1"], true]);
    expect(() => list.at(4)).toThrow(/ModuleList: index 4 is out of range for 4 modules/);
    expect(() => list.append((() => 1) as never)).toThrow(/expected a Module/);
  });

  test("gives its parameters to the module that holds it, and is not called", () => {
    class Net extends nn.Module {
      layers = new nn.ModuleList(Array.from({ length: 11 }, (_, i) => new Plus(i % 10)));
      forward(x: Tensor): Tensor {
        return [...this.layers].reduce((y, layer) => layer(y), x);
      }
    }
    const net = new Net();
    expect(net.namedParameters().map(([name]) => name)).toEqual(
      Array.from({ length: 11 }, (_, i) => `layers.${i}.weight`),
    );
    expect(net.eval().layers.at(10).training).toBe(false);
    expect(() => net.layers.forward()).toThrow(/ModuleList: has no forward; call its members/);
  });
});

describe("ModuleDict", () => {
  test("is a dictionary in the order of insertion", () => {
    const [a, b, c] = plus(1, 2, 3) as [Plus, Plus, Plus];
    const dict = new nn.ModuleDict({ b, a });
    dict.set("2", c).set("1", c);
    expect([dict.keys(), dict.size, dict.has("a"), dict.has("training")]).toEqual([
      ["b", "a", "2", "1"],
      4,
      true,
      false,
    ]);
    expect([...dict].map(([name, m]) => [name, m.n])).toEqual([["b", 2], ["a", 1], ["2", 3], ["1", 3]]); // prettier-ignore
    expect([dict.get("a") === a, dict.values().length]).toEqual([true, 4]);
    expect([dict.delete("2"), dict.delete("2"), dict.keys()]).toEqual([true, false, ["b", "a", "1"]]); // prettier-ignore
    expect(() => dict.get("x")).toThrow(/ModuleDict: there is no module "x" \(it has b, a, 1\)/);
    expect(() => new nn.ModuleDict(new Map() as never)).toThrow(ArgumentError);
  });
});
