/** @file Optimizers against PyTorch: a small net stepped once and ten times for every option. */
import { describe, expect, test } from "vitest";
import {
  AutogradError,
  ArgumentError,
  functional as F,
  isGradEnabled,
  nn,
  noGrad,
  optim,
  type Tensor,
  tanh,
} from "torchlet";
import { filled, type Stored } from "./golden/golden.js";
import { golden } from "./golden/read.js";
import { ones, tensor } from "./on-device.js";

interface Row {
  optimizer: "SGD" | "Adam" | "AdamW";
  options: Record<string, unknown>;
  groups?: Record<string, unknown>[];
  after1: Record<string, Stored>;
  after10: Record<string, Stored>;
}

const { by, rows } = golden<{ by: string; rows: Row[] }>("optim.json");
const SHAPES = { w: [4, 3], b: [4], v: [2, 4], sometimes: [5], unused: [2] };

/** The net that training.py steps: `sometimes` has a gradient in even steps only, `unused` never. */
function parameters(): Record<keyof typeof SHAPES, Tensor> {
  const made = Object.entries(SHAPES).map(([name, shape], i) => [
    name,
    filled(i, shape).requiresGrad_(),
  ]);
  return Object.fromEntries(made) as Record<keyof typeof SHAPES, Tensor>;
}

describe(`as ${by}`, () => {
  test.each(rows)(
    "$optimizer $options $groups",
    async ({ optimizer: name, options, groups, ...after }) => {
      const p = parameters();
      const params = groups
        ? [
            { params: [p.w, p.b], ...groups[0] },
            { params: [p.v], ...groups[1] },
          ]
        : Object.values(p);
      const optimizer = new optim[name](params, options);
      const x = filled(100, [5, 3]);
      const target = filled(101, [5, 2]);
      for (let step = 0; step < 10; step++) {
        optimizer.zeroGrad();
        let loss = F.mseLoss(tanh(F.linear(x, p.w, p.b)).matmul(p.v.t()), target);
        if (step % 2 === 0) loss = loss.add(p.sometimes.mul(p.sometimes).sum());
        loss.backward();
        optimizer.step();
        const expected = { 0: after.after1, 9: after.after10 }[step];
        for (const [key, values] of Object.entries(expected ?? {})) {
          await expect(p[key as keyof typeof p], `${key} after ${step + 1} steps`).toBeAllclose(
            values,
          );
        }
      }
    },
  );
});

const leaf = (...values: number[]): Tensor => tensor(values, { requiresGrad: true });

describe("parameter groups", () => {
  test("have the options of the optimizer where they have none of their own", async () => {
    const [a, b, c] = [leaf(1), leaf(2), leaf(3)];
    const groups = [{ params: [a], lr: 1 }, { params: b }];
    const optimizer = new optim.SGD(groups, { lr: 0.5, momentum: 0.9 });
    optimizer.addParamGroup({ params: new Set([c]), momentum: 0, nesterov: undefined });
    const options = optimizer.paramGroups.map((g) => [g.params.length, g.lr, g.momentum]);
    expect(options).toEqual([
      [1, 1, 0.9],
      [1, 0.5, 0.9],
      [1, 0.5, 0],
    ]);
    expect(optimizer.defaults).toEqual({
      lr: 0.5,
      momentum: 0.9,
      dampening: 0,
      weightDecay: 0,
      nesterov: false,
      maximize: false,
    });
    for (const group of optimizer.paramGroups) group.lr = 0.25;
    a.add(b).add(c).backward();
    optimizer.step();
    expect(await Promise.all([a, b, c].map((p) => p.item()))).toEqual([0.75, 1.75, 2.75]);
  });

  test("may come from a module or a generator", () => {
    const fc = new nn.Linear(2, 1);
    expect(new optim.Adam(fc.parameters()).paramGroups[0]!.params).toHaveLength(2);
    const weights = (function* () {
      yield fc.weight;
    })();
    expect(new optim.AdamW(weights).paramGroups[0]!.params[0] === fc.weight).toBe(true);
  });

  test.each<[what: string, make: () => unknown, message: RegExp]>([
    ["nothing", () => new optim.SGD(undefined as never), /params must be a list.*undefined/],
    ["one tensor", () => new optim.SGD(leaf(1)), /must be a list, got a single Tensor/],
    ["an empty list", () => new optim.SGD([]), /empty parameter list/],
    ["a module", () => new optim.SGD(new nn.Linear(1, 1) as never), /must be a list.*a Linear/],
    ["numbers", () => new optim.SGD([leaf(1), 5 as never]), /one of the params is 5/],
    ["names", () => new optim.SGD(new nn.Linear(1, 1).namedParameters() as never), /SGD: /],
    ["a group without params", () => new optim.SGD([{ lr: 1 } as never]), /with params/],
    ["params of null", () => new optim.SGD([{ params: null as never }]), /got null/],
    ["a result", () => new optim.SGD([leaf(1).mul(2)]), /can't optimize a non-leaf Tensor/],
    ["an option of another", () => new optim.SGD([{ params: leaf(1), betas: [0, 0] } as never]), /unknown option "betas"/], // prettier-ignore
    ["a rate below 0", () => new optim.Adam([{ params: leaf(1), lr: -1 }]), /Invalid learning rate: -1/], // prettier-ignore
    ["text as rate", () => new optim.SGD([leaf(1)], { lr: "0.1" as never }), /learning rate: "0.1"/], // prettier-ignore
  ])("refuses %s", (_, make, message) => {
    expect(make).toThrow(ArgumentError);
    expect(make).toThrow(message);
  });

  test("refuses a parameter twice, and stays as it was", () => {
    const [a, b] = [leaf(1), leaf(2)];
    const optimizer = new optim.SGD([a]);
    for (const params of [
      [b, a],
      [b, b],
    ]) {
      expect(() => optimizer.addParamGroup({ params })).toThrow(/more than one parameter group/);
    }
    expect(optimizer.paramGroups).toHaveLength(1);
  });
});

describe("a step", () => {
  test("zeroGrad forgets gradients or sets them to 0", async () => {
    const [a, b] = [leaf(1), leaf(2)];
    const optimizer = new optim.SGD([{ params: a }, { params: b }], { lr: 1 });
    a.mul(3).backward();
    optimizer.zeroGrad({ setToNone: false });
    expect([await a.grad!.item(), b.grad]).toEqual([0, null]);
    optimizer.zeroGrad();
    optimizer.step();
    expect([a.grad, await a.item(), await b.item()]).toEqual([null, 1, 2]);
    expect(() => optimizer.zeroGrad({ setToNull: true } as never)).toThrow(/"setToNull"/);
  });

  test("changes parameters in place, outside of the graph", async () => {
    const a = leaf(1, 2);
    const [view, version] = [a.detach(), a.version];
    const optimizer = new optim.SGD([a], { lr: 0.5 });
    const loss = a.mul(a).sum();
    loss.backward({ retainGraph: true });
    optimizer.step();
    expect([await view.tolist(), a.isLeaf, a.requiresGrad]).toEqual([[0, 0], true, true]);
    expect(a.version).toBeGreaterThan(version);
    expect(() => loss.backward()).toThrow(AutogradError);
  });

  test("computes its closure with gradients, and gives the loss back", async () => {
    const a = leaf(3);
    const optimizer = new optim.SGD([a], { lr: 0.1 });
    const loss = noGrad(() =>
      optimizer.step(() => {
        optimizer.zeroGrad();
        const inside = a.mul(2);
        inside.backward();
        return [inside, isGradEnabled()] as const;
      }),
    );
    expect([await loss[0].item(), loss[1], await a.item()]).toEqual([6, true, Math.fround(2.8)]);
    expect(() => optimizer.step(5 as never)).toThrow(/step: closure must be a function/);
    expect(() => optimizer.step(() => Promise.resolve(1))).toThrow(/must not be async/);
    expect(await a.item()).toBe(Math.fround(2.8));
  });
});

const lists = (tensors: readonly Tensor[]): Promise<unknown> =>
  Promise.all(tensors.map((x) => x.tolist()));

describe("stateDict", () => {
  type AnyOptimizer = optim.Optimizer<{ lr: number }>;
  const OPTIMIZERS: [what: string, make: (params: Tensor[]) => AnyOptimizer][] = [
    ["SGD", (params) => new optim.SGD(params, { lr: 0.1 })],
    ["SGD with momentum", (params) => new optim.SGD(params, { lr: 0.1, momentum: 0.9, nesterov: true })], // prettier-ignore
    ["Adam", (params) => new optim.Adam(params, { lr: 0.1, weightDecay: 0.1 })],
    ["Adam with amsgrad", (params) => new optim.Adam(params, { lr: 0.1, amsgrad: true })],
    ["AdamW", (params) => new optim.AdamW(params, { lr: 0.1, betas: [0.8, 0.9] })],
  ];

  /** Steps with gradients that change. */
  function train(optimizer: AnyOptimizer, params: Tensor[], from: number, to: number) {
    for (let i = from; i < to; i++) {
      optimizer.zeroGrad();
      const [w, b] = params as [Tensor, Tensor];
      w.mul(filled(i, [4]))
        .add(b)
        .square()
        .sum()
        .backward();
      optimizer.step();
    }
  }
  const start = (): Tensor[] => [filled(50, [4]).requiresGrad_(), leaf(0.5)];
  const copies = (params: Tensor[]): Tensor[] => params.map((p) => p.detach().clone().requiresGrad_()); // prettier-ignore

  test.each(OPTIMIZERS)("%s goes on as if it had not been interrupted", async (_, make) => {
    const unbroken = start();
    const first = make(unbroken);
    train(first, unbroken, 0, 3);
    const params = copies(unbroken);
    const second = make(params);
    for (const group of second.paramGroups) group.lr = 99;
    const state = first.stateDict();
    second.loadStateDict(state);
    // The state was copied: what the first does now is nothing to the second.
    train(first, unbroken, 3, 6);
    train(second, params, 3, 6);
    expect(await lists(params)).toEqual(await lists(unbroken));
    expect(second.paramGroups[0]!.lr).toBe(0.1);
  });

  test("counts parameters through the groups, as PyTorch does", () => {
    const [a, b, c] = [leaf(1, 2), leaf(3), leaf(4)];
    const optimizer = new optim.Adam([{ params: [a, b], lr: 1 }, { params: [c] }], { lr: 0.5 });
    a.sum().add(c).backward();
    optimizer.step();
    const { state, paramGroups } = optimizer.stateDict();
    expect(paramGroups.map(({ params, lr, betas }) => [params, lr, betas])).toEqual([
      [[0, 1], 1, [0.9, 0.999]],
      [[2], 0.5, [0.9, 0.999]],
    ]);
    expect(Object.keys(state)).toEqual(["0", "2"]);
    expect(Object.keys(state[0]!)).toEqual(["step", "expAvg", "expAvgSq"]);
    expect([state[0]!.step, (state[0]!.expAvg as Tensor).shape]).toEqual([1, [2]]);
  });

  test.each<[what: string, state: (good: optim.SGD) => unknown, message: RegExp]>([
    ["nothing", () => undefined, /expected what stateDict\(\) gives, got undefined/],
    ["an empty object", () => ({}), /expected what stateDict\(\) gives/],
    ["another number of groups", () => ({ state: {}, paramGroups: [] }), /different number of parameter groups/], // prettier-ignore
    ["groups of other sizes", () => new optim.SGD([leaf(1), leaf(2)]).stateDict(), /doesn't match the size of optimizer's group/], // prettier-ignore
    ["another optimizer's", () => new optim.Adam([leaf(1)]).stateDict(), /SGD: Invalid momentum/],
  ])("refuses %s", (_, make, message) => {
    const optimizer = new optim.SGD([leaf(1)], { lr: 0.1, momentum: 0.9 });
    const load = (): void => optimizer.loadStateDict(make(optimizer) as never);
    expect(load).toThrow(ArgumentError);
    expect(load).toThrow(message);
    expect(optimizer.paramGroups[0]).toMatchObject({ lr: 0.1, momentum: 0.9 });
  });

  test("a state of another shape is refused at the step", async () => {
    const a = leaf(1, 2);
    const optimizer = new optim.SGD([a], { lr: 1, momentum: 0.9 });
    const { paramGroups } = optimizer.stateDict();
    optimizer.loadStateDict({ paramGroups, state: { 0: { step: 1, momentumBuffer: ones(3) } } });
    a.sum().backward();
    expect(() => optimizer.step()).toThrow(/sgd: parameter 0 has shape \[2\].*\[3\]/);
    expect(await a.tolist()).toEqual([1, 2]);
  });
});
