/** @file The errors that Torchlet throws: one class for each kind of mistake. */
import type { ErrorKind } from "./raw-types.js";

/** Base of every error that Torchlet throws on purpose. */
export class TorchletError extends Error {
  // Written out, because a minifier renames classes.
  override name = "TorchletError";
}

/** Shapes that do not fit together or cannot be made. */
export class ShapeError extends TorchletError {
  override name = "ShapeError";
}

/** A dtype that the operation does not take. */
export class DtypeError extends TorchletError {
  override name = "DtypeError";
}

/** An argument that is missing, of the wrong type or out of its range. */
export class ArgumentError extends TorchletError {
  override name = "ArgumentError";
}

/** An index or a dimension outside the tensor. */
export class IndexError extends TorchletError {
  override name = "IndexError";
}

/** A device that is not there or cannot do what was asked. */
export class DeviceError extends TorchletError {
  override name = "DeviceError";
}

/** The GPU device went away: its tensors are gone, and a new one has to be brought up. */
export class DeviceLostError extends DeviceError {
  override name = "DeviceLostError";
}

/** An allocation that failed. */
export class OutOfMemoryError extends TorchletError {
  override name = "OutOfMemoryError";
}

/** A misuse of automatic differentiation. */
export class AutogradError extends TorchletError {
  override name = "AutogradError";
}

/** A file that is missing, damaged or of another format. */
export class FileError extends TorchletError {
  override name = "FileError";
}

const CLASSES: Record<ErrorKind, new (message: string) => TorchletError> = {
  shape: ShapeError,
  dtype: DtypeError,
  argument: ArgumentError,
  index: IndexError,
  device: DeviceError,
  "device-lost": DeviceLostError,
  memory: OutOfMemoryError,
  autograd: AutogradError,
};

/** Make the error that the core asks for by its kind. */
export function createError(kind: string, message: string): TorchletError {
  const known = Object.hasOwn(CLASSES, kind) ? CLASSES[kind as ErrorKind] : TorchletError;
  return new known(message);
}
