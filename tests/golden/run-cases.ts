/** @file Makes tests of the cases of a golden file. */
import { describe, test } from "vitest";
import { checkCase } from "./check.js";
import type { Case } from "./golden.js";
import { golden } from "./read.js";

/** Make a test of every case in a golden file. */
export function runCases(file: string): void {
  const { by, cases } = golden<{ by: string; cases: Case[] }>(file);
  describe(`as ${by}`, () => {
    for (const c of cases) test(c.name, () => checkCase(c));
  });
}
