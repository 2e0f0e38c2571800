/** @file The workloads as Torchlet programs. */
import {
  type Device,
  functional as F,
  manualSeed,
  nn,
  noGrad,
  optim,
  rand,
  randint,
  randn,
  scope,
  synchronize,
  type Tensor,
} from "torchlet";

import type { Runner } from "./measure.js";
import { netOf, type Layer, type Net, type Workload } from "./workloads.js";

function layerOf(layer: Layer): nn.Module {
  switch (layer[0]) {
    case "conv":
      return new nn.Conv2d(layer[1], layer[2], layer[3], { padding: layer[4] });
    case "linear":
      return new nn.Linear(layer[1], layer[2]);
    case "dropout":
      return new nn.Dropout({ p: layer[1] });
    case "relu":
      return new nn.ReLU();
    case "pool":
      return new nn.MaxPool2d(2);
    case "flatten":
      return new nn.Flatten();
  }
}

export function build(net: Net): nn.Module {
  return new nn.Sequential(...net.layers.map(layerOf));
}

/** What was asked of a GPU is done some time later. */
const done = async (device: Device): Promise<void> => {
  if (device === "webgpu") await synchronize(device);
};

function trainStep(workload: Workload & { kind: "train" }, device: Device): Runner {
  const net = netOf(workload.net);
  const model = build(net).to(device);
  const optimizer =
    workload.optimizer === "adam"
      ? new optim.Adam(model.parameters(), { lr: workload.lr })
      : new optim.SGD(model.parameters(), { lr: workload.lr, momentum: 0.9 });
  const inputs = randn([workload.batch, ...net.input], { device });
  const labels = randint(0, 10, [workload.batch], { device });
  return async () => {
    const loss = scope(() => {
      optimizer.zeroGrad();
      const loss = F.crossEntropy(model(inputs), labels);
      loss.backward();
      optimizer.step();
      return loss;
    });
    await loss.item();
    loss.dispose();
    return undefined;
  };
}

function matmul(size: number, device: Device): Runner {
  const [a, b] = [randn([size, size], { device }), randn([size, size], { device })];
  const run = (): Promise<undefined> => {
    noGrad(() => a.matmul(b)).dispose();
    return Promise.resolve(undefined);
  };
  return Object.assign(run, { finish: () => done(device) });
}

function convolution(workload: Workload & { kind: "conv" }, device: Device): Runner {
  const { batch, channels, size, pass } = workload;
  const x = randn([batch, channels, size, size], { device });
  const weight = rand([channels, channels, 3, 3], { device });
  const forward = (): Tensor => F.conv2d(x, weight, undefined, { padding: 1 });
  if (pass === "forward") {
    const run = (): Promise<undefined> => {
      noGrad(forward).dispose();
      return Promise.resolve(undefined);
    };
    return Object.assign(run, { finish: () => done(device) });
  }
  const leaf = pass === "input" ? x : weight;
  leaf.requiresGrad = true;
  const dy = randn([batch, channels, size, size], { device });
  return async () => {
    const y = forward();
    await done(device);
    const start = performance.now();
    y.backward(dy);
    await done(device);
    const elapsed = performance.now() - start;
    leaf.grad = null;
    y.dispose();
    return elapsed;
  };
}

/** The program of a workload, ready to be timed. */
export function prepare(workload: Workload, device: Device): Runner {
  manualSeed(0);
  switch (workload.kind) {
    case "train":
      return trainStep(workload, device);
    case "matmul":
      return matmul(workload.size, device);
    case "conv":
      return convolution(workload, device);
  }
}
