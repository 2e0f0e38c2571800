/** @file Comparisons of whole tensors: they read, so the plain names are asynchronous. */
import { withDefaults } from "../check.js";
import type { TensorData } from "../dtype.js";
import { ShapeError } from "../errors.js";
import { handleOf, type Tensor } from "../tensor.js";

/** Options of `allclose`. */
export interface CloseOptions {
  /** Difference allowed in relation to `other`. Default 1e-5. */
  rtol?: number;
  /** Difference allowed in any case. Default 1e-8. */
  atol?: number;
  /** Whether two NaN are close. Default false. */
  equalNan?: boolean;
}

function sameShape(operation: string, x: Tensor, other: Tensor): boolean {
  handleOf(operation, x);
  handleOf(operation, other);
  return x.shape.length === other.shape.length && x.shape.every((n, i) => n === other.shape[i]);
}

function sameElements(a: TensorData, b: TensorData): boolean {
  return a.every((value, i) => value === b[i]);
}

/** Tell whether both have the same shape and elements; on `"cpu"` only. */
export function equalSync(x: Tensor, other: Tensor): boolean {
  return sameShape("equal", x, other) && sameElements(x.dataSync(), other.dataSync());
}

/** Tell whether both have the same shape and elements. */
export async function equal(x: Tensor, other: Tensor): Promise<boolean> {
  if (!sameShape("equal", x, other)) return false;
  return sameElements(...(await Promise.all([x.data(), other.data()])));
}

/** The test that `allclose` makes of the elements, after its arguments were checked. */
function closeness(
  x: Tensor,
  other: Tensor,
  options: CloseOptions | undefined,
): (a: TensorData, b: TensorData) => boolean {
  const { rtol, atol, equalNan } = withDefaults<Required<CloseOptions>>("allclose", options, {
    rtol: 1e-5,
    atol: 1e-8,
    equalNan: false,
  });
  if (!sameShape("allclose", x, other)) {
    throw new ShapeError(
      `allclose: shapes must be the same, got [${x.shape.join(", ")}] and [${other.shape.join(", ")}]`,
    );
  }
  return (a, b) =>
    a.every((value, i) => {
      const against = b[i]!;
      if (Number.isNaN(value) && Number.isNaN(against)) return equalNan;
      return value === against || Math.abs(value - against) <= atol + rtol * Math.abs(against);
    });
}

/** Tell whether |x - other| <= atol + rtol * |other| everywhere; on `"cpu"` only. */
export function allcloseSync(x: Tensor, other: Tensor, options?: CloseOptions): boolean {
  const close = closeness(x, other, options);
  return close(x.dataSync(), other.dataSync());
}

/** Tell whether |x - other| <= atol + rtol * |other| everywhere. */
export async function allclose(x: Tensor, other: Tensor, options?: CloseOptions): Promise<boolean> {
  const close = closeness(x, other, options);
  return close(...(await Promise.all([x.data(), other.data()])));
}
