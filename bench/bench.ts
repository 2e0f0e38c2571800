/** @file `npm run bench`: Torchlet's times, and beside them those of the peers that are installed, in one run. */
import { cpus } from "node:os";

import { Command, Option } from "commander";
import { type Device, deviceInfo, useDevice } from "torchlet";

import { measure, type Budget } from "./measure.js";
import { findPeers } from "./peers.js";
import { prepare } from "./torchlet.js";
import { definitions, flops } from "./workloads.js";

interface Options {
  readonly only?: string;
  readonly seconds: string;
  readonly threads: string;
  readonly peers: boolean;
  readonly device: Device;
}

const program = new Command("bench")
  .description(
    "Time Torchlet, and PyTorch and TensorFlow.js where they are installed, on the same workloads.",
  )
  .option("--only <text>", "only the workloads whose name contains this text")
  .option("--seconds <n>", "time for each row and library", "3")
  .option("--threads <n>", "threads for PyTorch; Torchlet and TensorFlow.js use one", "1")
  .option("--no-peers", "Torchlet alone")
  .addOption(
    new Option("--device <name>", "where Torchlet and TensorFlow.js compute")
      .choices(["cpu", "webgpu"])
      .default("cpu"),
  )
  .parse();
const options = program.opts<Options>();

const seconds = Number(options.seconds);
if (!(seconds > 0)) program.error(`--seconds must be a positive number, got ${options.seconds}`);
const budget: Budget = { time: 1000 * seconds, samples: 25 };
const chosen = definitions.workloads.filter((w) => !options.only || w.name.includes(options.only));
if (chosen.length === 0) program.error(`no workload's name contains "${options.only}"`);

const device = await useDevice(options.device);
const peers = options.peers ? findPeers(Number(options.threads), device) : [];
const { description, architecture, software } = deviceInfo(device);
const name = description || architecture;
console.log(`device: ${device} (${name}${software && device === "webgpu" ? ", by a CPU" : ""})`);
console.log(`${cpus()[0]?.model ?? "unknown processor"}, Node ${process.version}`);
for (const peer of peers) console.log(`peer: ${peer.name}`);
console.log("ratio: the peer's median over Torchlet's, above 1 where Torchlet is faster\n");

const columns = [
  "workload",
  "median ms",
  "min ms",
  "GFLOP/s",
  ...peers.map((p) => `${p.name}: ms, ratio`),
];
const widths = columns.map((title, i) => Math.max(title.length, i === 0 ? 30 : 9));
const print = (cells: readonly string[]): void => {
  const padded = cells.map((cell, i) =>
    i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
  );
  console.log(padded.join("  "));
};
print(columns);

for (const workload of chosen) {
  const { median, minimum } = await measure(prepare(workload, device), budget);
  const row = [
    workload.name,
    median.toFixed(3),
    minimum.toFixed(3),
    (flops(workload) / minimum / 1e6).toFixed(1),
  ];
  for (const peer of peers) {
    const answer = await peer.run(workload, budget);
    row.push(
      "error" in answer
        ? answer.error
        : `${answer.median.toFixed(3)}, ${(answer.median / median).toFixed(2)}`,
    );
  }
  print(row);
}
for (const peer of peers) peer.close();
