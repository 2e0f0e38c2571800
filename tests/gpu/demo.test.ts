/** @file The loop of the demo's page: what it does when it changes its device, and when it loses one. */
import { describe, expect, test } from "vitest";
import { randn, type Tensor, useDevice } from "torchlet";
import { Dataset } from "torchlet/data";
import type { News } from "../../examples/browser/messages.js";
import { Training } from "../../examples/browser/training.js";
import { raw } from "../core.js";
import { device } from "../device.js";

class Noise extends Dataset<[Tensor, number]> {
  constructor(readonly length: number) {
    super();
  }

  get(index: number): [Tensor, number] {
    return [randn(1, 28, 28), index % 10];
  }
}

/** A training that goes on until it is stopped, and what it tells. */
class Heard {
  readonly news: News[] = [];
  readonly #listeners = new Set<() => void>();
  readonly training = new Training(
    new Noise(64),
    new Noise(20),
    "webgpu",
    { lr: 0.01, batchSize: 8, images: 64, epochs: 1000 },
    (news) => {
      this.news.push(news);
      for (const listener of this.#listeners) listener();
      this.#listeners.clear();
    },
  );
  readonly failure: Promise<never>;

  constructor() {
    this.failure = this.training.run();
    this.failure.catch(() => undefined);
  }

  /** Wait for the next news of a type. */
  async next<T extends News["type"]>(type: T): Promise<Extract<News, { type: T }>> {
    const from = this.news.length;
    for (;;) {
      const found = this.news.slice(from).find((news) => news.type === type);
      if (found !== undefined) return found as Extract<News, { type: T }>;
      await Promise.race([
        new Promise<void>((resolve) => this.#listeners.add(resolve)),
        this.failure,
      ]);
    }
  }

  /** Stop the loop, if it does not wait already. */
  async stop(): Promise<void> {
    const stopped = this.next("stopped");
    this.training.stop();
    await stopped;
  }
}

describe.runIf(device === "webgpu")("the demo's training", () => {
  test("takes its weights to another device and back", async () => {
    const heard = new Heard();
    await heard.next("epoch");
    await heard.stop();
    for (const next of ["cpu", "webgpu"] as const) {
      const [running, stopped] = [heard.next("running"), heard.next("stopped")];
      const before = await heard.training.model.fc2.weight.data();
      await heard.training.goOn(next);
      // The loop has not had its turn yet.
      const { weight } = heard.training.model.fc2;
      expect(weight.device).toBe(next);
      const after = weight.data();
      heard.training.stop();
      expect(await after).toEqual(before);
      await running;
      await stopped;
      expect(await weight.data()).not.toEqual(before);
    }
  });

  test("waits after the loss of its device, and goes on on another one", async () => {
    const heard = new Heard();
    const { step } = await heard.next("progress");
    const stopped = heard.next("stopped");
    raw.destroyGpu();
    expect((await stopped).reason).toMatch(/lost.*; going on starts from the weights/s);
    const progress = heard.next("progress");
    await heard.training.goOn("cpu");
    expect((await progress).step).toBeGreaterThan(step);
    expect(heard.training.model.fc2.weight.device).toBe("cpu");
    await heard.stop();
    // The tests that follow want one.
    await useDevice("webgpu");
  });
});
