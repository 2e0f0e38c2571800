/**
 * Three bundles: the core (the crate as WASM, and its bindings), which both platforms share, and
 * the TypeScript layer for Node and for browsers, which differ in `ts/host/` alone.
 *
 * `scripts/build.ts` runs this with a toolchain in the environment; `--configOnly core` or
 * `--configOnly platforms` makes a part, and `--configOut` names the folder to write to.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import rust from "@wasm-tool/rollup-plugin-rust";
import esbuild from "rollup-plugin-esbuild";

const root = import.meta.dirname;
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));

/** The source of each subpath in package.json's `exports`, by the name of its bundle. */
function entries() {
  const subpaths = Object.keys(manifest.exports).filter((key) => !key.endsWith(".json"));
  return Object.fromEntries(
    subpaths.map((subpath) =>
      subpath === "."
        ? ["index", path.join(root, "ts/index.ts")]
        : [path.basename(subpath), path.join(root, "ts", subpath, "index.ts")],
    ),
  );
}

/** A warning here would be a fault in the package: an unresolved import, a cycle, a failed tool. */
function refuse(warning) {
  throw new Error(warning.message);
}

/** The crate's bindings come from the core's bundle, which lies beside both platforms' folders. */
const sharedCore = {
  name: "shared-core",
  resolveId: (id) =>
    // Rollup lays out the folder of the sources, ts/, as the folder of a platform.
    id.endsWith("Cargo.toml?custom")
      ? { id: path.join(root, "core.js"), external: "relative" }
      : null,
};

/** What every subpath stands on goes into one chunk; the rest falls where it is shared. */
function manualChunks(id) {
  const [top] = path.relative(path.join(root, "ts"), id).split(path.sep);
  return top === "index.ts" || Object.hasOwn(entries(), top) ? null : "torchlet";
}

/** Replace the platform that the sources name, Node, by another one. */
function platform(name) {
  const node = path.join(root, "ts/host/node.ts");
  return {
    name: "platform",
    load: (id) =>
      id === node && name !== "node"
        ? `export * from ${JSON.stringify(path.join(root, `ts/host/${name}.ts`))};`
        : null,
  };
}

function core(out) {
  return {
    input: { core: path.join(root, "crate/Cargo.toml?custom") },
    plugins: [
      rust({
        // The profile is the crate's own business. The plugin's would strip the list of features
        // that the code uses, by which wasm-bindgen and wasm-opt know what they may use.
        optimize: { rustc: false },
        extraArgs: {
          wasmBindgen: ["--remove-name-section", "--remove-producers-section"],
          // The first kilobyte is the end of the stack: no address computed from a pointer falls into it, so that
          // constants added to pointers can become offsets of loads and stores.
          wasmOpt: ["-O3", "--low-memory-unused", "--strip-target-features"],
        },
      }),
    ],
    onwarn: refuse,
    output: { dir: out, format: "es", assetFileNames: "[name][extname]" },
  };
}

function layer(name, out) {
  return {
    input: entries(),
    plugins: [platform(name), sharedCore, esbuild({ target: "es2022" })],
    // The GPU for Node is loaded when it is asked for, if it is installed.
    external: name === "node" ? [/^node:/, "webgpu"] : [],
    onwarn: refuse,
    output: {
      dir: path.join(out, name),
      format: "es",
      entryFileNames: "[name].js",
      chunkFileNames: "chunks/[name].js",
      manualChunks,
    },
  };
}

export default ({ configOnly, configOut = "dist" }) => {
  const out = path.resolve(root, configOut);
  const platforms = [layer("node", out), layer("browser", out)];
  if (configOnly === "core") return [core(out)];
  if (configOnly === "platforms") return platforms;
  return [core(out), ...platforms];
};
