/** @file How tensors and lists are compared. */
import { Tensor } from "torchlet";
import { type Stored, values } from "./golden/golden.js";

/** How far values may be apart: |a - b| <= atol + rtol |b|. */
export interface Tolerance {
  rtol?: number;
  atol?: number;
}

/** What can be compared: shapes and dtypes too where both have them. */
export type Comparable = Tensor | Stored | ArrayLike<number>;

const isList = (x: object): x is ArrayLike<number> => "length" in x;

async function read(x: Comparable): Promise<{ kind?: string; data: ArrayLike<number> }> {
  if (x instanceof Tensor)
    return { kind: `${x.dtype} [${x.shape.join(", ")}]`, data: await x.data() };
  if (isList(x)) return { data: x };
  return { kind: `${x.dtype ?? "float32"} [${x.shape.join(", ")}]`, data: values(x) };
}

/** The first places where two lists differ, or that their kinds do; undefined if they agree. */
export async function difference(
  a: Comparable,
  b: Comparable,
  { rtol = 1e-5, atol = 1e-6 }: Tolerance = {},
): Promise<string | undefined> {
  const [x, y] = [await read(a), await read(b)];
  if (x.kind && y.kind && x.kind !== y.kind) return `got ${x.kind}, expected ${y.kind}`;
  if (x.data.length !== y.data.length)
    return `got ${x.data.length} values, expected ${y.data.length}`;
  const wrong: string[] = [];
  for (let i = 0; i < y.data.length; i++) {
    const [p, q] = [x.data[i]!, y.data[i]!];
    const same = Object.is(p, q) || p === q || Math.abs(p - q) <= atol + rtol * Math.abs(q);
    if (!same) wrong.push(`[${i}] got ${p}, expected ${q}, off by ${Math.abs(p - q)}`);
  }
  if (wrong.length === 0) return undefined;
  return `${wrong.length} of ${y.data.length} values differ (rtol ${rtol}, atol ${atol}):\n${wrong.slice(0, 5).join("\n")}`;
}
