/** @file Functions that treat a dimension as a vector. */
import { withDefaults } from "../check.js";
import { composed } from "../composed.js";
import { DeviceError } from "../errors.js";
import { norm } from "../ops/reduce.js";
import { apply, handleOf, type Tensor } from "../tensor.js";

/** Options of `normalize`. */
export interface NormalizeOptions {
  /** The exponent of the norm. Default 2. */
  p?: number;
  /** The dimension of the vectors. Default 1. */
  dim?: number;
  /** The smallest norm to divide by. Default 1e-12. */
  eps?: number;
}

/** Divide vectors by their norm. */
export function normalize(x: Tensor, options?: NormalizeOptions): Tensor {
  const { p, dim, eps } = withDefaults<Required<NormalizeOptions>>("normalize", options, {
    p: 2,
    dim: 1,
    eps: 1e-12,
  });
  return composed("normalize", () =>
    apply("div", [x, norm(x, { p, dim, keepdim: true }).clamp({ min: eps })]),
  );
}

/** Options of `oneHot`. */
export interface OneHotOptions {
  /** Number of classes. Default -1: the largest class that occurs, plus 1; on `"cpu"` only. */
  numClasses?: number;
}

/** Vectors with a 1 at each class of an `int32` tensor, along a new last dimension. */
export function oneHot(x: Tensor, options?: number | OneHotOptions): Tensor {
  const given = typeof options === "number" ? { numClasses: options } : options;
  const { numClasses } = withDefaults<Required<OneHotOptions>>("oneHot", given, { numClasses: -1 });
  if (numClasses !== -1) return apply("one_hot", [x], [numClasses]);
  handleOf("oneHot", x);
  if (x.device !== "cpu") {
    throw new DeviceError(
      `oneHot: the classes of a tensor on "${x.device}" cannot be counted synchronously; give numClasses`,
    );
  }
  let classes = 0;
  for (const index of x.dataSync()) classes = Math.max(classes, index + 1);
  return apply("one_hot", [x], [classes]);
}
