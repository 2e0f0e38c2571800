/** Tells whether what a build reads, or what it wrote, has changed since. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { CACHE, ROOT } from "./process.js";

/** Folders that hold no sources. */
const IGNORED = new Set(["target", "node_modules"]);

/** A hash over the names and contents of files, and of all files below folders. */
export function fingerprint(paths: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of paths.flatMap(filesBelow).sort()) {
    hash.update(path.relative(ROOT, file)).update("\0");
    hash.update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}

/** All files below a folder, or the file itself; none if there is nothing. */
export function filesBelow(place: string): string[] {
  const stats = statSync(place, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  if (!stats.isDirectory()) return [place];
  return readdirSync(place)
    .filter((name) => !IGNORED.has(name))
    .flatMap((name) => filesBelow(path.join(place, name)));
}

/** The file that remembers the fingerprints of a finished build. */
export function stampFile(name: string): string {
  return path.join(CACHE, `${name}.stamp`);
}
