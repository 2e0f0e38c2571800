/** @file The device that a run of the tests is for. */
import { type Device, useDevice } from "torchlet";

/** What the run asks for: vitest's project in Node, the address of the script in a browser. */
function asked(): string | null | undefined {
  if (!("process" in globalThis)) return new URLSearchParams(location.search).get("device");
  // setup.ts skips the tests of a run without an adapter.
  return process.env.TORCHLET_NO_ADAPTER ? "cpu" : process.env.TORCHLET_DEVICE;
}

/** `"cpu"`, or `"webgpu"` where the run is for that. */
export const device: Device = await useDevice((asked() ?? "cpu") as Device);
