/** @file The training loop: it can be stopped, go on on another device, and outlives the loss of one. */
import {
  type Device,
  DeviceLostError,
  functional as F,
  Generator,
  manualSeed,
  noGrad,
  optim,
  scope,
  type Tensor,
} from "torchlet";
import { DataLoader, type Dataset, Subset } from "torchlet/data";
import { Accuracy, MeanMetric, Snapshot } from "torchlet/train";
import type { News, Settings } from "./messages.js";
import { FILTER_SIZE, FILTERS, Net } from "./model.js";

export type Digits = Dataset<[Tensor, number]>;

const SEED = 42;
const MOMENTUM = 0.9;
const TEST_BATCH = 200;
const TESTS_A_READ = 5;
/** Milliseconds between two reports, about: reading the loss waits for the device. */
const REPORT_EVERY = 120;
const MOST_STEPS_A_REPORT = 64;
/** Steps between two copies of the weights on the host. */
const SNAPSHOT_EVERY = 200;

export class Training {
  #device: Device;
  #settings: Settings;
  #model!: Net;
  #optimizer!: optim.SGD;
  #loss!: MeanMetric;
  #snapshot: Snapshot<Required<optim.SgdOptions>> | undefined;
  #step = 0;
  /** Why the loop is to wait, or waits. */
  #stop: News | undefined;
  #goOn: (() => void) | undefined;
  #wasLost = false;

  /** A loss a step of this epoch. */
  #epochLosses: number[] = [];

  // Counted since the last report.
  #steps = 0;
  #images = 0;
  #since = 0;
  #stepsAReport = 1;

  constructor(
    readonly train: Digits,
    readonly test: Digits,
    device: Device,
    settings: Settings,
    readonly tell: (news: News) => void,
  ) {
    this.#device = device;
    this.#settings = settings;
    manualSeed(SEED);
    this.#build();
  }

  get model(): Net {
    return this.#model;
  }

  /** Change settings at any time. */
  set settings(settings: Settings) {
    this.#settings = settings;
  }

  /** Let the loop wait after the step it is at. */
  stop(): void {
    this.#stop ??= { type: "stopped" };
  }

  /** Let the loop go on after a stop. */
  async goOn(device: Device): Promise<void> {
    if (this.#wasLost || device !== this.#device) {
      // Tensors on a lost device cannot be read: the last snapshot has to do.
      if (!this.#wasLost) await this.#takeSnapshot().catch(unlessLost);
      this.#device = device;
      this.#build();
      this.#snapshot?.restore(this.#model, this.#optimizer);
      this.#wasLost = false;
    }
    this.#stop = undefined;
    this.#goOn?.();
  }

  /** Train; after the last epoch wait until there are to be more. */
  async run(): Promise<never> {
    this.tell({ type: "running" });
    await this.#takeSnapshot();
    for (let epoch = 1; ; epoch++) {
      while (epoch > this.#settings.epochs) {
        this.#stop = { type: "finished" };
        await this.#pause();
      }
      const loss = await this.#epoch(epoch);
      this.tell({ type: "epoch", epoch, loss, accuracy: await this.#accuracy() });
    }
  }

  /** A model and an optimizer on the device, with fresh weights. */
  #build(): void {
    this.#model = new Net().to(this.#device);
    this.#optimizer = new optim.SGD(this.#model.parameters(), {
      lr: this.#settings.lr,
      momentum: MOMENTUM,
    });
    this.#loss = new MeanMetric();
    this.#beginReport();
  }

  async #takeSnapshot(): Promise<void> {
    this.#snapshot = await Snapshot.take(this.#model, this.#optimizer);
  }

  /** Go through the images once; gives the mean of the losses. */
  async #epoch(epoch: number): Promise<number> {
    const { images, batchSize } = this.#settings;
    const loader = new DataLoader(first(this.train, images), { batchSize, shuffle: true });
    this.#epochLosses = [];
    this.#beginReport();
    let left = loader.length;
    for await (const [inputs, labels] of loader) {
      await this.#pause();
      await this.#survive(async () => {
        this.#trainOn(inputs, labels);
        this.#steps++;
        this.#images += labels.shape[0]!;
        const isLast = left === 1 || this.#stop !== undefined;
        if (isLast || this.#steps >= this.#stepsAReport) await this.#report(epoch);
        if (this.#step % SNAPSHOT_EVERY === 0) await this.#takeSnapshot();
      });
      left--;
    }
    return mean(this.#epochLosses);
  }

  #trainOn(inputs: Tensor, labels: Tensor): void {
    for (const group of this.#optimizer.paramGroups) group.lr = this.#settings.lr;
    // What a step made is freed at its end, so that the next one takes the same memory.
    scope(() => {
      this.#optimizer.zeroGrad();
      const outputs = this.#model(inputs.to(this.#device));
      const loss = F.crossEntropy(outputs, labels.to(this.#device));
      loss.backward();
      this.#optimizer.step();
      this.#loss.update(loss);
    });
    this.#step++;
  }

  #beginReport(): void {
    this.#loss.reset();
    this.#steps = 0;
    this.#images = 0;
    this.#since = performance.now();
  }

  async #report(epoch: number): Promise<void> {
    const [loss, weights] = await Promise.all([
      this.#loss.compute(),
      this.#model.conv1.weight.data() as Promise<Float32Array>,
    ]);
    for (let i = 0; i < this.#steps; i++) this.#epochLosses.push(loss);
    const elapsed = performance.now() - this.#since;
    this.tell({
      type: "progress",
      epoch,
      step: this.#step,
      loss,
      imagesPerSecond: (1000 * this.#images) / elapsed,
      filters: { count: FILTERS, size: FILTER_SIZE, weights },
    });
    const fitting = Math.round((this.#steps * REPORT_EVERY) / elapsed);
    // The first steps are slow, and a device that does several at once tells late how long one takes.
    const most = Math.min(2 * this.#stepsAReport, MOST_STEPS_A_REPORT);
    this.#stepsAReport = Math.max(1, Math.min(fitting, most));
    this.#beginReport();
  }

  /** The share of the test images that the model names right. */
  async #accuracy(): Promise<number> {
    const accuracy = new Accuracy();
    // A generator of its own: testing must not change the order of training.
    const loader = new DataLoader(this.test, { batchSize: TEST_BATCH, generator: new Generator() });
    let [tested, share] = [0, NaN];
    for await (const [inputs, labels] of loader) {
      const { model } = this;
      await this.#pause();
      const survived = await this.#survive(async () => {
        scope(() =>
          noGrad(() =>
            accuracy.update(this.#model(inputs.to(this.#device)), labels.to(this.#device)),
          ),
        );
        tested++;
        if (tested % TESTS_A_READ !== 0 && tested < loader.length) return;
        // Reading keeps the loop from running ahead of a GPU.
        share = await accuracy.compute();
        this.tell({ type: "testing", share: tested / loader.length });
      });
      // What was counted so far is on another device.
      if (!survived || model !== this.#model) return this.#accuracy();
    }
    return share;
  }

  /** If the loop is to stop, wait here until it is to go on. */
  async #pause(): Promise<void> {
    if (this.#stop === undefined) return;
    this.tell(this.#stop);
    await new Promise<void>((resolve) => (this.#goOn = resolve));
    this.#goOn = undefined;
    this.tell({ type: "running" });
    this.#beginReport();
  }

  /** Do something on the device; if that is lost meanwhile, wait for another one and give false. */
  async #survive(work: () => void | Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      this.#wasLost = true;
      this.#stop = {
        type: "stopped",
        reason: `${error.message}; going on starts from the weights of at most ${SNAPSHOT_EVERY} steps ago`,
      };
      await this.#pause();
      return false;
    }
  }
}

/** The first images of a dataset. */
function first(digits: Digits, count: number): Digits {
  if (count >= digits.length) return digits;
  return new Subset(
    digits,
    Array.from({ length: count }, (_, i) => i),
  );
}

function unlessLost(error: unknown): void {
  if (!(error instanceof DeviceLostError)) throw error;
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
}
