/** @file Devices: where tensors live and operations run. */
import { describe } from "./check.js";
import { ArgumentError, DeviceError } from "./errors.js";

/** Where a tensor lives: `"cpu"` (WASM with SIMD) or `"webgpu"`. */
export type Device = "cpu" | "webgpu";

const NO_WEBGPU =
  'this version of Torchlet computes on "cpu" only: its WebGPU device is not part of it yet';

/** Refuse a device that tensors cannot live on. */
export function checkDevice(operation: string, device: unknown): Device {
  if (device === "cpu") return device;
  if (device === "webgpu") throw new DeviceError(`${operation}: ${NO_WEBGPU}`);
  throw new ArgumentError(
    `${operation}: device must be "cpu" or "webgpu", got ${describe(device)}`,
  );
}

/** Choose the fastest device of this machine: `"webgpu"` if there is a real GPU, else `"cpu"`. */
export function bestDevice(): Promise<Device> {
  return Promise.resolve("cpu");
}

/**
 * Bring a device up before its first use.
 *
 * @throws DeviceError that says why, if the device is not there.
 */
export function useDevice(device: Device): Promise<Device> {
  return new Promise((resolve) => resolve(checkDevice("useDevice", device)));
}
