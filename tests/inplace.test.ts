/** @file In-place operations and views under autograd against PyTorch. */
import { runCases } from "./golden/run-cases.js";

runCases("inplace.json");
