/** @file The safetensors format: named tensors in one file that runs no code when it is read. */
import { describe, withDefaults } from "../check.js";
import { naming } from "../composed.js";
import { ArgumentError, FileError } from "../errors.js";
import { writeFile } from "../host/node.js";
import { type DType, Tensor, tensor } from "../index.js";
import { handleOf } from "../tensor.js";
import { type ElementType, ELEMENTS, isElementType } from "./elements.js";
import { fileError, readBytes, type Source, sourceName } from "./source.js";

/** Tensors by name. */
export type NamedTensors = Record<string, Tensor>;

/** Options of `saveSafetensors`. */
export interface SafetensorsOptions {
  /** Texts to store beside the tensors. Default: none. */
  metadata?: Readonly<Record<string, string>> | null;
}

/** What the header says of a tensor. */
interface Entry {
  name: string;
  type: ElementType;
  shape: number[];
  start: number;
  end: number;
}

const LENGTH_BYTES = 8;
/** The largest header that the format's own library reads. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA = "__metadata__";
/** The names of the dtypes, in the order in which the format's own library writes them. */
const TYPES: Record<DType, ElementType> = { float32: "F32", int32: "I32", bool: "BOOL" };

/** Write tensors as the bytes of a safetensors file. */
export async function encodeSafetensors(
  tensors: Readonly<NamedTensors>,
  options?: SafetensorsOptions,
): Promise<Uint8Array> {
  const { metadata } = withDefaults<Required<SafetensorsOptions>>("saveSafetensors", options, {
    metadata: null,
  });
  const named = sorted(tensors);
  // All are read before anything is waited for, so that the file shows one moment.
  const contents = await Promise.all(named.map(([, value]) => value.data()));
  const header: [string, unknown][] = metadata === null ? [] : [[METADATA, texts(metadata)]];
  const parts: Uint8Array[] = [];
  let position = 0;
  for (const [i, [name, { dtype, shape }]] of named.entries()) {
    const { buffer, byteOffset, byteLength } = contents[i]!;
    const end = position + byteLength;
    header.push([name, { dtype: TYPES[dtype], shape, data_offsets: [position, end] }]);
    parts.push(new Uint8Array(buffer, byteOffset, byteLength));
    position = end;
  }
  const text = JSON.stringify(Object.fromEntries(header));
  const plain = new TextEncoder().encode(text);
  // Spaces at the end bring the elements to an address that every dtype can be read from.
  const size = Math.ceil(plain.length / LENGTH_BYTES) * LENGTH_BYTES;
  const file = new Uint8Array(LENGTH_BYTES + size + position).fill(0x20, LENGTH_BYTES);
  new DataView(file.buffer).setBigUint64(0, BigInt(size), true);
  file.set(plain, LENGTH_BYTES);
  let at = LENGTH_BYTES + size;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/** Whether a value is an object of texts. */
const areTexts = (value: unknown): value is Record<string, string> =>
  value !== null &&
  typeof value === "object" &&
  !Array.isArray(value) &&
  Object.values(value).every((text) => typeof text === "string");

function texts(metadata: unknown): Record<string, string> {
  if (areTexts(metadata)) return metadata;
  throw new ArgumentError(
    `saveSafetensors: metadata must be an object of strings, got ${describe(metadata)}`,
  );
}

/** Tensors by dtype, wide ones first, which keeps all aligned; then by name. */
function sorted(tensors: Readonly<NamedTensors>): [string, Tensor][] {
  if (tensors === null || typeof tensors !== "object" || tensors instanceof Tensor) {
    throw new ArgumentError(
      `saveSafetensors: expected an object of tensors, got ${describe(tensors)}`,
    );
  }
  const entries = Object.entries(tensors);
  for (const [name, value] of entries) {
    naming("saveSafetensors", () => handleOf(name, value));
    if (name !== METADATA) continue;
    throw new ArgumentError(`saveSafetensors: no tensor may be called ${METADATA}`);
  }
  const rank = ([, value]: [string, Tensor]): number => Object.keys(TYPES).indexOf(value.dtype);
  return entries.sort((a, b) => rank(a) - rank(b) || (a[0] < b[0] ? -1 : 1));
}

/**
 * Save tensors, such as `net.stateDict()`, as a safetensors file, which PyTorch's users can load.
 *
 * The file appears whole or not at all. In a page it is offered as a download.
 */
export async function saveSafetensors(
  tensors: Readonly<NamedTensors>,
  path: string,
  options?: SafetensorsOptions,
): Promise<void> {
  if (typeof path !== "string") {
    throw new ArgumentError(`saveSafetensors: path must be a string, got ${describe(path)}`);
  }
  const bytes = await encodeSafetensors(tensors, options);
  try {
    await writeFile(path, bytes);
  } catch (error) {
    throw fileError("saveSafetensors", path, error);
  }
}

/**
 * Load the tensors of a safetensors file, for `net.loadStateDict`.
 *
 * Elements of 16 and 64 bits become `float32` or `int32`.
 *
 * @throws FileError if the file is missing or damaged, or a number does not fit.
 */
export async function loadSafetensors(source: Source): Promise<NamedTensors> {
  const bytes = await readBytes("loadSafetensors", source);
  return decodeSafetensors(bytes, sourceName(source));
}

/** Read the bytes of a safetensors file; `name` is what errors call it. */
export function decodeSafetensors(bytes: Uint8Array, name = "the given bytes"): NamedTensors {
  const refuse = (reason: string): never => {
    throw new FileError(`loadSafetensors: ${name}: ${reason}`);
  };
  const [entries, data] = readHeader(bytes, refuse);
  return Object.fromEntries(
    entries.map((entry) => {
      // A copy of its own is aligned, which a part of the file need not be.
      const own = new Uint8Array(data.subarray(entry.start, entry.end));
      const values = ELEMENTS[entry.type].read(own.buffer);
      if (values === undefined) refuse(`${entry.name} has elements that do not fit into int32`);
      const dtype = entry.type === "BOOL" ? "bool" : undefined;
      const make = (): Tensor => tensor(values!, { shape: entry.shape, dtype });
      return [entry.name, naming(`loadSafetensors: ${name}: ${entry.name}`, make)];
    }),
  );
}

function readHeader(
  bytes: Uint8Array,
  refuse: (reason: string) => never,
): [Entry[], data: Uint8Array] {
  if (bytes.length < LENGTH_BYTES)
    refuse(`${bytes.length} bytes are too few for a safetensors file`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = Number(view.getBigUint64(0, true));
  const rest = bytes.length - LENGTH_BYTES;
  if (size > MAX_HEADER_BYTES || size > rest) {
    refuse(`its header claims ${size} bytes where ${rest} are left; this is no safetensors file`);
  }
  let header: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true });
    header = JSON.parse(text.decode(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + size)));
  } catch {
    refuse("its header is not JSON");
  }
  if (header === null || typeof header !== "object" || Array.isArray(header)) {
    refuse("its header is not a JSON object");
  }
  const data = bytes.subarray(LENGTH_BYTES + size);
  const metadata = Object.getOwnPropertyDescriptor(header, METADATA)?.value as unknown;
  if (metadata !== undefined && !areTexts(metadata)) {
    refuse(`its ${METADATA} is not an object of strings`);
  }
  const entries = Object.entries(header)
    .filter(([name]) => name !== METADATA)
    .map(([name, value]) => readEntry(name, value, refuse));
  // Together the tensors have to cover the data: no gap, no overlap, nothing left over.
  let position = 0;
  for (const entry of [...entries].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (entry.start !== position) {
      refuse(`${entry.name} starts at byte ${entry.start} of the data, expected ${position}`);
    }
    position = entry.end;
  }
  if (position !== data.length) {
    refuse(`the tensors take ${position} bytes, the file has ${data.length} for them`);
  }
  return [entries, data];
}

const isSize = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

/** A tensor has fewer than 2^31 elements along a dimension. */
const isDimension = (value: unknown): value is number => isSize(value) && value < 2 ** 31;

function readEntry(name: string, value: unknown, refuse: (reason: string) => never): Entry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (!isElementType(dtype)) {
    const known = Object.keys(ELEMENTS).join(", ");
    return refuse(`${name} has dtype ${describe(dtype)}; known are ${known}`);
  }
  if (!Array.isArray(shape) || !shape.every(isDimension)) {
    return refuse(`${name} has shape ${describe(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    return refuse(`${name} has data_offsets ${describe(offsets)}`);
  }
  const [start, end] = offsets as [number, number];
  const expected = shape.reduce((product, n) => product * n, 1) * ELEMENTS[dtype].size;
  if (end - start !== expected) {
    return refuse(
      `${name} has ${end - start} bytes; ${dtype} ${describe(shape)} needs ${expected}`,
    );
  }
  return { name, type: dtype, shape, start, end };
}
