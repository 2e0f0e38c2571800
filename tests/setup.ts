/** @file What the tests share: the matcher `toBeAllclose`, and the skip of a run without an adapter. */
import { beforeEach, expect } from "vitest";
import { type Comparable, difference, type Tolerance } from "./allclose.js";

declare module "vitest" {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any, @typescript-eslint/no-unused-vars -- as vitest declares it
  interface Matchers<T = any> {
    /** Compare a tensor or a list with another; shapes and dtypes too where both have them. To be awaited. */
    toBeAllclose(expected: Comparable, tolerance?: Tolerance): Promise<void>;
  }
}

expect.extend({
  async toBeAllclose(received: Comparable, expected: Comparable, tolerance: Tolerance = {}) {
    const wrong = await difference(received, expected, tolerance);
    return { pass: wrong === undefined, message: () => wrong ?? "expected the values to differ" };
  },
});

const missing = process.env.TORCHLET_NO_ADAPTER;
if (process.env.TORCHLET_DEVICE === "webgpu" && missing) {
  beforeEach(({ skip }) => skip(missing));
}
