/** @file What goes wrong on a GPU: typed errors with the operation's name, and a way to go on. */
import { describe, expect, test } from "vitest";
import {
  bestDevice,
  type Device,
  deviceInfo,
  DeviceError,
  DeviceLostError,
  functional as F,
  manualSeed,
  nn,
  optim,
  OutOfMemoryError,
  randint,
  randn,
  tensor,
  type Tensor,
  useDevice,
  zeros,
} from "torchlet";
import { Snapshot } from "torchlet/train";
import { raw } from "../core.js";
import { device } from "../device.js";

function net(on: Device): [nn.Sequential, optim.Adam] {
  const model = new nn.Sequential(
    new nn.Conv2d(1, 4, 3),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Linear(4 * 6 * 6, 10),
  ).to(on);
  return [model, new optim.Adam(model.parameters(), { lr: 1e-2 })];
}

describe.runIf(device === "webgpu")("on a GPU", () => {
  test("a tensor that the adapter cannot bind is refused by name", () => {
    const { limits } = deviceInfo("webgpu");
    const tooMany = limits!.maxTensorBytes / 4 + 1;
    // A view of one element takes no memory until it is copied.
    const wide = zeros(1, { device: "webgpu" }).expand(tooMany);
    expect(() => wide.contiguous()).toThrow(OutOfMemoryError);
    expect(() => wide.contiguous()).toThrow(
      /^contiguous: a tensor of \d+ elements takes \d+ bytes/,
    );
    expect(() => wide.add(1)).toThrow(OutOfMemoryError);
  });

  test("synchronous reads name the asynchronous ones", () => {
    const x = zeros(1, { device: "webgpu" });
    for (const read of [() => x.itemSync(), () => x.dataSync(), () => x.tolistSync()]) {
      expect(read).toThrow(DeviceError);
      expect(read).toThrow(/await/);
    }
    expect(() => x.to("cpu")).toThrow(/await x\.cpu\(\)/);
  });

  test("tensors of two devices do not meet, but numbers do", async () => {
    const x = tensor([1, 2], { device: "webgpu" });
    expect(() => x.add(tensor([1, 2]))).toThrow(DeviceError);
    expect(() => x.add(tensor([1, 2]))).toThrow(/same device/);
    expect(await x.add(tensor(3)).tolist()).toEqual([4, 5]);
    const leaf = tensor([1], { requiresGrad: true });
    expect(() => leaf.to("webgpu")).toThrow(/no gradient passes/);
  });

  test("labels outside the classes are told as on the CPU", () => {
    const labels = tensor(Int32Array.of(0, 7), { device: "webgpu" });
    const scores = zeros(2, 3, { device: "webgpu" });
    expect(() => F.crossEntropy(scores, labels)).toThrow(/7/);
  });

  test("training goes on from a snapshot when the device is lost in the middle", async () => {
    manualSeed(3);
    const images = randn(8, 1, 8, 8);
    const labels = randint(0, 10, [8]);
    const run = async (breakAt: number, then: Device): Promise<number[]> => {
      let on: Device = "webgpu";
      manualSeed(5);
      let [model, optimizer] = net(on);
      let snapshot = { step: 0, of: await Snapshot.take(model, optimizer) };
      const losses: number[] = [];
      for (let step = 0; step < 12; step++) {
        try {
          if (step % 3 === 0) snapshot = { step, of: await Snapshot.take(model, optimizer) };
          optimizer.zeroGrad();
          const loss = F.crossEntropy(model(images.to(on)), labels.to(on));
          loss.backward();
          if (step === breakAt) {
            breakAt = -1;
            raw.destroyGpu();
          }
          optimizer.step();
          losses[step] = await loss.item();
        } catch (error) {
          expect(error).toBeInstanceOf(DeviceLostError);
          expect((error as Error).message).toMatch(/lost/);
          on = await useDevice(then);
          [model, optimizer] = net(on);
          snapshot.of.restore(model, optimizer);
          step = snapshot.step - 1;
        }
      }
      return losses;
    };
    const unbroken = await run(-1, "webgpu");
    await expect(await run(7, "webgpu")).toBeAllclose(unbroken, { rtol: 1e-5 });
    await expect(await run(7, "cpu")).toBeAllclose(unbroken, { rtol: 1e-4 });
    await useDevice("webgpu");
  });

  test("what was on a lost device says so, for ever", async () => {
    const x: Tensor = tensor([1, 2], { device: "webgpu" });
    const reading = x.add(1).data();
    raw.destroyGpu();
    await expect(reading).rejects.toThrow(DeviceLostError);
    expect(() => x.add(1)).toThrow(DeviceLostError);
    await expect(x.data()).rejects.toThrow(DeviceLostError);
    expect(() => zeros(2, { device: "webgpu" })).toThrow(DeviceLostError);
    await useDevice("webgpu");
    expect(() => x.add(1)).toThrow(DeviceLostError);
    expect(await tensor([1, 2], { device: "webgpu" }).add(1).tolist()).toEqual([2, 3]);
  });

  test("a software adapter is passed over by bestDevice()", async () => {
    const { software } = deviceInfo("webgpu");
    expect(await bestDevice()).toBe(software ? "cpu" : "webgpu");
  });
});
