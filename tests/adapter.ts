/** @file Vitest's global setup of what needs a GPU: chooses the adapter, or has the tests skipped and says so. */
import { HOW_TO_GET_ONE, useAdapter } from "../scripts/adapter.js";

export default async function setup(): Promise<(() => void) | undefined> {
  // Vitest calls this for every project that names it.
  if (process.env.TORCHLET_ADAPTER !== undefined) return undefined;
  const name = (process.env.TORCHLET_ADAPTER = (await useAdapter()) ?? "");
  if (name !== "") {
    console.log(`WebGPU in Node: ${name}`);
    return undefined;
  }
  process.env.TORCHLET_NO_ADAPTER = "no WebGPU adapter";
  return () => {
    console.warn(`Tests on "webgpu" were SKIPPED: no WebGPU adapter found (${HOW_TO_GET_ONE}).`);
  };
}
