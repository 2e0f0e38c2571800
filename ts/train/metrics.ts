/** @file Metrics that add up on the device and are read when asked for, with torchmetrics' names. */
import { ShapeError } from "../errors.js";
import { noGrad } from "../grad-mode.js";
import { keep, scope } from "../memory.js";
import { full } from "../create.js";
import type { Tensor } from "../tensor.js";

/** A sum that lives where what is added to it lives. */
class Sum {
  #sum: Tensor | undefined;

  /** Add a tensor of one element; nothing is read. */
  add(value: Tensor): void {
    this.#sum ??= keep(full(value.shape, 0, { device: value.device }));
    const sum = this.#sum;
    noGrad(() => sum.add_(value));
  }

  async read(): Promise<number> {
    return this.#sum === undefined ? 0 : this.#sum.item();
  }

  reset(): void {
    this.#sum?.dispose();
    this.#sum = undefined;
  }
}

/**
 * The mean of numbers that a loop computes, such as its losses.
 *
 * `update` reads nothing, so that a GPU need not be waited for in each step; `compute` does.
 */
export class MeanMetric {
  readonly #sum = new Sum();
  #count = 0;

  /** Add a tensor of one element. */
  update(value: Tensor): void {
    if (value.numel() !== 1) {
      throw new ShapeError(
        `MeanMetric: expected a tensor of one element, got shape [${value.shape.join(", ")}]`,
      );
    }
    this.#sum.add(value);
    this.#count++;
  }

  /** The mean since the last `reset()`; NaN where there is nothing yet. */
  async compute(): Promise<number> {
    return (await this.#sum.read()) / this.#count;
  }

  /** Begin anew. */
  reset(): void {
    this.#sum.reset();
    this.#count = 0;
  }
}

/** The share of samples whose largest output is at the right class. */
export class Accuracy {
  readonly #right = new Sum();
  #count = 0;

  /**
   * Add a batch; nothing is read.
   *
   * @param outputs - scores, [n, classes]
   * @param labels - the right classes, [n]
   */
  update(outputs: Tensor, labels: Tensor): void {
    if (outputs.ndim !== 2 || labels.ndim !== 1 || outputs.shape[0] !== labels.shape[0]) {
      throw new ShapeError(
        "Accuracy: expected outputs [n, classes] and labels [n], " +
          `got [${outputs.shape.join(", ")}] and [${labels.shape.join(", ")}]`,
      );
    }
    scope(() => {
      const right = noGrad(() => outputs.argmax({ dim: 1 }).eq(labels).sum().float());
      this.#right.add(right);
    });
    this.#count += labels.shape[0]!;
  }

  /** The share since the last `reset()`, from 0 to 1; NaN where there is nothing yet. */
  async compute(): Promise<number> {
    return (await this.#right.read()) / this.#count;
  }

  /** Begin anew. */
  reset(): void {
    this.#right.reset();
    this.#count = 0;
  }
}
