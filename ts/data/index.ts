/** @file What `import ... from "torchlet/data"` gives: PyTorch's `torch.utils.data`. */
export { defaultCollate } from "./collate.js";
export { DataLoader, type DataLoaderOptions } from "./dataloader.js";
export { type Collated, Dataset, type DatasetLike, Subset, TensorDataset } from "./dataset.js";
export {
  BatchSampler,
  RandomSampler,
  type RandomSamplerOptions,
  type Sampler,
  SequentialSampler,
  type Sized,
  SubsetRandomSampler,
} from "./sampler.js";
export { randomSplit } from "./split.js";
