/** @file Padding of tensors, with a value or with their own elements. */
import { describe, numbers, oneOf, withDefaults } from "../check.js";
import { ArgumentError, ShapeError } from "../errors.js";
import { composed } from "../composed.js";
import { tensor } from "../tensor-from.js";
import { apply, handleOf, type Tensor } from "../tensor.js";

const MODES = ["constant", "reflect", "replicate", "circular"] as const;

/** What padding is filled with: a value, mirrored elements, the edge, or the other end. */
export type PadMode = (typeof MODES)[number];

/** Options of `pad`. */
export interface PadOptions {
  /** What to fill with. Default `"constant"`. */
  mode?: PadMode;
  /** The value for `"constant"`. Default 0. */
  value?: number;
}

/**
 * Add elements at the ends of dimensions.
 *
 * @param padding - how many before and after, beginning with the last dimension: `[left, right, top, bottom]`;
 *   negative numbers cut with mode `"constant"`
 */
export function pad(x: Tensor, padding: readonly number[], options?: PadOptions): Tensor {
  const given = withDefaults<Required<PadOptions>>("pad", options, { mode: "constant", value: 0 });
  const mode = oneOf("pad", "mode", given.mode, MODES);
  numbers("pad", "padding", padding);
  if (mode === "constant") return apply("pad", [x], [padding.length, ...padding, given.value]);
  handleOf("pad", x);
  if (padding.length % 2 !== 0 || padding.length > 2 * x.ndim) {
    throw new ArgumentError(
      `pad: padding needs two numbers for each of at most ${x.ndim} dimensions, got ${describe([...padding])}`,
    );
  }
  return composed("pad", () => {
    let result = x;
    for (let i = 0; i < padding.length; i += 2) {
      const [before, after] = [padding[i]!, padding[i + 1]!];
      if (before === 0 && after === 0) continue;
      const dim = x.ndim - 1 - i / 2;
      const index = Int32Array.from(sources(mode, x.shape[dim]!, before, after));
      const { device } = x;
      result = apply("index_select", [result, tensor(index, { device })], [dim]);
    }
    return result === x ? x.clone() : result;
  });
}

/** The indices of the elements that stand along a padded dimension. */
function sources(
  mode: Exclude<PadMode, "constant">,
  size: number,
  before: number,
  after: number,
): number[] {
  const most = { reflect: size - 1, circular: size, replicate: size > 0 ? Infinity : 0 }[mode];
  for (const n of [before, after]) {
    if (!(Number.isInteger(n) && n >= 0 && n <= most)) {
      throw new ShapeError(
        `pad: mode "${mode}" can add 0 to ${most} elements to a dimension of size ${size}, got ${n}`,
      );
    }
  }
  const last = size - 1;
  return Array.from({ length: before + size + after }, (_, k) => {
    const i = k - before;
    if (mode === "replicate") return Math.min(Math.max(i, 0), last);
    if (mode === "circular") return (i + size) % size;
    return i < 0 ? -i : i > last ? 2 * last - i : i;
  });
}
