// The benchmark's workloads in TensorFlow.js, on its WASM backend or the one that is named: reads a workload a line as JSON, answers its times in
// ms as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

import * as tf from "@tensorflow/tfjs";

// Its hints go to stdout, where the answers go.
console.warn = console.info = console.log = () => {};
const require = createRequire(import.meta.url);
const backend = process.argv[2] ?? "wasm";
if (backend === "wasm") {
  const { setThreadsCount, setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(
    join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json")), "dist/"),
  );
  setThreadsCount(1);
} else {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  globalThis.navigator ??= {};
  Object.defineProperty(globalThis.navigator, "gpu", { value: create([]) });
  await import("@tensorflow/tfjs-backend-webgpu");
}
await tf.setBackend(backend);
await tf.ready();
const { nets } = JSON.parse(readFileSync(new URL("../workloads.json", import.meta.url), "utf8"));

// The WASM backend has no gradient for a convolution's filter, so none of the nets would train. What its users write
// instead is a convolution of transposed tensors, which is right for stride 1.
const filterGradient = {
  kernelName: "Conv2DBackpropFilter",
  backendName: "wasm",
  kernelFunc: ({ inputs: { x, dy }, attrs: { pad, filterShape } }) => {
    const [kh, kw] = filterShape;
    let rows = tf.transpose(x, [3, 1, 2, 0]);
    if (pad === "same") {
      const [top, left] = [(kh - 1) >> 1, (kw - 1) >> 1];
      rows = tf.pad(rows, [
        [0, 0],
        [top, kh - 1 - top],
        [left, kw - 1 - left],
        [0, 0],
      ]);
    }
    const filters = tf.transpose(dy, [1, 2, 0, 3]);
    return tf.transpose(tf.conv2d(rows, filters, 1, "valid"), [1, 2, 0, 3]);
  },
};
if (backend === "wasm") tf.registerKernel(filterGradient);

function parametersOf(net) {
  const parameters = [];
  for (const [kind, a, b, kernel] of net.layers) {
    if (kind !== "conv" && kind !== "linear") continue;
    const shape = kind === "conv" ? [kernel, kernel, a, b] : [a, b];
    const bound = 1 / Math.sqrt(kind === "conv" ? a * kernel * kernel : a);
    parameters.push(
      tf.variable(tf.randomUniform(shape, -bound, bound)),
      tf.variable(tf.zeros([b])),
    );
  }
  return parameters;
}

function forward(net, parameters, x) {
  let next = 0;
  net.layers.forEach(([kind, ...args], i) => {
    const activation = net.layers[i + 1]?.[0] === "relu" ? "relu" : "linear";
    if (kind === "conv") {
      const [filter, bias] = [parameters[next++], parameters[next++]];
      x = tf.fused.conv2d({
        x,
        filter,
        bias,
        strides: 1,
        pad: args[3] ? "same" : "valid",
        activation,
      });
    } else if (kind === "linear") {
      x = tf.fused.matMul({ a: x, b: parameters[next++], bias: parameters[next++], activation });
    } else if (kind === "pool") x = tf.maxPool(x, 2, 2, "valid");
    else if (kind === "flatten") x = x.reshape([x.shape[0], -1]);
    else if (kind === "dropout") x = tf.dropout(x, args[0]);
  });
  return x;
}

function train(w) {
  const net = nets[w.net];
  const [c, h, width] = net.input;
  const parameters = parametersOf(net);
  const optimizer = w.optimizer === "adam" ? tf.train.adam(w.lr) : tf.train.momentum(w.lr, 0.9);
  const x = tf.randomNormal([w.batch, h, width, c]);
  const labels = tf.tidy(() =>
    tf.oneHot(tf.randomUniform([w.batch], 0, 10, "int32"), 10).toFloat(),
  );
  return () => {
    const loss = optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(labels, forward(net, parameters, x)).asScalar(),
      true,
      parameters,
    );
    return read(loss);
  };
}

/** Runs `f` and waits for its result without keeping it. */
const run = (f) => () => read(tf.tidy(f));

/** A GPU is read asynchronously. */
async function read(y) {
  if (backend === "webgpu") await y.data();
  else y.dataSync();
  y.dispose();
}

function matmul(w) {
  const [a, b] = [tf.randomNormal([w.size, w.size]), tf.randomNormal([w.size, w.size])];
  return run(() => tf.matMul(a, b));
}

function conv(w) {
  const image = [w.batch, w.size, w.size, w.channels];
  const [x, dy] = [tf.randomNormal(image), tf.randomNormal(image)];
  const filter = tf.randomUniform([3, 3, w.channels, w.channels]);
  if (w.pass === "forward") return run(() => tf.conv2d(x, filter, 1, "same"));
  if (w.pass === "input") return run(() => tf.conv2dTranspose(dy, filter, image, 1, "same"));
  return run(() => tf.grad((f) => tf.conv2d(x, f, 1, "same"))(filter, dy));
}

async function measure(step, budget) {
  const once = async (times) => {
    const start = performance.now();
    for (let i = 0; i < times; i++) await step();
    return (performance.now() - start) / times;
  };
  let single = await once(1);
  if (single < budget.time / 4) single = await once(3);
  const chunk = Math.max(1, Math.round(50 / single));
  const results = [];
  const end = performance.now() + budget.time;
  while (results.length < budget.samples && (results.length === 0 || performance.now() < end)) {
    results.push(await once(chunk));
  }
  results.sort((a, b) => a - b);
  return { median: results[results.length >> 1], minimum: results[0] };
}

for await (const line of createInterface({ input: process.stdin })) {
  const workload = JSON.parse(line);
  let answer;
  tf.engine().startScope();
  try {
    answer = await measure({ train, matmul, conv }[workload.kind](workload), workload.budget);
  } catch (error) {
    answer = { error: String(error.message).split("\n")[0] };
  }
  tf.engine().endScope();
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
