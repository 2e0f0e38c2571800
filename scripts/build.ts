/** `npm run build`: the crate to WASM, TypeScript to JavaScript and declarations, into `dist/`. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fingerprint, stampFile } from "./fingerprint.js";
import { withLock } from "./lock.js";
import {
  CACHE,
  CRATE,
  main,
  ROOT,
  run,
  runQuietly,
  seconds,
  step,
  type Environment,
} from "./process.js";
import { printSizes } from "./sizes.js";
import { wasmToolchain, type Toolchain } from "./toolchain.js";
import { wasmBindgen } from "./wasm-bindgen.js";

const DIST = path.join(ROOT, "dist");
/** The core is kept, so that a change in TypeScript does not ask for it again. */
const CORE = path.join(CACHE, "core");
const CORE_FILES = ["core.js", "torchlet.wasm"];

const inRoot = (name: string): string => path.join(ROOT, name);
const TOOLS = ["package-lock.json", "rollup.config.mjs", "scripts"].map(inRoot);
const LAYER = ["package.json", "tsconfig.json", "tsconfig.build.json", "ts"].map(inRoot);
const CRATE_SOURCES = ["Cargo.toml", "Cargo.lock", "build.rs", "src", ".cargo"].map((name) =>
  path.join(CRATE, name),
);

await main(() => withLock("build", build));

async function build(): Promise<void> {
  const start = performance.now();
  const sources = fingerprint([...TOOLS, ...LAYER, ...CRATE_SOURCES]);
  if (isCurrent("dist", sources, DIST)) {
    console.log("dist/ is up to date");
    return;
  }
  const next = path.join(CACHE, "dist");
  rmSync(next, { recursive: true, force: true });
  await buildCore();
  await Promise.all([buildLayer(next), buildDeclarations(next)]);
  for (const file of CORE_FILES) cpSync(path.join(CORE, file), path.join(next, file));

  // Whoever imports the package meanwhile finds the last build, not half of this one.
  rmSync(DIST, { recursive: true, force: true });
  renameSync(next, DIST);
  remember("dist", sources, DIST);
  printSizes(DIST);
  console.log(`\nbuilt dist/ in ${seconds(start)}`);
}

/** The crate as WASM, with its bindings. */
async function buildCore(): Promise<void> {
  const sources = fingerprint([...TOOLS, ...CRATE_SOURCES]);
  if (isCurrent("core", sources, CORE)) return;
  const toolchain = await wasmToolchain();
  console.log(`- compiling the core with ${toolchain.name}`);
  const [{ bindgen }] = await Promise.all([wasmBindgen(), compileCrate(toolchain)]);
  rmSync(CORE, { recursive: true, force: true });
  mkdirSync(CORE, { recursive: true });
  await rollup("core", CORE, {
    ...toolchain.env,
    CARGO_TERM_QUIET: "true",
    CARGO_BIN: toolchain.cargo,
    WASM_BINDGEN_BIN: bindgen,
    // A native one, where there is one, is faster than npm's.
    WASM_OPT_BIN: process.env.WASM_OPT_BIN ?? inRoot("node_modules/binaryen/bin/wasm-opt"),
  });
  remember("core", sources, CORE);
}

/**
 * Do what the rollup plugin starts with, with the very arguments it uses, so that it finds all of
 * it done: compiling the crate and compiling wasm-bindgen can then go on side by side.
 */
async function compileCrate({ cargo, env }: Toolchain): Promise<void> {
  const target = ["--target", "wasm32-unknown-unknown", "--crate-type", "cdylib"];
  await step("compiling the crate", "half a minute, two minutes the first time", () =>
    runQuietly(cargo, ["rustc", "--lib", ...target, "--release"], { cwd: CRATE, env }),
  );
}

/** The TypeScript layer, for Node and for browsers. */
function buildLayer(out: string): Promise<void> {
  return rollup("platforms", out, {});
}

/** Declarations; whether the types are right is what `npm run check` asks. */
async function buildDeclarations(out: string): Promise<void> {
  const tsc = inRoot("node_modules/typescript/bin/tsc");
  const types = path.join(out, "types");
  await run(process.execPath, [tsc, "-p", "tsconfig.build.json", "--noCheck", "--outDir", types]);
}

async function rollup(only: string, out: string, env: Environment): Promise<void> {
  const program = inRoot("node_modules/rollup/dist/bin/rollup");
  const args = ["--config", "--silent", "--configOnly", only, "--configOut", out];
  await run(process.execPath, [program, ...args], { env });
}

/** Whether a build of these sources was finished and nobody has touched its output since. */
function isCurrent(name: string, sources: string, output: string): boolean {
  const stamp = stampFile(name);
  return (
    existsSync(stamp) && readFileSync(stamp, "utf8") === `${sources} ${fingerprint([output])}\n`
  );
}

function remember(name: string, sources: string, output: string): void {
  writeFileSync(stampFile(name), `${sources} ${fingerprint([output])}\n`);
}
