/** @file Products of vectors and matrices. */
import { describe } from "../check.js";
import { composed } from "../composed.js";
import { ShapeError } from "../errors.js";
import { apply, handleOf, type Tensor } from "../tensor.js";

/** Product of matrices, vectors, or batches of matrices with broadcasting, as `torch.matmul`. */
export function matmul(x: Tensor, other: Tensor): Tensor {
  return apply("matmul", [x, other]);
}

function checkRanks(
  operation: string,
  [x, first]: [Tensor, number],
  [other, second]: [Tensor, number],
): void {
  handleOf(operation, x);
  handleOf(operation, other);
  if (x.ndim === first && other.ndim === second) return;
  throw new ShapeError(
    `${operation}: expects ${first} and ${second} dimensions, got ${describe([...x.shape])} and ${describe([...other.shape])}`,
  );
}

/** `matmul` for operands with fixed numbers of dimensions. */
const product =
  (operation: string, first: number, second: number) =>
  (x: Tensor, other: Tensor): Tensor => {
    checkRanks(operation, [x, first], [other, second]);
    return composed(operation, () => apply("matmul", [x, other]));
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
  checkRanks("outer", [x, 1], [other, 1]);
  const column = apply("unsqueeze", [x], [1]);
  const result = apply("mul", [column, other]);
  column.dispose();
  return result;
}
