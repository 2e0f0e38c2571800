/** @file What a training step asks of the GPU: the same on every machine, and bounded. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { device } from "../device.js";

interface Counts {
  dispatches: number;
  submits: number;
  computePasses: number;
  pipelines: number;
  shaderModules: number;
  bindGroups: number;
  buffersCreated: number;
  buffersDestroyed: number;
  writeBuffer: number;
  copies: number;
  mapAsyncRead: number;
  bytesMappedRead: number;
  peakBytes: number;
}

interface Result {
  pipelines: number;
  steady: Counts;
  read: Counts;
  losses: number[];
}

describe.runIf(device === "webgpu")("a step of LeNet in a scope, counted from outside", () => {
  const script = fileURLToPath(new URL("count-step.mjs", import.meta.url));
  const counted = (): Record<"adam 64" | "sgd 4", Result> & { errors: string[] } =>
    JSON.parse(execFileSync(process.execPath, [script], { encoding: "utf8" })) as never;
  const results = device === "webgpu" ? counted() : undefined;

  test.each(["adam 64", "sgd 4"] as const)("%s", (name) => {
    const { pipelines, steady, read, losses } = results![name];
    expect(results!.errors).toEqual([]);
    expect(pipelines).toBeLessThanOrEqual(25);
    expect(steady.dispatches).toBeLessThanOrEqual(30);
    expect(steady.submits).toBe(1);
    expect(steady.computePasses).toBe(1);
    expect(steady.writeBuffer).toBeLessThanOrEqual(3);
    for (const none of [
      "pipelines",
      "shaderModules",
      "bindGroups",
      "mapAsyncRead",
      "copies",
    ] as const) {
      expect(steady[none], none).toBe(0);
    }
    expect(steady.buffersCreated + steady.buffersDestroyed).toBe(0);
    expect(steady.peakBytes).toBeLessThan(12.8 * 2 ** 20);
    expect(read).toMatchObject({ submits: 1, copies: 1, mapAsyncRead: 1, bytesMappedRead: 4 });
    expect(read.buffersCreated).toBe(0);
    // It learns: the same batch again and again.
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
  });
});
