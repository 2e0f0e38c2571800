/** @file Safetensors files: of every dtype and shape, Python's byte for byte, from every source, and damaged ones. */
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ArgumentError,
  FileError,
  nn,
  ones,
  optim,
  rand,
  type Tensor,
  tensor,
  TorchletError,
  zeros,
} from "torchlet";
import {
  decodeSafetensors,
  encodeSafetensors,
  loadSafetensors,
  type NamedTensors,
  saveSafetensors,
} from "torchlet/io";
import { fill, filled } from "./golden/golden.js";
import { LeNet } from "./golden/nets.js";
import { serve } from "./golden/serve.js";

const EXACT = { rtol: 0, atol: 0 };
const here = new URL("golden/", import.meta.url);
const python = new Uint8Array(readFileSync(new URL("python.safetensors", here)));
const dtypes = new URL("dtypes.safetensors", here);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "torchlet-io-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** What tests/golden/files.py puts into python.safetensors. */
const SPECIAL = [0, -0, 1.5, -2.25, 65504, 6e-8, 2 ** -14, Infinity, -Infinity, NaN];
const written = (): NamedTensors => ({
  "conv1.weight": filled(1, [2, 1, 3, 3]),
  "conv1.bias": filled(2, [2]),
  scalar: tensor(2.5),
  empty: zeros(0, 3),
  labels: tensor(Int32Array.of(-(2 ** 31), -1, 0, 1, 2, 2 ** 31 - 1), { shape: [2, 3] }),
  mask: tensor([true, false, true]),
  "a view": filled(3, [4, 3]).t(),
  'üñî "quoted"\n': tensor(SPECIAL.slice(0, 7)),
});

async function expectSame(actual: NamedTensors, expected: NamedTensors): Promise<void> {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, t] of Object.entries(expected))
    await expect(actual[name], name).toBeAllclose(t, EXACT);
}

describe("files of Python's safetensors", () => {
  test("are read", async () => {
    await expectSame(decodeSafetensors(python), written());
  });

  test("are written byte for byte", async () => {
    const bytes = await encodeSafetensors(written(), { metadata: { format: "pt" } });
    expect(Buffer.from(bytes).toString("latin1")).toBe(Buffer.from(python).toString("latin1"));
  });

  test("with other dtypes become float32 and int32", async () => {
    const half = [0, -0, 1.5, -2.25, 65504, 2 ** -24, 2 ** -14, Infinity, -Infinity, NaN];
    const int32 = (...values: number[]): Tensor => tensor(Int32Array.from(values));
    const edges = int32(-(2 ** 31), -1, 0, 1, 2, 2 ** 31 - 1).view(2, 3);
    const loaded = await loadSafetensors(dtypes);
    // A bfloat16 has eight bits: 65504 rounds up, and 6e-8 to 129 / 128 of 2 ** -24.
    const { BF16, ...others } = loaded;
    await expectSame(others, {
      F64: filled(4, [5]),
      F16: tensor(half),
      I64: edges,
      I16: int32(-(2 ** 15), 2 ** 15 - 1),
      I8: int32(-128, 127),
      U8: int32(0, 255),
      U16: int32(0, 2 ** 16 - 1),
      U32: int32(0, 2 ** 31 - 1),
      U64: int32(0, 2 ** 31 - 1),
    });
    const rounded = [0, -0, 1.5, -2.25, 65536, 129 * 2 ** -31, 2 ** -14, Infinity, -Infinity, NaN];
    await expect(BF16).toBeAllclose(tensor(rounded), EXACT);
  });
});

describe("a round trip", () => {
  test.each<[string, () => Tensor]>([
    ["float32 with NaN, infinities and -0", () => tensor(SPECIAL)],
    ["the smallest and the largest float32", () => tensor([2 ** -149, 3.4028234663852886e38])],
    ["int32", () => tensor(Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1))],
    ["bool", () => tensor([[true], [false]])],
    ["a scalar", () => tensor(3)],
    ["an int32 scalar", () => tensor(3, { dtype: "int32" })],
    ["no elements", () => zeros(2, 0, 3)],
    ["no bool elements", () => zeros(0, { dtype: "bool" })],
    ["seven dimensions", () => filled(1, [1, 2, 1, 3, 1, 2, 1])],
    ["a transposed view", () => filled(1, [3, 4]).t()],
    ["a slice", () => filled(1, [6, 4]).slice({ dim: 0, start: 1, end: 6, step: 2 }).select(1, 3)],
    ["an expanded view", () => filled(1, [3, 1]).expand(3, 4)],
    ["a parameter", () => new nn.Linear(3, 2).weight],
    ["a result with a graph", () => rand(3).requiresGrad_().mul(2)],
  ])("of %s", async (name, make) => {
    const x = make();
    const file = path.join(folder, "one.safetensors");
    await saveSafetensors({ [name]: x }, file);
    const loaded = await loadSafetensors(file);
    expect(Object.keys(loaded)).toEqual([name]);
    const back = loaded[name]!;
    await expect(back).toBeAllclose(x, EXACT);
    expect(Object.is((await back.data())[1], (await x.data())[1])).toBe(true);
    expect([back.isContiguous(), back.requiresGrad, back.isLeaf]).toEqual([true, false, true]);
  });

  test("of many at once, dtypes mixed", async () => {
    const bytes = await encodeSafetensors(written());
    await expectSame(decodeSafetensors(bytes), written());
    expect(bytes.length % 8).toBe(python.length % 8);
  });

  test("of nothing", async () => {
    expect(decodeSafetensors(await encodeSafetensors({}))).toEqual({});
  });

  test.each(["__proto__", "constructor", "toString", "", "ÿ\u0000😀"])(
    "of the name %j",
    async (name) => {
      const bytes = await encodeSafetensors(Object.fromEntries([[name, tensor([1, 2])]]));
      const loaded = decodeSafetensors(bytes);
      expect(Object.keys(loaded)).toEqual([name]);
      await expect(Object.entries(loaded)[0]![1]).toBeAllclose([1, 2]);
    },
  );

  test("of a net: the other net then gives the same", async () => {
    const [net, other] = [new LeNet(), new LeNet()];
    const x = filled(5, [2, 3, 32, 32]);
    const file = path.join(folder, "net.safetensors");
    await saveSafetensors(net.stateDict(), file);
    other.loadStateDict(await loadSafetensors(file));
    await expect(other(x)).toBeAllclose(net(x), EXACT);
    new optim.SGD(other.parameters(), { lr: 0.1 }).zeroGrad();
  });

  test("what is loaded is a copy of the bytes, wherever these lie", async () => {
    const shifted = new Uint8Array(python.length + 3).subarray(3);
    shifted.set(python);
    const loaded = decodeSafetensors(shifted);
    shifted.fill(0);
    await expectSame(loaded, written());
  });

  test("what is saved is what was there at the call", async () => {
    const [a, b] = [ones(3), ones(3)];
    const encoding = encodeSafetensors({ a, b });
    a.zero_();
    b.zero_();
    await expectSame(decodeSafetensors(await encoding), { a: ones(3), b: ones(3) });
  });
});

describe("sources", () => {
  test("paths, bytes, buffers and blobs", async () => {
    const file = path.join(folder, "ein Näme #1 %20.safetensors");
    await writeFile(file, python);
    await expectSame(await loadSafetensors(file), written());
    await expectSame(await loadSafetensors(path.relative(process.cwd(), file)), written());
    await expectSame(await loadSafetensors(pathToFileURL(file)), written());
    await expectSame(await loadSafetensors(pathToFileURL(file).href), written());
    await expectSame(await loadSafetensors(python), written());
    await expectSame(await loadSafetensors(Buffer.from(python)), written());
    await expectSame(await loadSafetensors(python.slice().buffer), written());
    await expectSame(await loadSafetensors(new Blob([python])), written());
    await expectSame(await loadSafetensors(new File([python], "a.safetensors")), written());
  });

  test("a web server", async () => {
    const { url, stop } = await serve({ "/a.safetensors": python });
    try {
      await expectSame(await loadSafetensors(`${url}/a.safetensors`), written());
      await expectSame(await loadSafetensors(new URL(`${url}/a.safetensors`)), written());
      const missing = loadSafetensors(`${url}/b.safetensors`);
      await expect(missing).rejects.toThrow(FileError);
      await expect(missing).rejects.toThrow(/b\.safetensors.*404/);
    } finally {
      await stop();
    }
    // Nobody listens there any more.
    const gone = loadSafetensors(`${url}/a.safetensors`);
    await expect(gone).rejects.toThrow(FileError);
    await expect(gone).rejects.toThrow(`${url}/a.safetensors`);
  });

  test.each<[string, () => unknown, new (message: string) => Error, RegExp]>([
    ["a missing file", () => path.join(folder, "none.safetensors"), FileError, /none\.safetensors/],
    ["a folder", () => folder, FileError, /torchlet-io-/],
    ["a path with a zero byte", () => "a\0b", FileError, /a\0b/],
    ["an empty path", () => "", FileError, /loadSafetensors/],
    ["a URL of another kind", () => "ftp://host/a.safetensors", FileError, /ftp:/],
    ["a URL that is none", () => "http://", FileError, /http:/],
    ["nothing", () => undefined, ArgumentError, /undefined/],
    ["a number", () => 3, ArgumentError, /3/],
    ["a list", () => [1, 2], ArgumentError, /\[1, 2\]/],
  ])("%s is refused", async (_, source, type, message) => {
    const loading = loadSafetensors(source() as string);
    await expect(loading).rejects.toThrow(type);
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toThrow(/^loadSafetensors: /);
  });
});

describe("a damaged file", () => {
  const EIGHT = new Uint8Array(8);
  const entry = (shape: unknown, offsets: unknown, dtype: unknown = "F32"): object => ({
    dtype,
    shape,
    data_offsets: offsets,
  });

  /** A file with this header, which may claim another length than it has. */
  function file(header: unknown, data = EIGHT, claim?: bigint): Uint8Array {
    const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(claim ?? BigInt(text.length));
    return Buffer.concat([length, text, data]);
  }

  const good = entry([2], [0, 8]);
  const BAD: Record<string, Uint8Array> = {
    "no bytes": new Uint8Array(0),
    "half a length": new Uint8Array(5),
    "a length and no header": file("", new Uint8Array(0), 8n),
    "a header of no bytes": file("", new Uint8Array(0)),
    "a truncated header": file({ a: good }).subarray(0, 30),
    "truncated data": file({ a: good }, new Uint8Array(7)),
    "data left over": file({ a: good }, new Uint8Array(9)),
    "a header length of 2^53": file({ a: good }, EIGHT, 2n ** 53n),
    "a header length of 2^53 + 1": file({ a: good }, EIGHT, 2n ** 53n + 1n),
    "a header length of 2^64 - 1": file({ a: good }, EIGHT, 2n ** 64n - 1n),
    "a header length that is too small": file({ a: good }, EIGHT, 10n),
    "a zip file": Buffer.from("PK\x03\x04 as torch.save writes it, with some more bytes"),
    "a header that is no JSON": file("{a: 1}"),
    "a header that is no UTF-8": file("\xff".repeat(3)).fill(0xff, 8, 11),
    "a header that is a list": file([good]),
    "a header that is null": file("null"),
    "an entry that is null": file({ a: null }),
    "an entry that is a number": file({ a: 3 }),
    "no dtype": file({ a: entry([2], [0, 8], null) }),
    "an unknown dtype": file({ a: entry([2], [0, 8], "F8_E4M3") }),
    "a dtype of Object": file({ a: entry([2], [0, 8], "constructor") }),
    "the dtype in small letters": file({ a: entry([2], [0, 8], "f32") }),
    "a dtype of another size": file({ a: entry([2], [0, 8], "F64") }),
    "no shape": file({ a: { dtype: "F32", data_offsets: [0, 8] } }),
    "a shape that is a number": file({ a: entry(2, [0, 8]) }),
    "a negative size": file({ a: entry([-2], [0, 8]) }),
    "two negative sizes": file({ a: entry([-2, -1], [0, 8]) }),
    "a fraction of a size": file({ a: entry([0.5, 4], [0, 8]) }),
    "a size as text": file({ a: entry(["2"], [0, 8]) }),
    "a size of 2^53": file({ a: entry([2 ** 53], [0, 8]) }),
    "sizes whose product is too large": file({ a: entry([2 ** 30, 2 ** 30, 2 ** 30], [0, 8]) }),
    "sizes whose product is not finite": file({ a: entry(Array(30).fill(2 ** 50), [0, 8]) }),
    "a huge size times nothing": file({ a: entry([2 ** 40, 0], [0, 0]) }, new Uint8Array(0)),
    "sizes of NaN times nothing": file({ a: entry([...Array<number>(30).fill(2 ** 50), 0], [0, 0]) }, new Uint8Array(0)), // prettier-ignore
    "a shape that does not fit the offsets": file({ a: entry([3], [0, 8]) }),
    "no offsets": file({ a: { dtype: "F32", shape: [2] } }),
    "one offset": file({ a: entry([2], [8]) }),
    "three offsets": file({ a: entry([2], [0, 8, 8]) }),
    "offsets in reverse": file({ a: entry([2], [8, 0]) }),
    "negative offsets": file({ a: entry([2], [-8, 0]) }),
    "offsets beyond the data": file({ a: entry([2], [8, 16]) }),
    "offsets of 2^53": file({ a: entry([2], [2 ** 53, 2 ** 53 + 8]) }),
    "a gap": file({ a: entry([1], [0, 4]), b: entry([1], [8, 12]) }, new Uint8Array(12)),
    "an overlap": file({ a: entry([2], [0, 8]), b: entry([2], [4, 12]) }, new Uint8Array(12)),
    "two tensors in one place": file({ a: good, b: good }),
    "an int64 that is too large": file({ a: entry([1], [0, 8], "I64") }, Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0)), // prettier-ignore
    "a uint32 that is too large": file({ a: entry([1], [0, 4], "U32") }, Uint8Array.of(0, 0, 0, 128)), // prettier-ignore
    "metadata that is a number": file({ __metadata__: 3, a: good }),
    "metadata of numbers": file({ __metadata__: { step: 3 }, a: good }),
  };

  test.each(Object.keys(BAD))("with %s is refused by its name", async (what) => {
    const name = path.join(folder, "damaged.safetensors");
    await writeFile(name, BAD[what]!);
    const loading = loadSafetensors(name);
    await expect(loading).rejects.toThrow(FileError);
    await expect(loading).rejects.toThrow(`loadSafetensors: ${name}: `);
  });

  test("a boolean that is not 0 is true, as in PyTorch", async () => {
    const bytes = file({ a: entry([8], [0, 8], "BOOL") }, Uint8Array.of(0, 1, 2, 255, 0, 0, 0, 0));
    await expect(decodeSafetensors(bytes).a).toBeAllclose([0, 1, 1, 1, 0, 0, 0, 0], EXACT);
  });

  test("its tensor is named", () => {
    const bytes = file({ "conv1.weight": entry([3], [0, 8]) });
    expect(() => decodeSafetensors(bytes, "x.safetensors")).toThrow(
      "loadSafetensors: x.safetensors: conv1.weight has 8 bytes; F32 [3] needs 12",
    );
    expect(() => decodeSafetensors(bytes)).toThrow("the given bytes");
  });

  test("a File is named too", async () => {
    const chosen = new File([BAD["a gap"]!.slice()], "chosen.safetensors");
    await expect(loadSafetensors(chosen)).rejects.toThrow("chosen.safetensors");
  });

  test("every file that is cut short, and every flipped byte of a header, is refused or harmless", async () => {
    for (let length = 0; length < python.length; length += 7)
      expect(() => decodeSafetensors(python.subarray(0, length))).toThrow(FileError);
    const header = 8 + Number(new DataView(python.buffer).getBigUint64(0, true));
    for (const [i, flip] of fill(9, header, 1, 256).entries()) {
      const bytes = python.slice();
      bytes[i]! ^= flip;
      try {
        for (const t of Object.values(decodeSafetensors(bytes))) await t.data();
      } catch (error) {
        expect(error).toBeInstanceOf(FileError);
      }
    }
  });
});

describe("saving", () => {
  const files = async (): Promise<string[]> => (await readdir(folder)).sort();

  test("replaces a file whole", async () => {
    const file = path.join(folder, "again.safetensors");
    await saveSafetensors({ a: zeros(1000) }, file);
    await saveSafetensors({ b: ones(2) }, file);
    await expectSame(await loadSafetensors(file), { b: ones(2) });
  });

  test("into a folder that is not there leaves nothing behind", async () => {
    const before = await files();
    const saving = saveSafetensors({ a: ones(2) }, path.join(folder, "none", "a.safetensors"));
    await expect(saving).rejects.toThrow(FileError);
    await expect(saving).rejects.toThrow(/^saveSafetensors: .*none.a\.safetensors: ENOENT/);
    expect(await files()).toEqual(before);
  });

  test("over a folder leaves that, and no unfinished file beside it", async () => {
    const file = path.join(folder, "folder.safetensors");
    await mkdir(path.join(file, "inside"), { recursive: true });
    const before = await files();
    await expect(saveSafetensors({ a: ones(2) }, file)).rejects.toThrow(FileError);
    expect(await files()).toEqual(before);
    expect(await readdir(file)).toEqual(["inside"]);
  });

  test("what cannot be saved leaves the old file as it was", async () => {
    const file = path.join(folder, "old.safetensors");
    await saveSafetensors({ a: ones(2) }, file);
    const old = await readFile(file);
    const before = await files();
    const disposed = ones(2);
    disposed.dispose();
    for (const wrong of [
      { a: 3 },
      { a: disposed },
      { a: ones(2), b: null },
      Object.fromEntries([["__metadata__", ones(2)]]),
      ones(2),
      null,
      3,
    ]) {
      const saving = saveSafetensors(wrong as never, file);
      await expect(saving).rejects.toThrow(ArgumentError);
      await expect(saving).rejects.toThrow(/^saveSafetensors: /);
    }
    for (const metadata of [{ step: 3 }, ["a"], "a", 3]) {
      const saving = saveSafetensors({ a: ones(2) }, file, { metadata } as never);
      await expect(saving, JSON.stringify(metadata)).rejects.toThrow(ArgumentError);
      await expect(saving).rejects.toThrow(/metadata/);
    }
    expect(await readFile(file)).toEqual(old);
    expect(await files()).toEqual(before);
  });

  test.each([3, undefined, null, {}])("to %o is refused", async (target) => {
    await expect(saveSafetensors({}, target as never)).rejects.toThrow(TorchletError);
  });
});
