import { randomUUID } from "node:crypto";
import * as fs from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { init, module } from "../../crate/Cargo.toml?custom";
import type { Raw } from "../raw-types.js";
import { type Host, servedFile } from "./host.js";
import { lendGpu } from "./navigator.js";

export const loadCore: Host["loadCore"] = async () => {
  const bytes = await fs.readFile(module);
  return (await init({ module: await WebAssembly.compile(bytes) })) as Raw;
};

export const openGpu: Host["openGpu"] = async (gpu) => {
  if (gpu !== undefined) return lendGpu(gpu);
  let webgpu: { create(flags: string[]): object; globals: object };
  try {
    // Only who asks for a GPU needs the package.
    webgpu = await import("webgpu");
  } catch (error) {
    return (
      "Node has no WebGPU of its own, and the package that brings it did not load: " +
      `npm install webgpu (${error instanceof Error ? error.message.split("\n")[0] : String(error)})`
    );
  }
  // The classes of its objects, by which the core tells one kind of error from another.
  for (const [name, value] of Object.entries(webgpu.globals)) {
    if (!(name in globalThis)) {
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
  }
  // It must not be collected as long as anything that came from it is in use.
  dawn ??= webgpu.create([]);
  return lendGpu(dawn);
};

let dawn: object | undefined;

let collect: (() => void) | undefined;

export const collectGarbage: Host["collectGarbage"] = async () => {
  if (collect === undefined) {
    // The function exists only in contexts that are made while the flag is set.
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
    setFlagsFromString("--no-expose-gc");
  }
  collect();
  // Finalizers run in a turn of their own, which the first turn after a collection schedules.
  await nextTurn();
  await nextTurn();
};

export const nextTurn: Host["nextTurn"] = () => new Promise((resolve) => setImmediate(resolve));

export const readFile: Host["readFile"] = async (source) => {
  const url = parseUrl(source);
  if (url !== undefined && url.protocol !== "file:") {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url.href}: ${response.status} ${response.statusText}`);
    return new Uint8Array(await response.arrayBuffer());
  }
  return new Uint8Array(await fs.readFile(url ?? source));
};

export const fileExists: Host["fileExists"] = async (path) => {
  try {
    const url = parseUrl(path);
    if (url !== undefined && url.protocol !== "file:") return servedFile(url);
    await fs.access(url ?? path);
    return true;
  } catch {
    return false;
  }
};

export const writeFile: Host["writeFile"] = async (path, bytes) => {
  // A rename within a folder is atomic, so a reader never sees half a file.
  const unfinished = `${path}.${randomUUID()}.tmp`;
  try {
    await fs.writeFile(unfinished, bytes);
    await fs.rename(unfinished, path);
  } catch (error) {
    await fs.rm(unfinished, { force: true });
    throw error;
  }
};

export const packageFolder: Host["packageFolder"] = (name) => {
  // First what the running program depends on, then what Torchlet itself lies beside.
  const program = pathToFileURL(path.join(process.cwd(), "package.json"));
  for (const from of [program, import.meta.url]) {
    try {
      return path.dirname(createRequire(from).resolve(`${name}/package.json`));
    } catch {
      continue;
    }
  }
  return undefined;
};

/** A URL, unless the text is a path; a single letter before the colon is a drive of Windows. */
function parseUrl(source: string | URL): URL | undefined {
  if (source instanceof URL) return source;
  return /^[a-z][a-z0-9+.-]+:/i.test(source) ? new URL(source) : undefined;
}
