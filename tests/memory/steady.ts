/** @file Watches the memory of a long loop. */
import { expect } from "vitest";
import { type Device, memoryStats, resetPeakMemory, type Tensor, tensor } from "torchlet";
import { DataLoader, TensorDataset } from "torchlet/data";
import { device } from "../device.js";
import { fill } from "../golden/golden.js";

/** The device that the loops run on. */
export const DEVICES: readonly Device[] = [device];

const STEPS = 3000;
const WARM = 50;
const STEADY = 1000;

/** Batches of images [3, 32, 32] and labels, epoch after epoch without end. */
export async function* batches(
  device: Device,
  batchSize: number,
): AsyncGenerator<[inputs: Tensor, labels: Tensor], void, undefined> {
  // As a dataset has them: on the CPU.
  const images = tensor(fill(1, 64 * 3 * 32 * 32, 0, 1), { shape: [64, 3, 32, 32] });
  const labels = tensor(Int32Array.from(fill(2, 64, 0, 10), Math.floor));
  const loader = new DataLoader(new TensorDataset(images, labels), { batchSize, shuffle: true });
  for (;;) {
    for await (const [x, y] of loader) yield [x.to(device), y.to(device)];
  }
}

/** Garbage that may pile up before the library asks for a collection; see `ts/memory.ts`. */
const PACED = 2 * 128 * 2 ** 20;

/** The sizes of a loop's memory in bytes, before and after it should be in a steady state. */
interface Sizes {
  /** The most bytes of living tensors on both devices. */
  peak: number;
  /** The fewest, and the fewest tensors: what is left after a collection. */
  floor: number;
  tensors: number;
  wasm: number;
}

/** Watches a loop's memory, before and after it should be in a steady state. */
export class MemoryWatch {
  #step = 0;
  #floor = Infinity;
  #tensors = Infinity;
  readonly #sizes: Sizes[] = [];

  /** Call this at the end of every step; it tells whether there have been 3,000. */
  step(): boolean {
    this.#step++;
    if (this.#step === WARM) this.#start();
    const { liveBytes, gpuLiveBytes, peakBytes, gpuPeakBytes, tensors, wasmBytes } = memoryStats();
    this.#floor = Math.min(this.#floor, liveBytes + gpuLiveBytes);
    this.#tensors = Math.min(this.#tensors, tensors);
    if (this.#step !== STEADY && this.#step !== STEPS) return false;
    this.#sizes.push({
      peak: peakBytes + gpuPeakBytes,
      floor: this.#floor,
      tensors: this.#tensors,
      wasm: wasmBytes,
    });
    this.#start();
    return this.#step === STEPS;
  }

  #start(): void {
    resetPeakMemory();
    this.#floor = this.#tensors = Infinity;
  }

  /** Expect that steps 1,000 to 3,000 took no more memory than steps 50 to 1,000. */
  expectSteady(): void {
    const [before, after] = this.#sizes;
    expect(this.#step).toBe(STEPS);
    expect(after!.tensors, "tensors after a collection").toBeLessThanOrEqual(before!.tensors);
    expect(after!.floor, "live bytes after a collection").toBeLessThanOrEqual(before!.floor);
    if (device === "cpu") {
      expect(after!.peak, "live bytes").toBeLessThanOrEqual(before!.peak);
      expect(after!.wasm, "WASM memory").toBeLessThanOrEqual(before!.wasm);
    } else {
      // Steps that wait for a GPU leave the engine time for collections of its own, at heights of its
      // own, long before the library would ask for one.
      expect(after!.peak, "live bytes").toBeLessThan(PACED);
      expect(after!.wasm, "WASM memory").toBeLessThan(PACED);
    }
  }
}
