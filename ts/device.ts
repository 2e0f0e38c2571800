/** @file Devices: where tensors live and operations run. */
import { describe, withDefaults } from "./check.js";
import { ArgumentError, DeviceError, DeviceLostError } from "./errors.js";
import { openGpu } from "./host/node.js";
import { raw } from "./raw.js";

/** Where a tensor lives: `"cpu"` (WASM with SIMD) or `"webgpu"`. */
export type Device = "cpu" | "webgpu";

/** Options of `useDevice("webgpu", ...)`. */
export interface UseDeviceOptions {
  /** Which adapter to prefer, where there are several. Default: the platform's choice. */
  powerPreference?: "low-power" | "high-performance" | undefined;
  /** A `GPU` object, as `navigator.gpu`, for platforms where Torchlet finds none (Deno, Dawn). */
  gpu?: object | undefined;
}

/** What `deviceInfo()` tells. */
export interface DeviceInfo {
  device: Device;
  /** As the adapter names itself; empty where it does not, and on the CPU. */
  vendor: string;
  architecture: string;
  description: string;
  /** Whether a CPU does what a GPU should. */
  software: boolean;
  /** What the adapter allows; undefined on the CPU. */
  limits?: {
    /** Bytes of a tensor. */
    maxTensorBytes: number;
    /** Workgroups of a dispatch along an axis. */
    maxWorkgroups: number;
    /** Bytes of workgroup memory. */
    maxWorkgroupMemory: number;
    /** Storage buffers of a kernel. */
    maxStorageBuffers: number;
  };
}

const NAMES: readonly Device[] = ["cpu", "webgpu"];

/** The device of a tensor of the core. */
export function deviceOf(code: number): Device {
  return NAMES[code]!;
}

/** Whether the GPU has ever been up: if it is not any more, it was lost. */
let hasBeenUp = false;

/** Refuse what is no device, and a device that is not up. */
export function checkDevice(operation: string, device: unknown): Device {
  if (device !== "cpu" && device !== "webgpu") {
    throw new ArgumentError(
      `${operation}: device must be "cpu" or "webgpu", got ${describe(device)}`,
    );
  }
  if (device === "webgpu" && !raw.gpuIsUp()) {
    if (hasBeenUp) {
      throw new DeviceLostError(
        `${operation}: the device "webgpu" was lost: await useDevice("webgpu") brings a new one up`,
      );
    }
    throw new DeviceError(
      `${operation}: the device "webgpu" is not up: await useDevice("webgpu") or bestDevice() first`,
    );
  }
  return device;
}

/**
 * Choose the fastest device of this machine: `"webgpu"` if there is a real GPU, else `"cpu"`.
 *
 * An adapter that a CPU imitates is slower than the CPU device and is passed over.
 */
export async function bestDevice(): Promise<Device> {
  try {
    return (await bringUp({}, false)) ? "webgpu" : "cpu";
  } catch {
    return "cpu";
  }
}

/**
 * Bring a device up before its first use. Adapters that a CPU imitates will do.
 *
 * @throws DeviceError that says what was tried and what to do, if the device is not there.
 */
export async function useDevice(device: Device, options: UseDeviceOptions = {}): Promise<Device> {
  if (device === "cpu") return device;
  if (device !== "webgpu") return checkDevice("useDevice", device);
  await bringUp(options, true);
  return device;
}

const POWER = [undefined, "low-power", "high-performance"];

async function bringUp(options: UseDeviceOptions, software: boolean): Promise<boolean> {
  const { powerPreference, gpu } = withDefaults<{
    [K in keyof Required<UseDeviceOptions>]: UseDeviceOptions[K];
  }>("useDevice", options, {
    powerPreference: undefined,
    gpu: undefined,
  });
  const power = POWER.indexOf(powerPreference);
  if (power < 0) {
    throw new ArgumentError(
      `useDevice: powerPreference must be "low-power" or "high-performance", got ${describe(powerPreference)}`,
    );
  }
  // One that is up stays: tensors live on it.
  if (raw.gpuIsUp()) return software || !deviceInfo("webgpu").software;
  const opened = await openGpu(gpu);
  if (typeof opened === "string") throw new DeviceError(`useDevice: ${opened}`);
  try {
    const isUp = await raw.requestGpu(power, software);
    hasBeenUp ||= isUp;
    return isUp;
  } finally {
    opened.close();
  }
}

/** Name a device and what it allows. Default: `"webgpu"` if it is up, else `"cpu"`. */
export function deviceInfo(device: Device = raw.gpuIsUp() ? "webgpu" : "cpu"): DeviceInfo {
  if (checkDevice("deviceInfo", device) === "cpu") {
    return {
      device,
      vendor: "",
      architecture: "wasm32, simd128",
      description: "WebAssembly with SIMD, one thread",
      software: false,
    };
  }
  const [vendor = "", architecture = "", name = "", description = "", software] = raw.gpuInfo();
  const [binding = 0, buffer = 0, groups = 0, shared = 0, buffers = 0] = raw.gpuLimits();
  return {
    device,
    vendor,
    architecture,
    description: description || name,
    software: software !== "",
    limits: {
      maxTensorBytes: Math.min(binding, buffer),
      maxWorkgroups: groups,
      maxWorkgroupMemory: shared,
      maxStorageBuffers: buffers,
    },
  };
}

/** Wait until a device has done all it was asked for; throws what went wrong on it. */
export async function synchronize(device: Device = "webgpu"): Promise<void> {
  if (checkDevice("synchronize", device) === "webgpu") await raw.synchronizeGpu();
}
