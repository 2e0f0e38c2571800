/** @file What a program holds on to stays readable and right, whatever is freed around it. */
import { beforeAll, describe, expect, test } from "vitest";
import { functional as F, manualSeed, memoryStats, nn, optim, type Tensor } from "torchlet";
import { LeNet } from "../golden/nets.js";
import { batches, DEVICES } from "./steady.js";

const EXACT = { rtol: 0, atol: 0 };
const STEPS = 600;

/** Tensors, each with a copy of its elements from the time when it was kept. */
class Kept {
  readonly #entries: { tensor: Tensor; shape: readonly number[]; data: Float32Array }[] = [];

  async add(tensor: Tensor): Promise<void> {
    const data = Float32Array.from(await tensor.data());
    this.#entries.push({ tensor, shape: tensor.shape, data });
  }

  async expectUnchanged(count: number): Promise<void> {
    expect(this.#entries).toHaveLength(count);
    for (const { tensor, shape, data } of this.#entries) {
      expect(tensor.shape).toEqual(shape);
      await expect(tensor).toBeAllclose(data, EXACT);
    }
  }
}

/** LeNet, with its activations in a field and in closures. */
class Watched extends LeNet {
  activation: Tensor | undefined;
  readonly readers: (() => Tensor)[] = [];

  override forward(x: Tensor): Tensor {
    const first = F.relu(this.conv1(x));
    this.activation = this.pool(first);
    const view = first.select(1, 2);
    if (this.training) this.readers.push(() => view);
    x = this.pool(F.relu(this.conv2(this.activation)));
    x = F.relu(this.fc1(x.view(-1, 16 * 5 * 5)));
    return this.fc3(F.relu(this.fc2(x)));
  }
}

describe.each(DEVICES)("held through training on %s", (device) => {
  const kept = Object.fromEntries(
    ["activations", "views", "losses", "batches", "outputs", "gradients", "states"].map((name) => [
      name,
      new Kept(),
    ]),
  ) as Record<string, Kept>;
  const losses: Tensor[] = [];
  const printed: number[] = [];
  let net: Watched;
  let state: Record<string, Tensor>;
  let collections = 0;

  beforeAll(async () => {
    manualSeed(0);
    net = new Watched();
    net.to(device);
    state = net.stateDict();
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9 });
    let step = 0;
    let before = 0;
    for await (const [inputs, labels] of batches(device, 4)) {
      optimizer.zeroGrad();
      const outputs = net(inputs);
      const loss = F.crossEntropy(outputs, labels);
      loss.backward();
      optimizer.step();
      losses.push(loss);
      printed.push(await loss.item());
      if (step % 20 === 0) {
        await kept.activations!.add(net.activation!);
        await kept.views!.add(net.readers.at(-1)!());
        await kept.batches!.add(inputs);
        await kept.batches!.add(labels);
        await kept.outputs!.add(outputs);
        // zeroGrad() lets go of these; the next backward() makes new ones.
        for (const p of net.parameters()) await kept.gradients!.add(p.grad!);
        // A state shares its storage with the parameters, so what does not change is a copy.
        for (const p of Object.values(net.stateDict())) await kept.states!.add(p.clone());
      }
      net.readers.length = 0;
      const { tensors } = memoryStats();
      if (tensors < before) collections++;
      before = tensors;
      if (++step === STEPS) break;
    }
  });

  test("memory was freed meanwhile", () => {
    expect(collections).toBeGreaterThan(0);
  });

  test.each([
    ["activations", 30],
    ["views", 30],
    ["batches", 60],
    ["outputs", 30],
    ["gradients", 300],
    ["states", 300],
  ])("%s", async (name, count) => {
    await kept[name]!.expectUnchanged(count);
  });

  test("the list of losses", async () => {
    const read: number[] = [];
    for (const loss of losses) read.push(await loss.item());
    expect(read).toEqual(printed);
    expect(new Set(read).size).toBeGreaterThan(STEPS / 2);
  });

  test("a state dict from before the first step has the trained weights", async () => {
    const parameters = [...net.namedParameters()];
    expect(Object.keys(state)).toEqual(parameters.map(([name]) => name));
    for (const [name, p] of parameters) await expect(state[name]).toBeAllclose(p, EXACT);
  });

  test("the activation in the field is that of the last forward", async () => {
    net.eval();
    const { value } = await batches(device, 4).next();
    const [inputs] = value!;
    net(inputs);
    const expected = net.pool(F.relu(net.conv1(inputs)));
    await expect(net.activation).toBeAllclose(await expected.data(), EXACT);
  });
});

describe.each(DEVICES)("graphs and views on %s", (device) => {
  /** Let garbage pile up until the collector has come at least once. */
  async function untilCollected(): Promise<void> {
    const net = new nn.Linear(256, 256);
    net.to(device);
    for await (const [inputs] of batches(device, 16)) {
      const before = memoryStats().tensors;
      await net(inputs.view(-1, 256)).relu().sum().item();
      if (memoryStats().tensors < before) return;
    }
  }

  test("a view outlives its base, a graph what it was computed from", async () => {
    const weight = (await batches(device, 2).next()).value![0].clone().requiresGrad_();
    const expected = await weight.select(0, 1).mul(3).data();
    const view = weight.detach().mul(3).select(0, 1);
    const square = ((): Tensor => {
      const inner = weight.mul(3);
      return inner.mul(inner).sum();
    })();
    await untilCollected();
    await expect(view).toBeAllclose(expected, EXACT);
    square.backward();
    await expect(weight.grad).toBeAllclose(await weight.detach().mul(18).data());
  });

  test("a view outlives a base that is disposed of", async () => {
    const base = (await batches(device, 4).next()).value![0].mul(2);
    const expected = await base.clone().data();
    const view = base.transpose(0, 1);
    base.dispose();
    await untilCollected();
    await expect(view.transpose(0, 1)).toBeAllclose(expected, EXACT);
  });

  test("a parameter's gradient outlives its net", async () => {
    let net: nn.Linear | null = new nn.Linear(3, 2);
    net.to(device);
    const x = (await batches(device, 1).next()).value![0].flatten().slice({ end: 3 });
    net(x).sum().backward();
    const { weight } = net;
    const grad = weight.grad!;
    net = null;
    await untilCollected();
    const row = Array.from(await x.data());
    await expect(grad).toBeAllclose([...row, ...row]);
    expect(weight.shape).toEqual([2, 3]);
  });
});
