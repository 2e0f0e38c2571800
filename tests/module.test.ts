/** @file Modules: calls, what is registered in which order, state, modes and hooks. */
import { describe, expect, test } from "vitest";
import {
  ArgumentError,
  DeviceError,
  DtypeError,
  functional as F,
  nn,
  ones,
  ShapeError,
  scope,
  type Tensor,
  tensor,
  TorchletError,
  zeros,
} from "torchlet";
import { device } from "./device.js";

/** The names in a list of names and values. */
const names = (named: readonly (readonly [string, unknown])[]): string[] =>
  named.map(([name]) => name);

class Net extends nn.Module {
  conv = new nn.Conv2d(1, 2, 3);
  fc = new nn.Linear(2, 1, { bias: false });
  scale = new nn.Parameter(ones(1));

  forward(x: Tensor): Tensor {
    return this.fc(F.relu(this.conv(x)).mean([2, 3])).mul(this.scale);
  }
}

describe("a module is a function", () => {
  test("of the class that made it", () => {
    const net = new Net();
    expect(net(ones(4, 1, 5, 5)).shape).toEqual([4, 1]);
    expect(typeof net).toBe("function");
    expect([net instanceof Net, net instanceof nn.Module, new nn.ReLU() instanceof Net]).toEqual([
      true,
      true,
      false,
    ]);
    expect(net.constructor).toBe(Net);
  });

  test("with private members, getters, and fields of every name", () => {
    class Scaled extends nn.Module {
      #factor = 3;
      static made = 0;
      override name = "scaled";
      override length = 7;
      constructor(readonly offset = 1) {
        super();
        Scaled.made++;
      }
      get factor(): number {
        return this.#factor;
      }
      set factor(value: number) {
        this.#factor = value;
      }
      #apply(x: Tensor): Tensor {
        return x.mul(this.#factor).add(this.offset);
      }
      forward(x: Tensor): Tensor {
        return this.#apply(x);
      }
    }
    class Twice extends Scaled {
      override forward(x: Tensor): Tensor {
        return super.forward(super.forward(x));
      }
    }
    const twice = new Twice(2);
    expect(twice(tensor(1)).itemSync()).toBe(17);
    twice.factor = 1;
    expect(twice(tensor(1)).itemSync()).toBe(5);
    expect([twice.name, twice.length, twice.factor, Scaled.made]).toEqual(["scaled", 7, 1, 1]);
    expect(twice instanceof Scaled).toBe(true);
  });

  test("of any arguments and results", async () => {
    type Out = [sum: Tensor, note: string];
    class Two extends nn.Module<[a: Tensor, b: Tensor, times?: number], Out> {
      forward(a: Tensor, b: Tensor, times = 1): Out {
        return [a.add(b).mul(times), "done"];
      }
    }
    const two = new Two();
    const [sum, note] = two(ones(2), ones(2), 3);
    expect([sum.tolistSync(), note]).toEqual([[6, 6], "done"]);
    expect(two(ones(1), ones(1))[0].itemSync()).toBe(2);
    class Late extends nn.Module<[Tensor], Promise<number>> {
      async forward(x: Tensor): Promise<number> {
        return (await x.sum().item()) + 1;
      }
    }
    expect(await new Late()(ones(2))).toBe(3);
  });

  test("that needs new and a forward", () => {
    expect(() => (Net as unknown as () => Net)()).toThrow(/without 'new'/);
    class Empty extends nn.Module {
      declare forward: (x: Tensor) => Tensor;
    }
    expect(() => new Empty()(ones(1))).toThrow('Empty: has no method "forward"');
    expect(() => new Empty()(ones(1))).toThrow(TorchletError);
    expect(() => (new Net() as unknown as () => Tensor)()).toThrow(/conv2d: expected a Tensor/);
  });
});

describe("what is registered", () => {
  test("parameters, in the order of fields and of their modules", () => {
    const net = new Net();
    // PyTorch lists a module's own parameters before those of its children.
    expect(names(net.namedParameters())).toEqual(["scale", "conv.weight", "conv.bias", "fc.weight"]); // prettier-ignore
    const expected = [net.scale, net.conv.weight, net.conv.bias, net.fc.weight];
    expect(net.parameters().map((p, i) => p === expected[i])).toEqual(Array(4).fill(true));
    expect(names(net.namedModules())).toEqual(["", "conv", "fc"]);
    expect(net.modules()[0] === net).toBe(true);
    expect(names(net.namedChildren())).toEqual(["conv", "fc"]);
    expect(net.fc.bias).toBeNull();
  });

  test("what is assigned later, in its old place; what is deleted is gone", () => {
    const net = new Net() as Net & { extra?: nn.Module };
    net.extra = new nn.Linear(1, 1);
    net.conv = new nn.Conv2d(1, 4, 1, { bias: false });
    expect(names(net.namedParameters())).toEqual([
      "scale",
      "conv.weight",
      "fc.weight",
      "extra.weight",
      "extra.bias",
    ]);
    delete net.extra;
    net.conv.weight = new nn.Parameter(zeros(2, 1, 1, 1));
    expect(names(net.namedModules())).toEqual(["", "conv", "fc"]);
    expect(net.namedParameters()[1]![1].shape).toEqual([2, 1, 1, 1]);
    net.extra = new nn.ReLU();
    Reflect.set(net, "fc", null);
    expect(names(net.namedChildren())).toEqual(["conv", "extra"]);
    Reflect.set(net, "fc", new nn.ReLU());
    expect(names(net.namedChildren())).toEqual(["conv", "fc", "extra"]);
  });

  test("a bias may be taken away", () => {
    const fc = new nn.Linear(2, 1);
    fc.bias = null;
    expect(names(fc.namedParameters())).toEqual(["weight"]);
    expect(fc(zeros(1, 2)).itemSync()).toBe(0);
    expect(fc.toString()).toBe("Linear(inFeatures=2, outFeatures=1, bias=false)");
  });

  test("not what is in lists, plain tensors, or private", () => {
    class Loose extends Net {
      list = [new nn.Linear(1, 1)];
      plain = ones(2);
      readonly #hidden = new nn.Linear(1, 1);
      override forward(x: Tensor): Tensor {
        return this.#hidden(x);
      }
    }
    expect(new Loose().parameters()).toHaveLength(4);
    // @ts-expect-error -- a plain tensor is no parameter to the compiler either
    const assign = (fc: nn.Linear): void => void (fc.weight = ones(1, 1));
    expect(assign).toBeTypeOf("function");
  });

  test("by name, in the order of the calls", () => {
    const net = new Net();
    net.registerParameter("10", new nn.Parameter(ones(1)));
    net.registerParameter("2", new nn.Parameter(ones(1)));
    net.registerParameter("none", null);
    net.addModule("1", new nn.Linear(1, 1));
    net.addModule("0", new nn.Linear(1, 1));
    expect(names(net.namedParameters())).toEqual([
      ...["scale", "10", "2", "conv.weight", "conv.bias", "fc.weight"],
      ...["1.weight", "1.bias", "0.weight", "0.bias"],
    ]);
    net.addModule("conv", new nn.ReLU());
    expect(names(net.namedChildren())).toEqual(["conv", "fc", "1", "0"]);
  });

  test("buffers: state that is not learned", () => {
    class Counter extends nn.Module {
      declare count: Tensor;
      mask: Tensor | null = ones(2);
      constructor() {
        super();
        this.registerBuffer("count", zeros());
        this.registerBuffer("mask", this.mask, { persistent: false });
        this.registerBuffer("absent", null);
      }
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    const nested = new nn.Sequential(new Counter(), new nn.Linear(1, 1));
    expect(names(nested.namedBuffers())).toEqual(["0.mask", "0.count"]);
    expect(Object.keys(nested.stateDict())).toEqual(["0.count", "1.weight", "1.bias"]);
    expect(names(nested.namedParameters())).toEqual(["1.weight", "1.bias"]);
    const counter = nested.at(0) as Counter;
    counter.count = counter.count.add(1);
    expect(nested.buffers()[1]!.itemSync()).toBe(1);
    counter.mask = null;
    expect(names(nested.namedBuffers())).toEqual(["0.count"]);
    Reflect.set(counter, "count", new nn.Parameter(ones(1)));
    expect([names(counter.namedBuffers()), names(counter.namedParameters())]).toEqual([[], ["count"]]); // prettier-ignore
  });

  test("parameters and buffers outlive a scope", () => {
    const net = scope(() => {
      const made = new Net();
      made.registerBuffer("mean", ones(2));
      return { fc: made.fc, all: [...made.parameters(), ...made.buffers()] };
    });
    expect(net.all.map((t) => t.isDisposed)).toEqual(Array(5).fill(false));
  });

  test.each<[what: string, call: (net: Net) => void, message: RegExp]>([
    ["a name with a dot", (net) => net.addModule("a.b", new nn.ReLU()), /without dots.*"a\.b"/],
    ["an empty name", (net) => net.registerBuffer("", ones(1)), /not empty/],
    ["the name of a method", (net) => net.addModule("forward", new nn.ReLU()), /"forward" is the name of a method/], // prettier-ignore
    ["the name of a field", (net) => net.addModule("training", new nn.ReLU()), /"training" is already there: true/], // prettier-ignore
    ["a buffer over a module", (net) => net.registerBuffer("fc", ones(1)), /"fc" is already there: a Linear/], // prettier-ignore
    ["a parameter over a module", (net) => net.registerParameter("fc", net.scale), /"fc" is already there/], // prettier-ignore
    ["what is no module", (net) => net.addModule("a", ones(1) as never), /expected a Module, got a Tensor/], // prettier-ignore
    ["a tensor as parameter", (net) => net.registerParameter("a", ones(1) as never), /expected a Parameter or null, got a Tensor/], // prettier-ignore
    ["a number as buffer", (net) => net.registerBuffer("a", 5 as never), /expected a Tensor or null, got 5/], // prettier-ignore
    ["an option that is not there", (net) => net.registerBuffer("a", ones(1), { persist: false } as never), /unknown option "persist"/], // prettier-ignore
  ])("refuses %s", (_, call, message) => {
    const net = new Net();
    expect(() => call(net)).toThrow(ArgumentError);
    expect(() => call(net)).toThrow(message);
    expect(names(net.namedModules())).toEqual(["", "conv", "fc"]);
  });
});

describe("shared modules and parameters", () => {
  class Tied extends nn.Module {
    a = new nn.Linear(2, 2);
    b = this.a;
    c = new nn.Linear(2, 2);
    constructor() {
      super();
      this.c.weight = this.a.weight;
    }
    forward(x: Tensor): Tensor {
      return this.c(this.b(this.a(x)));
    }
  }

  test("count once, but are in the state under each name", () => {
    const tied = new Tied();
    expect(names(tied.namedParameters())).toEqual(["a.weight", "a.bias", "c.bias"]);
    expect(names(tied.namedModules())).toEqual(["", "a", "c"]);
    expect(names(tied.namedChildren())).toEqual(["a", "c"]);
    expect(Object.keys(tied.stateDict())).toEqual([
      ...["a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias"],
    ]);
    const visited: string[] = [];
    tied.apply((module) => visited.push(module.constructor.name));
    expect(visited).toEqual(["Linear", "Linear", "Tied"]);
  });

  test("gather the gradients of all their uses", () => {
    const relu = new nn.ReLU();
    const fc = new nn.Linear(1, 1, { bias: false });
    const net = new nn.Sequential(fc, relu, fc, relu);
    fc.weight.detach().fill_(3);
    net(tensor([[2]])).backward();
    expect(fc.weight.grad!.itemSync()).toBe(12);
    expect([net.length, net.modules().length, net.parameters().length]).toEqual([4, 3, 1]);
  });
});

describe("stateDict and loadStateDict", () => {
  test("the state shares the elements, loading copies them", () => {
    const [a, b] = [new Net(), new Net()];
    const state = a.stateDict();
    expect(Object.values(state).map((t) => t.requiresGrad)).toEqual(Array(4).fill(false));
    const before = b.parameters();
    expect(b.loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    state.scale!.fill_(7);
    expect([a.scale.itemSync(), b.scale.itemSync()]).toEqual([7, 1]);
    expect(b.parameters().every((p, i) => p === before[i] && p.requiresGrad && p.isLeaf)).toBe(true); // prettier-ignore
    expect(b.fc.weight.tolistSync()).toEqual(a.fc.weight.tolistSync());
    expect(
      b(ones(1, 1, 3, 3))
        .mul(7)
        .itemSync(),
    ).toBeCloseTo(a(ones(1, 1, 3, 3)).itemSync(), 5);
  });

  const net = (): nn.Sequential => new nn.Sequential(new nn.Linear(2, 3), new nn.Linear(3, 1));

  test("strict loading lists everything that is wrong, in PyTorch's words, and copies nothing", () => {
    const target = net();
    const before = target.at(1).parameters()[0]!.tolistSync();
    const state = { "0.weight": ones(2, 2), x: ones(1), y: ones(1), "1.weight": ones(1, 3) };
    expect(() => target.loadStateDict(state)).toThrow(ShapeError);
    expect(() => target.loadStateDict(state)).toThrow(
      [
        "Error(s) in loading stateDict for Sequential:",
        'Missing key(s) in stateDict: "0.bias", "1.bias".',
        'Unexpected key(s) in stateDict: "x", "y".',
        "size mismatch for 0.weight: copying a param with shape [2, 2] from checkpoint, the shape in current model is [3, 2].",
      ].join("\n\t"),
    );
    expect(target.at(1).parameters()[0]!.tolistSync()).toEqual(before);
  });

  test("strict: false copies what is there and tells what is not", () => {
    const target = net();
    const result = target.loadStateDict({ "0.bias": ones(3), x: ones(1) }, { strict: false });
    expect(result).toEqual({
      missingKeys: ["0.weight", "1.weight", "1.bias"],
      unexpectedKeys: ["x"],
    });
    expect(target.at(0).parameters()[1]!.tolistSync()).toEqual([1, 1, 1]);
    expect(() => target.loadStateDict({ "0.bias": ones(2) }, { strict: false })).toThrow(
      /size mismatch for 0\.bias/,
    );
  });

  test.each<[what: string, state: unknown, message: RegExp]>([
    ["nothing", undefined, /expected an object of tensors/],
    ["numbers", { weight: 5, bias: ones(1) }, /expected a Tensor for weight, got 5/],
    ["an empty state", {}, /Missing key\(s\) in stateDict: "weight", "bias"\./],
  ])("refuses %s", (_, state, message) => {
    const load = (): unknown => new nn.Linear(1, 1).loadStateDict(state as nn.StateDict);
    expect(load).toThrow(ArgumentError);
    expect(load).toThrow(message);
  });
});

describe("modes and moves", () => {
  test("train and eval reach all modules below", () => {
    const drop = new nn.Dropout(0.5);
    const net = new nn.Sequential(new nn.Sequential(drop), new nn.ReLU());
    const modes = (): boolean[] => net.modules().map((module) => module.training);
    expect(modes()).toEqual([true, true, true, true]);
    expect(net.eval() === net).toBe(true);
    expect(modes()).toEqual([false, false, false, false]);
    expect(drop(ones(50)).tolistSync()).toEqual(Array(50).fill(1));
    net.at(0).train();
    expect(modes()).toEqual([false, true, true, false]);
    expect(net.train(false) === net && !drop.training).toBe(true);
    expect(() => net.train(1 as never)).toThrow(/train: mode must be true or false/);
  });

  test("to, zeroGrad and requiresGrad_", () => {
    const net = new Net();
    expect([net.to("cpu") === net, net.to("float32") === net]).toEqual([true, true]);
    expect(() => net.to("int32" as never)).toThrow(DtypeError);
    if (device === "cpu") expect(() => net.to("webgpu")).toThrow(DeviceError);
    expect(() => net.to("cuda" as never)).toThrow(/"cuda"/);
    net(ones(1, 1, 3, 3)).backward();
    expect(net.parameters().every((p) => p.grad !== null)).toBe(true);
    net.zeroGrad({ setToNone: false });
    expect(net.scale.grad!.tolistSync()).toEqual([0]);
    net.zeroGrad();
    expect(net.parameters().every((p) => p.grad === null)).toBe(true);
    expect(() => net.zeroGrad({ setToNull: true } as never)).toThrow(/unknown option "setToNull"/);
    expect(net.requiresGrad_(false) === net).toBe(true);
    expect(net(ones(1, 1, 3, 3)).requiresGrad).toBe(false);
    net.fc.requiresGrad_();
    expect(net.parameters().map((p) => p.requiresGrad)).toEqual([false, false, false, true]);
  });

  test("apply goes from the leaves to the root", () => {
    const visited: string[] = [];
    const net = new nn.Sequential(new nn.Sequential(new nn.ReLU()), new nn.Tanh());
    const same = net.apply((module) => visited.push(module.constructor.name));
    expect([same === net, visited]).toEqual([true, ["ReLU", "Sequential", "Tanh", "Sequential"]]);
  });
});

describe("hooks", () => {
  test("see and change arguments and outputs, in the order in which they came", () => {
    const seen: unknown[] = [];
    const module = new nn.Identity();
    const handles = [
      module.registerForwardPreHook((m, args) => void seen.push(m === module, args.length)),
      module.registerForwardPreHook((_, [x]) => [x.add(1)]),
      module.registerForwardPreHook((_, [x]) => x.mul(10)),
      module.registerForwardHook((_, [x], y) => void seen.push(x.itemSync(), y.itemSync())),
      module.registerForwardHook((_, __, y) => y.neg()),
      module.registerForwardHook((_, __, y) => y.sub(1)),
    ];
    expect(module(tensor(2)).itemSync()).toBe(-31);
    expect(seen).toEqual([true, 1, 30, 30]);
    expect(module.forward(tensor(2)).itemSync()).toBe(2);
    handles[1]!.remove();
    handles[4]!.remove();
    handles[4]!.remove();
    expect(module(tensor(2)).itemSync()).toBe(19);
  });

  test("run in children, and one hook can be there twice", () => {
    const net = new nn.Sequential(new nn.Identity(), new nn.Identity());
    const double = (_: nn.Module, __: unknown, y: Tensor): Tensor => y.mul(2);
    const first = net.at(0).registerForwardHook(double);
    net.at(0).registerForwardHook(double);
    net.at(1).registerForwardHook(double);
    expect(net(tensor(1)).itemSync()).toBe(8);
    first.remove();
    expect(net(tensor(1)).itemSync()).toBe(4);
    expect(() => net.registerForwardHook(5 as never)).toThrow(/registerForwardHook: hook must be/);
  });
});
