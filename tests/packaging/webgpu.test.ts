/** @file The tarball with and without npm's `webgpu`, which gives Node a GPU. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installed, losses, type Consumer } from "./consumer.js";

let consumer: Consumer;
beforeAll(async () => {
  consumer = await installed();
  await consumer.add("devices.mjs", "train.mjs", "train-webgpu.mjs");
});
afterAll(() => consumer.remove());

describe("without npm's webgpu", () => {
  it("brings it to nobody", async () => {
    await expect(consumer.node("--eval", 'require.resolve("webgpu")')).rejects.toThrow(
      "MODULE_NOT_FOUND",
    );
  });

  it("trains on the CPU", async () => {
    expect(losses(await consumer.node("train.mjs"))).toHaveLength(40);
  });

  it("has the CPU as its best device and says what brings a GPU", async () => {
    const printed = await consumer.node("devices.mjs");
    expect(printed).toContain("best device: cpu\n");
    expect(printed).toMatch(/^webgpu: DeviceError: useDevice: .*npm install webgpu/m);
  });
});

describe("with npm's webgpu", () => {
  beforeAll(async () => {
    const manifest = path.resolve(import.meta.dirname, "../../node_modules/webgpu/package.json");
    const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
    await consumer.install(`webgpu@${version}`);
  });

  it.skipIf(process.env.TORCHLET_NO_ADAPTER)("brings the GPU up and ends by itself", async () => {
    expect(await consumer.node("devices.mjs")).toMatch(/^best device: (cpu|webgpu)\nwebgpu: up$/m);
  });

  it.skipIf(process.env.TORCHLET_NO_ADAPTER)("trains on the GPU and ends by itself", async () => {
    const values = losses(await consumer.node("train-webgpu.mjs"));
    expect(values).toHaveLength(20);
    expect(values.at(-1)).toBeLessThan(0.3 * values[0]!);
  });

  // Elsewhere no variable hides the GPU.
  it.runIf(process.platform === "linux")("says so where there is no adapter", async () => {
    const printed = await consumer.nodeWith({ VK_ICD_FILENAMES: "/nowhere.json" }, "devices.mjs");
    expect(printed).toContain("best device: cpu\n");
    expect(printed).toMatch(/^webgpu: DeviceError: useDevice: .*adapter/m);
  });
});
