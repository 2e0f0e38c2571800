/** @file Torchlet for the tests: what makes a tensor makes it on the device of the run. */
import * as torchlet from "torchlet";
import { device } from "./device.js";

type Maker = (...args: unknown[]) => torchlet.Tensor;

function isOptions(x: unknown): x is object {
  return typeof x === "object" && x !== null && Object.getPrototypeOf(x) === Object.prototype;
}

/** The same function with another default for its option `device`. */
function onDevice<F>(make: F): F {
  const made: Maker = (...args) => {
    const last = args.at(-1);
    const given = isOptions(last) ? last : {};
    const rest = isOptions(last) ? args.slice(0, -1) : args;
    return (make as Maker)(...rest, { device, ...given });
  };
  return device === "cpu" ? make : (made as F);
}

export const arange = onDevice(torchlet.arange);
export const empty = onDevice(torchlet.empty);
export const eye = onDevice(torchlet.eye);
export const full = onDevice(torchlet.full);
export const linspace = onDevice(torchlet.linspace);
export const ones = onDevice(torchlet.ones);
export const rand = onDevice(torchlet.rand);
export const randint = onDevice(torchlet.randint);
export const randn = onDevice(torchlet.randn);
export const randperm = onDevice(torchlet.randperm);
export const tensor = onDevice(torchlet.tensor);
export const zeros = onDevice(torchlet.zeros);

/** The namespace with these functions in it. */
export const torch = {
  ...torchlet,
  ...{ arange, empty, eye, full, linspace, ones },
  ...{ rand, randint, randn, randperm, tensor, zeros },
};
