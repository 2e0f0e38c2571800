/** @file The CIFAR-10 tutorial's evaluation, 3,000 batches without one dispose, stays within its memory. */
import { expect, test } from "vitest";
import { manualSeed, noGrad } from "torchlet";
import { LeNet } from "../golden/nets.js";
import { batches, DEVICES, MemoryWatch } from "./steady.js";

test.each(DEVICES)("evaluation on %s", async (device) => {
  manualSeed(0);
  const net = new LeNet();
  net.to(device);
  net.eval();
  const memory = new MemoryWatch();
  let correct = 0;
  let total = 0;
  await noGrad(async () => {
    for await (const [images, labels] of batches(device, 4)) {
      const outputs = net(images);
      const [, predicted] = outputs.max({ dim: 1 });
      total += labels.size(0);
      correct += await predicted.eq(labels).sum().item();
      if (memory.step()) break;
    }
  });
  expect(total).toBe(12_000);
  expect(correct).toBeLessThan(total);
  memory.expectSteady();
});
