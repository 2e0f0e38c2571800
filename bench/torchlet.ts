/** @file The workloads as Torchlet programs. */
import {
  functional as F,
  manualSeed,
  nn,
  noGrad,
  optim,
  rand,
  randint,
  randn,
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

function trainStep(workload: Workload & { kind: "train" }): Runner {
  const net = netOf(workload.net);
  const model = build(net);
  const optimizer =
    workload.optimizer === "adam"
      ? new optim.Adam(model.parameters(), { lr: workload.lr })
      : new optim.SGD(model.parameters(), { lr: workload.lr, momentum: 0.9 });
  const inputs = randn([workload.batch, ...net.input]);
  const labels = randint(0, 10, [workload.batch]);
  return async () => {
    optimizer.zeroGrad();
    const loss = F.crossEntropy(model(inputs), labels);
    loss.backward();
    optimizer.step();
    await loss.item();
    return undefined;
  };
}

function matmul(size: number): Runner {
  const [a, b] = [randn(size, size), randn(size, size)];
  return () => {
    noGrad(() => a.matmul(b)).dispose();
    return Promise.resolve(undefined);
  };
}

function convolution(workload: Workload & { kind: "conv" }): Runner {
  const { batch, channels, size, pass } = workload;
  const x = randn(batch, channels, size, size);
  const weight = rand(channels, channels, 3, 3);
  const forward = (): Tensor => F.conv2d(x, weight, undefined, { padding: 1 });
  if (pass === "forward") {
    return () => {
      noGrad(forward).dispose();
      return Promise.resolve(undefined);
    };
  }
  const leaf = pass === "input" ? x : weight;
  leaf.requiresGrad = true;
  const dy = randn(batch, channels, size, size);
  return () => {
    const y = forward();
    const start = performance.now();
    y.backward(dy);
    const elapsed = performance.now() - start;
    leaf.grad = null;
    y.dispose();
    return Promise.resolve(elapsed);
  };
}

/** The program of a workload, ready to be timed. */
export function prepare(workload: Workload): Runner {
  manualSeed(0);
  switch (workload.kind) {
    case "train":
      return trainStep(workload);
    case "matmul":
      return matmul(workload.size);
    case "conv":
      return convolution(workload);
  }
}
