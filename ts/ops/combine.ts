/** @file Operations that make one tensor of several. */
import { describe } from "../check.js";
import { dtypeCode } from "../dtype.js";
import { ArgumentError } from "../errors.js";
import { raw } from "../raw.js";
import { apply, handleOf, Tensor } from "../tensor.js";
import { dimOption, type DimOptions } from "./arguments.js";

/** Join tensors along a dimension that they have. */
export function cat(tensors: readonly Tensor[], options?: number | DimOptions): Tensor {
  return apply("cat", list("cat", tensors), [dimOption("cat", options)]);
}

/** Join tensors of one shape along a new dimension. */
export function stack(tensors: readonly Tensor[], options?: number | DimOptions): Tensor {
  return apply("stack", list("stack", tensors), [dimOption("stack", options)]);
}

function list(operation: string, tensors: readonly Tensor[]): readonly Tensor[] {
  if (Array.isArray(tensors) && tensors.length > 0) return tensors as readonly Tensor[];
  throw new ArgumentError(
    `${operation}: expected a list of at least one Tensor, got ${describe(tensors)}`,
  );
}

/** Take elements of `x` where `condition` is true and of `other` elsewhere. */
export function where(condition: Tensor, x: Tensor | number, other: Tensor | number): Tensor {
  handleOf("where", condition);
  const onGpu = condition.device === "webgpu";
  const scalars: Tensor[] = [];
  // A number takes the dtype of the tensor beside it.
  const operand = (value: Tensor | number, beside: Tensor | number): Tensor => {
    if (typeof value !== "number") return value;
    const dtype = beside instanceof Tensor && Number.isInteger(value) ? beside.dtype : "float32";
    const code = dtypeCode("where", dtype);
    scalars.push(new Tensor(raw.full(new Float64Array(), value, code, onGpu)));
    return scalars.at(-1)!;
  };
  try {
    return apply("where", [condition, operand(x, other), operand(other, x)]);
  } finally {
    for (const scalar of scalars) scalar.dispose();
  }
}
