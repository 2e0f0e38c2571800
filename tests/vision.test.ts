/** @file MNIST's files, sound and damaged, and transforms against torchvision's numbers. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ArgumentError, FileError, IndexError, ShapeError, type Tensor, zeros } from "torchlet";
import { DataLoader } from "torchlet/data";
import { datasets, Image, ImageBatch, transforms } from "torchlet/vision";
import { fill, type Stored } from "./golden/golden.js";
import { golden } from "./golden/read.js";
import { serve } from "./golden/serve.js";

const EXACT = { rtol: 0, atol: 0 };
const { Compose, Lambda, Normalize, ToTensor } = transforms;

describe("MNIST", () => {
  // As torchvision gives them: the first ten labels, and the mean and the deviation of all pixels.
  test.each([
    [true, 60_000, [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], 0.1307, 0.3081],
    [false, 10_000, [7, 2, 1, 0, 4, 1, 4, 9, 5, 9], 0.1325, 0.3105],
  ])("train %s: %i images", async (train, length, labels, mean, std) => {
    const data = await datasets.MNIST.load({ train });
    expect(data.length).toBe(length);
    expect(labels.map((_, i) => data.get(i)[1])).toEqual(labels);
    const { height, width, channels } = data.get(-1)[0];
    expect([height, width, channels]).toEqual([28, 28, 1]);
    const pixels = data.images.data;
    const average = pixels.reduce((sum, x) => sum + x / 255, 0) / pixels.length;
    const variance = pixels.reduce((s, x) => s + (x / 255 - average) ** 2, 0) / pixels.length;
    expect(average).toBeCloseTo(mean, 4);
    expect(Math.sqrt(variance)).toBeCloseTo(std, 4);
    expect(data.classes[7]).toBe("7 - seven");
    expect(String(data)).toContain(String(length));
  });

  test("transforms are applied, and a batch is what its samples are", async () => {
    const transform = new Compose([new ToTensor(), new Normalize([0.1307], [0.3081])]);
    const data = await datasets.MNIST.load({ train: false, transform });
    const [images, labels] = data.getBatch([3, -1, 0])!;
    expect(images.shape).toEqual([3, 1, 28, 28]);
    for (const [row, i] of [3, -1, 0].entries()) {
      const [image, label] = data.get(i);
      await expect(images.select(0, row)).toBeAllclose(image, EXACT);
      expect(await labels.select(0, row).item()).toBe(label);
    }
    const odd = await datasets.MNIST.load({
      train: false,
      transform: new ToTensor(),
      targetTransform: (label) => label % 2 === 1,
    });
    for await (const [x, isOdd] of new DataLoader(odd, { batchSize: 4 })) {
      expect(x.shape).toEqual([4, 1, 28, 28]);
      await expect(isOdd).toBeAllclose({ shape: [4], dtype: "bool", values: [1, 0, 1, 0] });
      break;
    }
  });

  test("without ToTensor a loader says what to do", async () => {
    const loader = new DataLoader(await datasets.MNIST.load({ train: false }));
    await expect(loader[Symbol.asyncIterator]().next()).rejects.toThrow(/an Image.*ToTensor/);
  });

  test("indices and options that are wrong are refused", async () => {
    const data = await datasets.MNIST.load({ train: false });
    expect(() => data.get(10_000)).toThrow(IndexError);
    expect(() => data.get(-10_001)).toThrow(IndexError);
    await expect(datasets.MNIST.load({ root: 3 as never })).rejects.toThrow(ArgumentError);
    await expect(datasets.MNIST.load({ train: "yes" as never })).rejects.toThrow(ArgumentError);
    await expect(datasets.MNIST.load({ download: true } as never)).rejects.toThrow(/"download"/);
    await expect(datasets.MNIST.load({ transform: 3 as never })).rejects.toThrow(/transform/);
  });
});

describe("MNIST's files", () => {
  const IMAGES = "t10k-images-idx3-ubyte";
  const LABELS = "t10k-labels-idx1-ubyte";
  let root: string;
  let folders = 0;

  function idx(shape: number[], data: Uint8Array, magic = 0x800 + shape.length): Uint8Array {
    const header = Buffer.alloc(4 + 4 * shape.length);
    [magic, ...shape].forEach((value, i) => header.writeUInt32BE(value, 4 * i));
    return Buffer.concat([header, data]);
  }
  const pixels = Uint8Array.from(fill(1, 3 * 4 * 5, 0, 256), Math.floor);
  const images = idx([3, 4, 5], pixels);
  const labels = idx([3], Uint8Array.of(4, 0, 9));

  /** A folder with these files. */
  async function folder(files: Record<string, Uint8Array>, sub = ""): Promise<string> {
    const made = path.join(root, String(folders++));
    await mkdir(path.join(made, sub), { recursive: true });
    for (const [name, bytes] of Object.entries(files))
      await writeFile(path.join(made, sub, name), bytes);
    return made;
  }

  async function expectSound(where: string): Promise<void> {
    const data = await datasets.MNIST.load({ root: where, train: false });
    expect(Array.from(data.targets)).toEqual([4, 0, 9]);
    expect(data.get(1)[0].data).toEqual(pixels.slice(20, 40));
  }

  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), "torchlet-mnist-"));
  });
  afterAll(() => rm(root, { recursive: true }));

  test("lie in the folder, in torchvision's layout, or compressed", async () => {
    await expectSound(await folder({ [IMAGES]: images, [LABELS]: labels }));
    await expectSound(await folder({ [IMAGES]: images, [LABELS]: labels }, "MNIST/raw"));
    const packed = { [`${IMAGES}.gz`]: gzipSync(images), [LABELS]: labels };
    await expectSound(`${await folder(packed)}/`);
    await expectSound(pathToFileURL(await folder(packed, "MNIST/raw")).href);
  });

  test("come from a server", async () => {
    const { url, stop } = await serve({
      [`/data/${IMAGES}.gz`]: gzipSync(images),
      [`/data/${LABELS}`]: labels,
    });
    try {
      await expectSound(`${url}/data`);
    } finally {
      await stop();
    }
  });

  test.each<[string, string, Record<string, Uint8Array>, RegExp]>([
    ["half a file", IMAGES, { [IMAGES]: images.subarray(0, 40) }, /40 bytes, \[3, 4, 5\] needs 76/],
    ["a longer file", LABELS, { [LABELS]: Buffer.concat([labels, labels]) }, /needs 11/],
    ["an empty file", IMAGES, { [IMAGES]: new Uint8Array(0) }, /0 bytes/],
    ["half a header", LABELS, { [LABELS]: labels.subarray(0, 6) }, /6 bytes/],
    ["another kind of file", IMAGES, { [IMAGES]: Buffer.from("<!doctype html><p>Moved</p>") }, /begins with/], // prettier-ignore
    ["the labels as images", IMAGES, { [IMAGES]: Buffer.concat([labels, labels]) }, /begins with/],
    ["sizes that nothing has", IMAGES, { [IMAGES]: idx([2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], pixels) }, /needs/], // prettier-ignore
    ["floats", LABELS, { [LABELS]: idx([3], Uint8Array.of(1, 2, 3), 0xd01) }, /begins with/],
    ["half a gzip file", `${IMAGES}.gz`, { [`${IMAGES}.gz`]: gzipSync(images).subarray(0, 40) }, /gzip data is damaged/], // prettier-ignore
    ["too few labels", LABELS, { [LABELS]: idx([2], Uint8Array.of(4, 0)) }, /3 images.*2 labels/],
    ["a label beyond 9", LABELS, { [LABELS]: idx([3], Uint8Array.of(4, 10, 9)) }, /label 10 of image 1/], // prettier-ignore
  ])("%s is refused by the name of the file", async (_, name, files, message) => {
    const compressed = name.endsWith(".gz");
    const where = await folder({
      ...(compressed ? {} : { [IMAGES]: images }),
      [LABELS]: labels,
      ...files,
    });
    const loading = datasets.MNIST.load({ root: where, train: false });
    await expect(loading).rejects.toThrow(FileError);
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toThrow(path.join(where, name));
  });

  test("images without their labels are not given those of another folder", async () => {
    const where = await folder({ [IMAGES]: images });
    const loading = datasets.MNIST.load({ root: where, train: false });
    await expect(loading).rejects.toThrow(FileError);
    await expect(loading).rejects.toThrow(`${path.join(where, LABELS)} is missing`);
  });
});

interface Row {
  seed: number;
  height: number;
  width: number;
  channels: number;
  mean: number[];
  std: number[];
  tensor: Stored;
  normalized: Stored;
  composed: Stored;
}
const { by, rows } = golden<{ by: string; rows: { transforms: Row[]; bytes: Stored } }>(
  "vision.json",
);

describe(`as ${by}`, () => {
  test.each(rows.transforms)("$channels channels, mean $mean, std $std", async (row) => {
    const { seed, height, width, channels, mean, std } = row;
    const data = Uint8Array.from(fill(seed, height * width * channels, 0, 256), Math.floor);
    const image = new Image(data, height, width, channels);
    const [toTensor, normalize] = [new ToTensor(), new Normalize(mean, std)];
    const compose = new Compose([toTensor, normalize]);
    await expect(toTensor(image)).toBeAllclose(row.tensor, EXACT);
    await expect(normalize(toTensor(image))).toBeAllclose(row.normalized, EXACT);
    await expect(compose(image)).toBeAllclose(row.composed, EXACT);
    const two = new Uint8Array(2 * data.length);
    two.set(data, data.length);
    const batch = compose.batch!(new ImageBatch(two, 2, height, width, channels)) as Tensor;
    expect(batch.shape).toEqual([2, ...row.composed.shape]);
    await expect(batch.select(0, 1)).toBeAllclose(row.composed, EXACT);
  });

  test("each of the 256 bytes", async () => {
    const image = new Image(
      Uint8Array.from({ length: 256 }, (_, i) => i),
      16,
      16,
      1,
    );
    await expect(new ToTensor()(image)).toBeAllclose(rows.bytes, EXACT);
  });
});

describe("transforms", () => {
  const image = new Image(Uint8Array.of(0, 51, 102, 255), 2, 2, 1);

  test("functions and Lambda stand beside transforms", async () => {
    const inverse = new Lambda((x: Tensor) => x.neg().add(1));
    const compose = new Compose([new ToTensor(), inverse, (x: Tensor) => x.flatten()]);
    await expect(compose(image)).toBeAllclose({ shape: [4], values: [1, 0.8, 0.6, 0] });
    expect(compose.batch).toBeUndefined();
  });

  test.each<[string, () => unknown, new (message: string) => Error]>([
    ["ToTensor", () => new ToTensor()(zeros(2, 2) as never), ArgumentError],
    ["Normalize", () => new Normalize([0.5], [0]), ArgumentError],
    ["Normalize", () => new Normalize(0.5 as never, [1]), ArgumentError],
    ["Normalize", () => new Normalize([0.5], [1])(image as never), ArgumentError],
    ["Normalize", () => new Normalize([0.5, 0.5], [1, 1])(zeros(3, 2, 2)), ShapeError],
    ["Normalize", () => new Normalize([0.5], [1])(zeros(2, 2)), ShapeError],
    ["Compose", () => new Compose([new ToTensor(), 3 as never]), ArgumentError],
    ["Compose", () => new Compose(3 as never), ArgumentError],
    ["Lambda", () => new Lambda(3 as never), ArgumentError],
    ["Image", () => new Image(new Uint8Array(5), 2, 2, 1), ShapeError],
    ["Image", () => new Image([1, 2, 3, 4] as never, 2, 2, 1), ArgumentError],
    ["ImageBatch", () => new ImageBatch(new Uint8Array(4), -1, -2, 2, 1), ShapeError],
  ])("%s refuses what is wrong", (name, make, type) => {
    expect(make).toThrow(type);
    expect(make).toThrow(new RegExp(`^${name}: `));
  });

  test("Normalize of another dtype is refused, as by torchvision", () => {
    expect(() => new Normalize([0.5], [1])(zeros(1, 2, 2, { dtype: "int32" }))).toThrow(
      /^Normalize: .*int32/,
    );
  });
});
