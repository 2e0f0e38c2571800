/** @file Every operation against PyTorch: results and gradients. */
import { runCases } from "./golden/run-cases.js";

runCases("functional.json");
runCases("layers.json");
