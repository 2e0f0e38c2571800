/** @file Metrics that add up on the device, and snapshots. */
import { describe, expect, test } from "vitest";
import { nn, optim, scope, ShapeError } from "torchlet";
import { Accuracy, MeanMetric, Snapshot } from "torchlet/train";
import { device } from "./device.js";
import { ones, tensor } from "./on-device.js";

describe("MeanMetric", () => {
  test("is the mean since the last reset", async () => {
    const mean = new MeanMetric();
    expect(await mean.compute()).toBeNaN();
    // What a scope frees has been added.
    for (const value of [1, 2, 6]) scope(() => mean.update(tensor(value)));
    expect(await mean.compute()).toBe(3);
    mean.reset();
    mean.update(tensor([5]));
    expect(await mean.compute()).toBe(5);
    expect(() => mean.update(tensor([1, 2]))).toThrow(ShapeError);
  });

  test("takes losses that want gradients", async () => {
    const mean = new MeanMetric();
    const x = ones(2).requiresGrad_();
    const loss = x.sum();
    mean.update(loss);
    loss.backward();
    expect(await mean.compute()).toBe(2);
    expect(await x.grad!.tolist()).toEqual([1, 1]);
  });
});

describe("Accuracy", () => {
  test("is the share of right classes over all batches", async () => {
    const accuracy = new Accuracy();
    const scores = tensor([
      [0.1, 0.9],
      [0.8, 0.2],
      [0.4, 0.6],
    ]);
    accuracy.update(scores, tensor(Int32Array.of(1, 0, 0)));
    accuracy.update(scores, tensor(Int32Array.of(1, 1, 1)));
    expect(await accuracy.compute()).toBeCloseTo(4 / 6, 6);
    expect(() => accuracy.update(scores, tensor(Int32Array.of(1)))).toThrow(/\[3, 2\] and \[1\]/);
    accuracy.reset();
    expect(await accuracy.compute()).toBeNaN();
  });
});

describe("Snapshot", () => {
  test("brings back a model, its optimizer and the random stream", async () => {
    const model = new nn.Linear(3, 2).to(device);
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.1 });
    const step = async (): Promise<unknown> => {
      optimizer.zeroGrad();
      model(ones(4, 3))
        .mul(tensor([1, -1]))
        .sum()
        .backward();
      optimizer.step();
      return model.weight.tolist();
    };
    await step();
    const snapshot = await Snapshot.take(model, optimizer);
    const second = await step();
    await step();
    snapshot.restore(model, optimizer);
    expect(await step()).toEqual(second);
  });
});
