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

/** The largest sizes of a loop's memory in bytes, before and after it should be in a steady state. */
export class MemoryWatch {
  #step = 0;
  readonly #peaks: { live: number; gpu: number; wasm: number }[] = [];

  /** Call this at the end of every step; it tells whether there have been 3,000. */
  step(): boolean {
    this.#step++;
    if (this.#step === WARM) resetPeakMemory();
    if (this.#step !== STEADY && this.#step !== STEPS) return false;
    const { peakBytes, gpuPeakBytes, wasmBytes } = memoryStats();
    this.#peaks.push({ live: peakBytes, gpu: gpuPeakBytes, wasm: wasmBytes });
    resetPeakMemory();
    return this.#step === STEPS;
  }

  /** Expect that steps 1,000 to 3,000 took no more memory than steps 50 to 1,000. */
  expectSteady(): void {
    const [before, after] = this.#peaks;
    expect(this.#step).toBe(STEPS);
    // Tensors of both devices wait for one collection: together they keep to their height.
    const live = (peak: { live: number; gpu: number }): number => peak.live + peak.gpu;
    expect(live(after!), "live bytes").toBeLessThanOrEqual(live(before!));
    expect(after!.wasm, "WASM memory").toBeLessThanOrEqual(before!.wasm);
  }
}
