/** @file Products of vectors and matrices. */
import { describe } from "../check.js";
import { ShapeError } from "../errors.js";
import { apply, type Tensor } from "../tensor.js";

/** Product of matrices, vectors, or batches of matrices with broadcasting, as `torch.matmul`. */
export function matmul(x: Tensor, other: Tensor): Tensor {
  return apply("matmul", [x, other]);
}

/** `matmul` for operands with fixed numbers of dimensions. */
const product =
  (operation: string, first: number, second: number) =>
  (x: Tensor, other: Tensor): Tensor => {
    if (x.ndim !== first || other.ndim !== second) {
      throw new ShapeError(
        `${operation}: expects ${first} and ${second} dimensions, got ${describe([...x.shape])} and ${describe([...other.shape])}`,
      );
    }
    return apply("matmul", [x, other]);
  };

/** Product of two matrices */
export const mm = product("mm", 2, 2);
/** Products of two batches of matrices */
export const bmm = product("bmm", 3, 3);
/** Inner product of two vectors */
export const dot = product("dot", 1, 1);
/** Product of a matrix and a vector */
export const mv = product("mv", 2, 1);

/** Products of every element of one vector with every element of another. */
export function outer(x: Tensor, other: Tensor): Tensor {
  if (x.ndim !== 1 || other.ndim !== 1) {
    throw new ShapeError(
      `outer: expects 1 and 1 dimensions, got ${describe([...x.shape])} and ${describe([...other.shape])}`,
    );
  }
  const column = apply("unsqueeze", [x], [1]);
  const result = apply("mul", [column, other]);
  column.dispose();
  return result;
}
