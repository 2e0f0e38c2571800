/** @file What is measured: the tutorials' training steps, a matrix multiply and a convolution with its gradients. */
import { readFileSync } from "node:fs";

export type Layer =
  | readonly ["conv", cIn: number, cOut: number, kernel: number, padding: number]
  | readonly ["linear", inFeatures: number, outFeatures: number]
  | readonly ["dropout", p: number]
  | readonly ["relu"]
  | readonly ["pool"]
  | readonly ["flatten"];

export interface Net {
  readonly input: readonly [c: number, h: number, w: number];
  readonly layers: readonly Layer[];
}

export type Workload = { readonly name: string } & (
  | {
      readonly kind: "train";
      readonly net: string;
      readonly batch: number;
      readonly optimizer: "adam" | "sgd";
      readonly lr: number;
    }
  | { readonly kind: "matmul"; readonly size: number }
  | {
      readonly kind: "conv";
      readonly pass: "forward" | "input" | "weight";
      readonly batch: number;
      readonly channels: number;
      readonly size: number;
    }
);

interface Definitions {
  readonly nets: Readonly<Record<string, Net>>;
  readonly workloads: readonly Workload[];
}

/** The definitions, which the peers' programs read as well. */
export const definitions = JSON.parse(
  readFileSync(new URL("workloads.json", import.meta.url), "utf8"),
) as Definitions;

export function netOf(name: string): Net {
  const net = definitions.nets[name];
  if (!net) throw new Error(`workloads.json has no net ${name}`);
  return net;
}

/** Multiply-adds of a forward pass for one image, a layer each. */
function multiplyAdds(net: Net): number[] {
  let [, h, w] = net.input;
  const counts: number[] = [];
  for (const layer of net.layers) {
    if (layer[0] === "conv") {
      const [, cIn, cOut, kernel, padding] = layer;
      h += 2 * padding - kernel + 1;
      w += 2 * padding - kernel + 1;
      counts.push(h * w * cIn * cOut * kernel * kernel);
    } else if (layer[0] === "linear") {
      counts.push(layer[1] * layer[2]);
    } else if (layer[0] === "pool") {
      h = Math.floor(h / 2);
      w = Math.floor(w / 2);
    }
  }
  return counts;
}

/**
 * Floating-point operations of one run. A training step counts each layer's forward pass and two gradients,
 * but for the first layer, whose input has no gradient.
 */
export function flops(workload: Workload): number {
  switch (workload.kind) {
    case "train": {
      const counts = multiplyAdds(netOf(workload.net));
      const total = counts.reduce((sum, n) => sum + 3 * n, 0) - (counts[0] ?? 0);
      return 2 * workload.batch * total;
    }
    case "matmul":
      return 2 * workload.size ** 3;
    case "conv":
      return 2 * workload.batch * workload.channels ** 2 * 9 * workload.size ** 2;
  }
}
