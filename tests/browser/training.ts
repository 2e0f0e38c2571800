/** @file A small training run, the same in Node and in browsers. */
import { functional as F, manualSeed, nn, optim, randn } from "torchlet";
import { device } from "../device.js";
import { tensor } from "../on-device.js";

/** Train a small net and give the losses of its steps. */
export async function train(): Promise<number[]> {
  manualSeed(0);
  const x = randn(16, 1, 8, 8).to(device);
  const y = tensor(Int32Array.from({ length: 16 }, (_, i) => i % 4));
  const net = new nn.Sequential(
    new nn.Conv2d(1, 8, 3, { padding: 1 }),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(128, 4),
  ).to(device);
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 });
  const losses: number[] = [];
  for (let step = 0; step < 20; step++) {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(net(x), y);
    loss.backward();
    optimizer.step();
    losses.push(await loss.item());
  }
  return losses;
}
