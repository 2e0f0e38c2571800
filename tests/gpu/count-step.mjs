// Counts what a training step asks of WebGPU, from outside of the library, and prints it as JSON.
import { create, globals } from "webgpu";

Object.assign(globalThis, globals);
await import("./gpu-counter.mjs");
const counter = globalThis.__gpuCounter;
const gpu = create([]);
counter.install(gpu);

const {
  functional: F,
  manualSeed,
  nn,
  optim,
  randint,
  randn,
  scope,
  tensor,
  useDevice,
} = await import("torchlet");
const device = await useDevice("webgpu", { gpu });

class LeNet extends nn.Module {
  conv1 = new nn.Conv2d(3, 6, 5);
  pool = new nn.MaxPool2d(2, 2);
  conv2 = new nn.Conv2d(6, 16, 5);
  fc1 = new nn.Linear(16 * 5 * 5, 120);
  fc2 = new nn.Linear(120, 84);
  fc3 = new nn.Linear(84, 10);

  forward(x) {
    x = this.pool(F.relu(this.conv1(x)));
    x = this.pool(F.relu(this.conv2(x)));
    x = x.flatten(1);
    x = F.relu(this.fc1(x));
    x = F.relu(this.fc2(x));
    return this.fc3(x);
  }
}

const OPTIMIZERS = {
  adam: (parameters) => new optim.Adam(parameters, { lr: 1e-3 }),
  sgd: (parameters) => new optim.SGD(parameters, { lr: 1e-3, momentum: 0.9 }),
};

async function count(optimizerName, batch) {
  manualSeed(0);
  const net = new LeNet().to(device);
  const optimizer = OPTIMIZERS[optimizerName](net.parameters());
  const images = await randn(batch, 3, 32, 32).data();
  const labels = await randint(0, 10, [batch]).data();
  const step = () =>
    scope(() => {
      const x = tensor(images, { shape: [batch, 3, 32, 32] }).to(device);
      const y = tensor(labels, { dtype: "int32" }).to(device);
      optimizer.zeroGrad();
      const loss = F.crossEntropy(net(x), y);
      loss.backward();
      optimizer.step();
      return loss;
    });
  const first = await counter.measure("first", step);
  const pipelines = first.pipelines;
  let losses = [await first.value.item()];
  first.value.dispose();
  for (let i = 0; i < 3; i++) {
    const loss = step();
    losses.push(await loss.item());
    loss.dispose();
  }
  const { value: loss, ...steady } = await counter.measure("step", step);
  const { value, ...read } = await counter.measure("item", () => loss.item());
  loss.dispose();
  return { pipelines, steady, read, losses: [...losses, value] };
}

const results = {
  "adam 64": await count("adam", 64),
  "sgd 4": await count("sgd", 4),
};
console.log(JSON.stringify({ ...results, errors: counter.errors }));
