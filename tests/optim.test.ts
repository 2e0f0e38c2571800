/** @file Optimizers against PyTorch: a small net stepped once and ten times for every option. */
import { describe, expect, test } from "vitest";
import { functional as F, optim, type Tensor, tanh } from "torchlet";
import { filled, type Stored } from "./golden/golden.js";
import { golden } from "./golden/read.js";

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
