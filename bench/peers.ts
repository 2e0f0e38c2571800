/** @file Other libraries on the same workloads: child processes that take a workload's name and answer in JSON. */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

import type { Device } from "torchlet";

import type { Budget, Timing } from "./measure.js";
import type { Workload } from "./workloads.js";

const pathOf = (name: string): string => fileURLToPath(new URL(`peers/${name}`, import.meta.url));

/** What a peer answers: times, or why it cannot run a workload. */
type Answer = Timing | { readonly error: string };

export class Peer {
  readonly name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor(name: string, command: string, args: readonly string[]) {
    this.name = name;
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.resume();
    this.#reader = createInterface({ input: this.#child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  async run(workload: Workload, budget: Budget): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify({ ...workload, budget })}\n`);
    const line = await this.#lines.next();
    if (line.done) return { error: "ended" };
    return JSON.parse(line.value) as Answer;
  }

  close(): void {
    this.#reader.close();
    this.#child.stdin.end();
    this.#child.kill();
  }
}

/** A Python with torch: `TORCHLET_PYTHON`, or `python3`. */
function pytorch(threads: number): Peer | undefined {
  const python = process.env.TORCHLET_PYTHON ?? "python3";
  const probe = spawnSync(python, ["-c", "import torch; print(torch.__version__)"], {
    encoding: "utf8",
  });
  if (probe.status !== 0) return undefined;
  const name = `PyTorch ${probe.stdout.trim()}`;
  return new Peer(name, python, [pathOf("torch_peer.py"), "--threads", String(threads)]);
}

const BACKENDS = { cpu: "wasm", webgpu: "webgpu" };

/** TensorFlow.js, if `npm install --prefix bench/peers --ignore-scripts` was run. */
function tensorflow(device: Device): Peer | undefined {
  const backend = BACKENDS[device];
  try {
    const require = createRequire(pathOf("tfjs_peer.mjs"));
    const { version } = require("@tensorflow/tfjs/package.json") as { version: string };
    require.resolve(`@tensorflow/tfjs-backend-${backend}`);
    return new Peer(`TensorFlow.js ${version} ${backend}`, process.execPath, [
      pathOf("tfjs_peer.mjs"),
      backend,
    ]);
  } catch {
    return undefined;
  }
}

/** The peers for a device that are installed here. */
export function findPeers(threads: number, device: Device): Peer[] {
  const peers = device === "cpu" ? [pytorch(threads), tensorflow(device)] : [tensorflow(device)];
  return peers.filter((peer) => peer !== undefined);
}
