/** @file Reading values: at once on the CPU only, everywhere with `await`. */
import { describe, expect, test } from "vitest";
import { DeviceError, type Tensor } from "torchlet";
import { device } from "./device.js";
import { tensor } from "./on-device.js";

const one = (): Tensor => tensor([1.5]);
const four = (): Tensor =>
  tensor([
    [1, 2],
    [3, 4],
  ]);

test("awaited reads give the values", async () => {
  expect(await one().item()).toBe(1.5);
  expect(await four().tolist()).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(await four().data()).toEqual(Float32Array.of(1, 2, 3, 4));
  expect(await tensor([true, false]).tolist()).toEqual([true, false]);
  expect(await tensor(Int32Array.of(-7, 7)).data()).toEqual(Int32Array.of(-7, 7));
  expect(await four().t().tolist()).toEqual([
    [1, 3],
    [2, 4],
  ]);
});

test("a read gives what was there at the time of the call", async () => {
  const x = four();
  const before = x.data();
  x.zero_();
  expect(await before).toEqual(Float32Array.of(1, 2, 3, 4));
  expect(await x.data()).toEqual(new Float32Array(4));
});

test("a tensor comes back to the CPU with its values", async () => {
  const x = await four().cpu();
  expect(x.device).toBe("cpu");
  expect(x.dataSync()).toEqual(Float32Array.of(1, 2, 3, 4));
});

const SYNCHRONOUS: [name: string, read: () => unknown, value: unknown][] = [
  ["item", () => one().itemSync(), 1.5],
  ["data", () => four().dataSync(), Float32Array.of(1, 2, 3, 4)],
  ["tolist", () => tensor([1, 2]).tolistSync(), [1, 2]],
];

describe.runIf(device === "cpu")("synchronous reads", () => {
  test.each(SYNCHRONOUS)("%sSync gives the values", (_, read, value) => {
    expect(read()).toEqual(value);
  });
});

describe.runIf(device === "webgpu")("synchronous reads on a GPU", () => {
  test.each(SYNCHRONOUS)("%sSync is refused and names the call to await", (name, read) => {
    expect(read).toThrow(DeviceError);
    expect(read).toThrow(new RegExp(`^${name}\\w*: .*await.*${name}\\(\\)`));
  });

  test("moving back at once is refused and names the call to await", () => {
    expect(() => four().to("cpu")).toThrow(DeviceError);
    expect(() => four().to("cpu")).toThrow(/await x\.cpu\(\)/);
  });

  test("printing hides the values", () => {
    expect(String(four())).toBe("tensor(..., size=(2, 2), device=webgpu)");
  });
});
