/** @file How tensors print: PyTorch's layout, widths and rounding. */
import type { DType } from "./dtype.js";
import type { Tensor } from "./tensor.js";

/** Digits after the decimal point. */
const PRECISION = 4;
/** Tensors with more elements are summarised. */
const THRESHOLD = 1000;
/** Items shown at each end of a summarised dimension. */
const EDGE = 3;
/** Columns of a line. */
const LINE = 80;

const PREFIX = "tensor(";

/** Cut an exact decimal at `end`; ties go to the even digit, where JavaScript would round up. */
function tieToEven(exact: string, end: number, rounded: string): string {
  const isTie = /^50*$/.test(exact.slice(end));
  return isTie && Number(exact[end - 1]) % 2 === 0 ? exact.slice(0, end) : rounded;
}

function fixed(value: number): string {
  const exact = value.toFixed(60);
  return tieToEven(exact, exact.indexOf(".") + 1 + PRECISION, value.toFixed(PRECISION));
}

function scientific(value: number): string {
  const [digits = "", power = ""] = value.toExponential(60).split("e");
  const rounded = value.toExponential(PRECISION).split("e");
  const head = tieToEven(digits, digits.indexOf(".") + 1 + PRECISION, rounded[0]!);
  const exponent = head === rounded[0] ? rounded[1]! : power;
  return `${head}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

function whole(value: number): string {
  return `${Object.is(value, -0) ? "-" : ""}${value.toFixed(0)}.`;
}

function nonFinite(value: number): string {
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

/** Choose how all shown elements are written: one notation and one width. */
function formatter(shown: readonly number[], dtype: DType): (value: number) => string {
  if (dtype !== "float32") {
    const text = (value: number): string => String(dtype === "bool" ? value !== 0 : value);
    const width = Math.max(...shown.map((value) => text(value).length));
    return (value) => text(value).padStart(width);
  }
  const measured = shown.filter((value) => Number.isFinite(value) && value !== 0);
  const sizes = measured.map(Math.abs);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const integers = measured.every(Number.isInteger);
  const spread = most / least > 1000 || most > 1e8 || (!integers && least < 1e-4);
  const write = spread ? scientific : integers ? whole : fixed;
  const width = Math.max(1, ...measured.map((value) => write(value).length));
  return (value) => (Number.isFinite(value) ? write(value) : nonFinite(value)).padStart(width);
}

/** The indices of a dimension that are shown; `null` stands for those left out. */
function shownIndices(size: number, summarise: boolean): (number | null)[] {
  if (!summarise || size <= 2 * EDGE) return Array.from({ length: size }, (_, i) => i);
  const edge = Array.from({ length: EDGE }, (_, i) => i);
  return [...edge, null, ...edge.map((i) => size - EDGE + i)];
}

function layout(x: Tensor): string {
  const { shape } = x;
  const data = x.dataSync();
  const summarise = data.length > THRESHOLD;
  const indices = shape.map((size) => shownIndices(size, summarise));

  const shown: number[] = [];
  const gather = (dim: number, start: number, count: number): void => {
    if (dim === shape.length) return void shown.push(data[start]!);
    const step = count / shape[dim]!;
    for (const i of indices[dim]!) if (i !== null) gather(dim + 1, start + i * step, step);
  };
  gather(0, 0, data.length);
  const format = formatter(shown, x.dtype);

  const vector = (start: number, indent: number): string => {
    const items = indices.at(-1)!.map((i) => (i === null ? " ..." : format(data[start + i]!)));
    const perLine = Math.max(1, Math.floor((LINE - indent) / (format(data[start]!).length + 2)));
    const lines: string[] = [];
    for (let i = 0; i < items.length; i += perLine) {
      lines.push(items.slice(i, i + perLine).join(", "));
    }
    return `[${lines.join(`,\n${" ".repeat(indent + 1)}`)}]`;
  };
  const block = (dim: number, start: number, count: number, indent: number): string => {
    if (dim === shape.length) return format(data[start]!);
    if (dim === shape.length - 1) return vector(start, indent);
    const step = count / shape[dim]!;
    const parts = indices[dim]!.map((i) =>
      i === null ? "..." : block(dim + 1, start + i * step, step, indent + 1),
    );
    const gap = `,${"\n".repeat(shape.length - dim - 1)}${" ".repeat(indent + 1)}`;
    return `[${parts.join(gap)}]`;
  };
  return block(0, 0, data.length, PREFIX.length);
}

/** The elements as PyTorch prints them, with what else is worth knowing after them. */
export function tensorToString(x: Tensor): string {
  if (x.isDisposed) return "tensor(disposed)";
  const suffixes: string[] = [];
  const isEmpty = x.numel() === 0;
  // The elements would have to be waited for: await x.cpu() shows them.
  const hidden = !isEmpty && x.device !== "cpu";
  if (hidden || (isEmpty && x.ndim !== 1)) suffixes.push(`size=(${x.shape.join(", ")})`);
  if (isEmpty && x.dtype !== "float32") suffixes.push(`dtype=${x.dtype}`);
  if (x.device !== "cpu") suffixes.push(`device=${x.device}`);
  const { gradFn } = x;
  if (gradFn !== null) suffixes.push(`gradFn=<${gradFn}>`);
  else if (x.requiresGrad) suffixes.push("requiresGrad=true");

  let text = PREFIX + (hidden ? "..." : isEmpty ? "[]" : layout(x));
  let column = text.length - text.lastIndexOf("\n") + 1;
  for (const suffix of suffixes) {
    if (column + suffix.length + 2 > LINE) {
      text += `,\n${" ".repeat(PREFIX.length)}${suffix}`;
      column = PREFIX.length + suffix.length;
    } else {
      text += `, ${suffix}`;
      column += suffix.length + 2;
    }
  }
  return `${text})`;
}
