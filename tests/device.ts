/** @file The device that a run of the tests is for. */
import { type Device, useDevice } from "torchlet";

/** `"cpu"`, or `"webgpu"` where vitest's project says so. */
export const device: Device = await useDevice((process.env.TORCHLET_DEVICE ?? "cpu") as Device);
