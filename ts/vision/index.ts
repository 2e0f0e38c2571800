/** @file What `import ... from "torchlet/vision"` gives: datasets, transforms and images. */
export * as datasets from "./datasets.js";
export { Image, ImageBatch } from "./image.js";
export * as transforms from "./transforms.js";
