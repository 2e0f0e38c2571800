/** @file The MNIST tutorial with seed 42, as far as it prints its first line, against PyTorch's run of it. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { manualSeed, nn, optim } from "torchlet";
import { DataLoader } from "torchlet/data";
import { datasets, transforms } from "torchlet/vision";
import { device } from "./device.js";
import { SimpleCNN } from "./golden/nets.js";

const printed = readFileSync(new URL("golden/mnist_reference.txt", import.meta.url), "utf8");

test("a hundred steps print what PyTorch prints", async () => {
  manualSeed(42);
  const model = new SimpleCNN().to(device);
  const criterion = new nn.CrossEntropyLoss();
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.001, momentum: 0.9 });
  const trainDataset = await datasets.MNIST.load({
    train: true,
    transform: new transforms.ToTensor(),
  });
  const trainLoader = new DataLoader(trainDataset, { batchSize: 64, shuffle: true });
  let runningLoss = 0;
  let i = 0;
  for await (const [inputs, labels] of trainLoader) {
    optimizer.zeroGrad();
    const outputs = model(inputs.to(device));
    const loss = criterion(outputs, labels.to(device));
    loss.backward();
    optimizer.step();
    runningLoss += await loss.item();
    i++;
    if (i <= 10) {
      const expected = Number(
        new RegExp(`First steps, Step \\[${i}\\], Loss: (.*)`).exec(printed)![1],
      );
      expect(await loss.item(), `loss of step ${i}`).toBeCloseTo(expected, 5);
    }
    if (i === 100) break;
  }
  expect(printed).toContain(
    `Epoch [1/10], Step [${i}/${trainLoader.length}], Loss: ${(runningLoss / 100).toFixed(4)}\n`,
  );
});
