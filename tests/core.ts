/** @file The core itself, for tests that run over all of its operations. */
import type { Raw } from "../ts/raw-types.js";
import "torchlet";

interface Core {
  init(options: { module: unknown }): Promise<Raw>;
}

const core = (await import(new URL("../dist/core.js", import.meta.url).href)) as Core;

/** The core that the package has loaded: it is not loaded twice. */
export const raw = await core.init({ module: undefined });
