/** @file The CIFAR-10 tutorial's training, 3,000 steps without one dispose, stays within its memory. */
import { expect, test } from "vitest";
import { manualSeed, nn, optim } from "torchlet";
import { LeNet } from "../golden/nets.js";
import { batches, DEVICES, MemoryWatch } from "./steady.js";

test.each(DEVICES)("training on %s", async (device) => {
  manualSeed(0);
  const net = new LeNet();
  net.to(device);
  const criterion = new nn.CrossEntropyLoss();
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.001, momentum: 0.9 });
  const memory = new MemoryWatch();
  let runningLoss = 0;
  for await (const [inputs, labels] of batches(device, 4)) {
    optimizer.zeroGrad();
    const outputs = net(inputs);
    const loss = criterion(outputs, labels);
    loss.backward();
    optimizer.step();
    runningLoss += await loss.item();
    if (memory.step()) break;
  }
  expect(runningLoss / 3000).toBeLessThan(Math.log(10));
  memory.expectSteady();
});
