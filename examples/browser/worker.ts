/** @file The worker: everything that computes. */
import { bestDevice, type Device, deviceInfo, useDevice } from "torchlet";
import { encodeSafetensors } from "torchlet/io";
import { datasets, transforms } from "torchlet/vision";
import type { Choice, News, Request } from "./messages.js";
import { Training } from "./training.js";

let training: Training | undefined;
/** Requests are answered one after the other. */
let last: Promise<void> = Promise.resolve();

addEventListener("message", ({ data }: MessageEvent<Request>) => {
  // These two must not wait for a device that is being brought up.
  if (data.type === "stop") training?.stop();
  else if (data.type === "settings") setSettings(data.settings);
  else last = last.then(() => answer(data)).catch(fail);
});
tell({ type: "ready" });

async function answer(request: Exclude<Request, { type: "stop" | "settings" }>): Promise<void> {
  switch (request.type) {
    case "device":
      await bringUp(request.choice);
      return;
    case "train":
      await train(request);
      return;
    case "save":
      await save();
  }
}

/** The device that was chosen; undefined, and told why, if it cannot be had. */
async function bringUp(choice: Choice): Promise<Device | undefined> {
  try {
    const device = choice === "best" ? await bestDevice() : await useDevice(choice);
    tell({ type: "device", choice, info: deviceInfo(device) });
    return device;
  } catch (error) {
    tell({ type: "noDevice", choice, reason: messageOf(error) });
    return undefined;
  }
}

async function train({ choice, settings }: Extract<Request, { type: "train" }>): Promise<void> {
  const device = await bringUp(choice);
  if (device === undefined) return;
  if (training !== undefined) {
    training.settings = settings;
    await training.goOn(device);
    return;
  }
  tell({ type: "loading" });
  const [trainSet, testSet] = await Promise.all([load(true), load(false)]);
  training = new Training(trainSet, testSet, device, settings, tell);
  training.run().catch(fail);
}

function setSettings(settings: Training["settings"]): void {
  if (training !== undefined) training.settings = settings;
}

/** The images, which the page's server has beside the page. */
function load(train: boolean): Promise<Training["train"]> {
  const root = new URL("/mnist", location.href).href;
  return datasets.MNIST.load({ root, train, transform: new transforms.ToTensor() });
}

async function save(): Promise<void> {
  if (training === undefined) return;
  try {
    const file = new Uint8Array(await encodeSafetensors(training.model.stateDict()));
    postMessage({ type: "weights", file } satisfies News, { transfer: [file.buffer] });
  } catch (error) {
    // As after the loss of a device: the training may still go on.
    tell({ type: "notSaved", reason: messageOf(error) });
  }
}

function tell(news: News): void {
  postMessage(news);
}

function fail(error: unknown): void {
  tell({ type: "failed", reason: messageOf(error) });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
