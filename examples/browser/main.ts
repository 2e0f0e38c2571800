/** @file The page: what the user asks for goes to the worker, what the worker tells is shown. */
import type { DeviceInfo } from "torchlet";
import { LossChart } from "./chart.js";
import { drawFilters } from "./filters.js";
import type { Choice, News, Progress, Request, Settings } from "./messages.js";

type State =
  "loading" | "ready" | "starting" | "running" | "stopping" | "stopped" | "finished" | "failed";

/** What the main button says. */
const LABELS: Record<State, string> = {
  loading: "Start",
  ready: "Start",
  starting: "Starting …",
  running: "Stop",
  stopping: "Stopping …",
  stopped: "Go on",
  finished: "Go on",
  failed: "Start",
};

function find<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const controls = find<HTMLFormElement>("controls");
const go = find<HTMLButtonElement>("go");
const again = find<HTMLButtonElement>("again");
const save = find<HTMLButtonElement>("save");
const chart = new LossChart(find("curve"));
const filters = find<HTMLCanvasElement>("filters");
const devices = controls.querySelectorAll<HTMLInputElement>("input[name=device]");

let state: State = "loading";
let progress: Progress | undefined;
let worker = startWorker();

controls.addEventListener("submit", (event) => {
  event.preventDefault();
  if (state === "running") {
    show("stopping", "Stopping …");
    ask({ type: "stop" });
  } else {
    show("starting", "Starting …");
    ask({ type: "train", choice: choice(), settings: settings() });
  }
});

controls.addEventListener("change", ({ target }) => {
  const { name } = target as HTMLInputElement;
  if (name === "device") ask({ type: "device", choice: choice() });
  else if (controls.checkValidity()) ask({ type: "settings", settings: settings() });
});

again.addEventListener("click", () => {
  // A fresh worker has nothing left of the old one, whatever state that was in.
  worker.terminate();
  worker = startWorker();
  chart.clear();
  find("table").replaceChildren();
  for (const id of ["epoch", "step", "loss", "speed", "accuracy"]) find(id).textContent = "–";
  filters.getContext("2d")!.clearRect(0, 0, filters.width, filters.height);
  progress = undefined;
});

save.addEventListener("click", () => ask({ type: "save" }));

/** What is sent to a worker before it says that it is ready would be lost: its modules still load. */
function startWorker(): Worker {
  show("loading", "Loading Torchlet …");
  const started = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  started.addEventListener("message", ({ data }: MessageEvent<News>) => hear(data));
  started.addEventListener("error", ({ message }) => {
    show("failed", `The worker failed: ${message || "it could not be loaded"}`);
  });
  return started;
}

function ask(request: Request): void {
  worker.postMessage(request);
}

function choice(): Choice {
  // A form's data leave out what is disabled.
  return [...devices].find((device) => device.checked)!.value as Choice;
}

function settings(): Settings {
  const value = (id: string): number => find<HTMLInputElement>(id).valueAsNumber;
  return {
    lr: value("lr"),
    batchSize: value("batchSize"),
    epochs: value("epochs"),
    images: value("images"),
  };
}

function hear(news: News): void {
  switch (news.type) {
    case "device":
      if (news.choice === choice()) showDevice(describe(news.info), false);
      return;
    case "noDevice":
      if (news.choice === choice()) showDevice(news.reason, true);
      if (state === "starting") show(progress ? "stopped" : "ready", "There is no such device.");
      return;
    case "ready":
      ask({ type: "device", choice: choice() });
      return show("ready", "Ready.");
    case "loading":
      return show("starting", "Loading MNIST …");
    case "running":
      return show("running", "Training.");
    case "progress":
      return showProgress(news);
    case "testing":
      if (state === "running") say(`Testing: ${percent(news.share, 0)} of the test images.`);
      return;
    case "epoch":
      return showEpoch(news);
    case "stopped":
      return show("stopped", news.reason ?? "Stopped.", news.reason !== undefined);
    case "finished":
      return show("finished", "Finished. More epochs go on from here.");
    case "weights":
      return download(news.file);
    case "notSaved":
      return say(news.reason, true);
    case "failed":
      return show("failed", news.reason, true);
  }
}

/** Show what can be done now, and say what is going on. */
function show(next: State, message: string, isError = next === "failed"): void {
  state = next;
  go.textContent = LABELS[next];
  // Whatever the fields hold, the training can be stopped.
  go.formNoValidate = next === "running";
  go.disabled = ["loading", "starting", "stopping", "failed"].includes(next);
  again.disabled = next === "loading" || next === "ready";
  save.disabled = !["running", "stopped", "finished"].includes(next);
  const isBusy = ["starting", "running", "stopping"].includes(next);
  for (const device of devices) device.disabled = isBusy;
  say(message, isError);
}

function say(message: string, isError = false): void {
  const line = find("state");
  if (line.textContent !== message) line.textContent = message;
  line.classList.toggle("error", isError);
}

function showDevice(text: string, isError: boolean): void {
  find("device").textContent = text;
  find("device").classList.toggle("error", isError);
}

function describe({ device, vendor, architecture, description, software, limits }: DeviceInfo) {
  const parts = [device, description || [vendor, architecture].filter(Boolean).join(" ")];
  if (software) parts.push("imitated by the CPU: slow");
  if (limits) parts.push(`tensors up to ${Math.round(limits.maxTensorBytes / 2 ** 20)} MiB`);
  return parts.filter(Boolean).join(" · ");
}

function showProgress(news: Progress): void {
  progress = news;
  if (state === "running") say("Training.");
  find("epoch").textContent = `${news.epoch}`;
  find("step").textContent = news.step.toLocaleString("en");
  find("loss").textContent = news.loss.toFixed(3);
  find("speed").textContent = Math.round(news.imagesPerSecond).toLocaleString("en");
  chart.add(news.step, news.loss);
  drawFilters(filters, news.filters);
}

function showEpoch({ epoch, loss, accuracy }: Extract<News, { type: "epoch" }>): void {
  find("accuracy").textContent = percent(accuracy);
  const row = find<HTMLTableSectionElement>("table").insertRow();
  for (const text of [`${epoch}`, loss.toFixed(3), percent(accuracy)]) {
    row.insertCell().textContent = text;
  }
}

function percent(share: number, digits = 2): string {
  return `${(100 * share).toFixed(digits)} %`;
}

function download(file: Uint8Array<ArrayBuffer>): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([file]));
  link.download = "mnist.safetensors";
  link.click();
  // The download starts in a later turn; the address must live until then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
