/** @file What `import ... from "torchlet/io"` gives: tensors to and from files. */
export {
  decodeSafetensors,
  encodeSafetensors,
  loadSafetensors,
  type NamedTensors,
  type SafetensorsOptions,
  saveSafetensors,
} from "./safetensors.js";
export type { Source } from "./source.js";
