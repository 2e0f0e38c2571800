/** @file The tutorial's SimpleCNN on MNIST: `npm run mnist`. */
import { MultiBar } from "cli-progress";
import { Command } from "commander";
import {
  bestDevice,
  type Device,
  deviceInfo,
  DeviceLostError,
  Generator,
  manualSeed,
  nn,
  noGrad,
  optim,
  scope,
  type Tensor,
  useDevice,
} from "torchlet";
import { DataLoader, Subset } from "torchlet/data";
import { saveSafetensors } from "torchlet/io";
import { Accuracy, MeanMetric, Snapshot } from "torchlet/train";
import { datasets, transforms } from "torchlet/vision";

const program = new Command("mnist")
  .description("Train the tutorial's SimpleCNN on MNIST.")
  .option("--epochs <n>", "passes over the training images", "10")
  .option("--batch-size <n>", "images in a step", "64")
  .option("--lr <x>", "learning rate of SGD with momentum 0.9", "0.001")
  .option("--seed <n>", "seed of the weights and of the order of the images", "42")
  .option("--device <name>", "where to compute: cpu, webgpu, or best", "cpu")
  .option("--limit <n>", "train on the first n images only")
  .option("--snapshot <n>", "steps between copies to go on from if the GPU is lost", "200")
  .parse();
const options = program.opts<Record<string, string>>();
const number = (name: string): number => {
  const value = Number(options[name]);
  if (!(value > 0 || (name === "seed" && value === 0))) {
    program.error(`--${name} must be a positive number, got ${options[name]}`);
  }
  return value;
};
if (!["cpu", "webgpu", "best"].includes(options.device ?? "")) {
  program.error(`--device must be cpu, webgpu or best, got ${options.device}`);
}

class SimpleCNN extends nn.Module {
  conv1 = new nn.Conv2d(1, 16, 3, { stride: 1, padding: 1 });
  relu1 = new nn.ReLU();
  pool1 = new nn.MaxPool2d(2);
  conv2 = new nn.Conv2d(16, 32, 3, { stride: 1, padding: 1 });
  relu2 = new nn.ReLU();
  pool2 = new nn.MaxPool2d(2);
  fc1 = new nn.Linear(32 * 7 * 7, 128);
  relu3 = new nn.ReLU();
  fc2 = new nn.Linear(128, 10);

  override forward(x: Tensor): Tensor {
    x = this.pool1(this.relu1(this.conv1(x)));
    x = this.pool2(this.relu2(this.conv2(x)));
    x = x.view(-1, 32 * 7 * 7);
    return this.fc2(this.relu3(this.fc1(x)));
  }
}

let device: Device =
  options.device === "best" ? await bestDevice() : await useDevice(options.device as Device);
const { description, architecture } = deviceInfo(device);
console.log(`device: ${device} (${description || architecture})`);
manualSeed(number("seed"));
const criterion = new nn.CrossEntropyLoss();
function start() {
  const model = new SimpleCNN().to(device);
  const sgd = { lr: number("lr"), momentum: 0.9 };
  return { model, optimizer: new optim.SGD(model.parameters(), sgd) };
}
let { model, optimizer } = start();
const all = await datasets.MNIST.load({
  root: "data",
  train: true,
  transform: new transforms.ToTensor(),
});
const test = await datasets.MNIST.load({
  root: "data",
  train: false,
  transform: new transforms.ToTensor(),
});
const limit = Math.min(options.limit === undefined ? all.length : number("limit"), all.length);
const train =
  limit < all.length
    ? new Subset(
        all,
        Array.from({ length: limit }, (_, i) => i),
      )
    : all;
const batchSize = number("batchSize");
const trainLoader = new DataLoader(train, { batchSize, shuffle: true });
// A generator of its own: every pass of a loader draws from one, and testing must not change the order of training.
const testLoader = new DataLoader(test, { batchSize: 256, generator: new Generator() });

/** Percent of the test images that the model names right. */
async function testAccuracy(): Promise<number> {
  const accuracy = new Accuracy();
  for await (const [inputs, labels] of testLoader) {
    scope(() => noGrad(() => accuracy.update(model(inputs.to(device)), labels.to(device))));
  }
  return 100 * (await accuracy.compute());
}

const snapshotEvery = number("snapshot");
let snapshot = await Snapshot.take(model, optimizer);

/** A GPU may go away at any time: go on from the last copy, on a new device or on the CPU. */
async function recover(error: unknown): Promise<void> {
  if (!(error instanceof DeviceLostError)) throw error;
  console.log(`${error.message}: going on from the last snapshot`);
  device = await useDevice("webgpu").catch(() => "cpu" as const);
  ({ model, optimizer } = start());
  snapshot.restore(model, optimizer);
}

const epochs = number("epochs");
for (let epoch = 0; epoch < epochs; epoch++) {
  const bars = new MultiBar({
    format: "{bar} {value}/{total} loss {loss} {speed} images/s, {eta_formatted} left",
    clearOnComplete: true,
  });
  const bar = bars.create(trainLoader.length, 0, { loss: "", speed: "" });
  /** Lines go above the bar, where there is one. */
  const print = (line: string): void => {
    if (process.stdout.isTTY) bars.log(`${line}\n`);
    else console.log(line);
  };
  const start = performance.now();
  const runningLoss = new MeanMetric();
  let i = 0;
  for await (const [inputs, labels] of trainLoader) {
    i += 1;
    try {
      // What a step made is freed at its end, so that the next one takes the same memory.
      scope(() => {
        optimizer.zeroGrad();
        const loss = criterion(model(inputs.to(device)), labels.to(device));
        loss.backward();
        optimizer.step();
        runningLoss.update(loss);
      });
      // Reading waits for the device: now and then is enough.
      if (i % 20 === 0) {
        const speed = Math.round((1000 * i * batchSize) / (performance.now() - start));
        bar.update(i, { loss: (await runningLoss.compute()).toFixed(4), speed });
      }
      if (i % 100 === 0) {
        const step = `Epoch [${epoch + 1}/${epochs}], Step [${i}/${trainLoader.length}]`;
        print(`${step}, Loss: ${(await runningLoss.compute()).toFixed(4)}`);
        runningLoss.reset();
      }
      if (device === "webgpu" && i % snapshotEvery === 0) {
        snapshot = await Snapshot.take(model, optimizer);
      }
    } catch (error) {
      await recover(error);
      runningLoss.reset();
    }
  }
  // What was logged last has not been drawn yet.
  bars.update();
  bars.stop();
  console.log(
    `Epoch [${epoch + 1}/${epochs}], test accuracy: ${(await testAccuracy()).toFixed(2)} %`,
  );
}
await saveSafetensors(model.stateDict(), "mnist.safetensors");
console.log("weights saved in mnist.safetensors");
