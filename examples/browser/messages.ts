/** @file What the page and the worker say to each other. */
import type { Device, DeviceInfo } from "torchlet";

/** A device by its name, or the fastest one of this machine. */
export type Choice = Device | "best";

/** What can be changed while the training goes on. */
export interface Settings {
  /** Learning rate, from the next step on. */
  lr: number;
  /** Images in a step, from the next epoch on. */
  batchSize: number;
  /** Images in an epoch, from the next one on; the first ones of the 60,000. */
  images: number;
  /** How many epochs the training has altogether. */
  epochs: number;
}

/** What the page asks for. */
export type Request =
  /** Bring a device up and tell about it. */
  | { type: "device"; choice: Choice }
  /** Begin, or go on after a stop; on another device, if another one is chosen. */
  | { type: "train"; choice: Choice; settings: Settings }
  | { type: "settings"; settings: Settings }
  | { type: "stop" }
  /** Send the weights as a file. */
  | { type: "save" };

/** What the worker tells. */
export type News =
  /** The worker has loaded and listens. */
  | { type: "ready" }
  | { type: "device"; choice: Choice; info: DeviceInfo }
  | { type: "noDevice"; choice: Choice; reason: string }
  | { type: "loading" }
  | { type: "running" }
  | Progress
  | { type: "testing"; share: number }
  | { type: "epoch"; epoch: number; loss: number; accuracy: number }
  /** The loop waits for `train`; `reason` says why, if nobody asked it to. */
  | { type: "stopped"; reason?: string }
  | { type: "finished" }
  | { type: "weights"; file: Uint8Array<ArrayBuffer> }
  /** The weights could not be sent. */
  | { type: "notSaved"; reason: string }
  | { type: "failed"; reason: string };

/** How the training gets on, several times a second. */
export interface Progress {
  type: "progress";
  epoch: number;
  /** Steps since the beginning, over all epochs. */
  step: number;
  /** Mean loss since the last progress. */
  loss: number;
  imagesPerSecond: number;
  /** The weights of the first layer, `filters.count` times `filters.size` squared. */
  filters: { count: number; size: number; weights: Float32Array };
}
