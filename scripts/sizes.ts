/** Prints what the package weighs. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { filesBelow } from "./fingerprint.js";

/** Print the size of every bundle in `dist`, as it is and compressed. */
export function printSizes(dist: string): void {
  const of = (...parts: string[]): string[] => filesBelow(path.join(dist, ...parts));
  const rows: [string, string[]][] = [
    ["WASM", of("torchlet.wasm")],
    ["JS: bindings", of("core.js")],
    ["JS: for Node", of("node")],
    ["JS: for browsers", of("browser")],
    ["declarations", of("types")],
  ];
  console.log(`\n${"".padEnd(18)}${"raw".padStart(12)}${"gzip".padStart(12)}`);
  for (const [title, files] of rows) {
    const contents = files.map((file) => readFileSync(file));
    const raw = total(contents.map((content) => content.length));
    const gzip = total(contents.map((content) => gzipSync(content, { level: 9 }).length));
    console.log(`${title.padEnd(18)}${kilobytes(raw)}${kilobytes(gzip)}`);
  }
}

function total(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`.padStart(12);
}
