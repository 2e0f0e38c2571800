/** @file Reads the golden files that make_golden.py writes. */
import { readFileSync } from "node:fs";

/** Read a golden file. */
export function golden<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8")) as T;
}
