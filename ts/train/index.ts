/** @file What `import ... from "torchlet/train"` gives. */
export { Accuracy, MeanMetric } from "./metrics.js";
export { Snapshot } from "./snapshot.js";
