/** @file Every operation, by its samples, on the GPU as on the CPU. */
import { describe, expect, test } from "vitest";
import { device } from "./device.js";
import { differences, operations, outcomes } from "./samples.js";

describe("on the GPU as on the CPU", () => {
  test.each(operations)("%s", async (name) => {
    expect(differences(await outcomes(name, device), await outcomes(name, "cpu"))).toEqual([]);
  });
});
