/**
 * Finds a Rust that compiles for WebAssembly, or installs one.
 *
 * The choice is passed on by environment variables alone, so that no build file knows of it.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { attempt, BuildError, CRATE, ROOT, runQuietly, step, which } from "./process.js";
import type { Environment } from "./process.js";

const TARGET = "wasm32-unknown-unknown";
const DEBIAN_PACKAGES = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];

export interface Toolchain {
  /** What was found, for people. */
  name: string;
  /** The cargo that compiles for WebAssembly. */
  cargo: string;
  /** The environment in which it does. */
  env: Environment;
  /** Whether it has clippy as well. */
  clippy: boolean;
}

/** Find a toolchain for WebAssembly; install one if there is none. */
export async function wasmToolchain(): Promise<Toolchain> {
  const found =
    (await installedTarget()) ??
    (await debianToolchain()) ??
    (await addRustupTarget()) ??
    (await installDebianPackages());
  if (found === undefined) throw new BuildError(missingToolchain());
  return found;
}

/** The cargo for what runs on this machine: tests, rustfmt, clippy, tools. */
export function nativeCargo(): string {
  const cargo = which("cargo");
  if (cargo === undefined) throw new BuildError(missingToolchain());
  return cargo;
}

/** The Rust on the PATH (rustup's, or a distribution's), if it has the target's library. */
async function installedTarget(): Promise<Toolchain | undefined> {
  const cargo = which("cargo");
  if (cargo === undefined) return undefined;
  const env: Record<string, string> = {};
  const active = await attempt("rustc", ["--version"]);
  if (!active.ok) return undefined;
  // The rollup plugin builds a standard library of its own with a nightly, which needs more.
  if (active.stdout.includes("nightly")) env.RUSTUP_TOOLCHAIN = "stable";
  const library = await attempt("rustc", ["--print", "target-libdir", "--target", TARGET], { env });
  if (!library.ok || !hasFiles(library.stdout.trim())) return undefined;
  if (!(await isRecent("rustc", env))) return undefined;
  return {
    name: "the installed Rust",
    cargo,
    env: { ...env, ...(await linker(env)), ...wasmFlags() },
    clippy: true,
  };
}

/** Debian's packages: a compiler for the web with the sources of its standard library. */
async function debianToolchain(): Promise<Toolchain | undefined> {
  const [rustc, cargo] = ["/usr/bin/rustc", "/usr/bin/cargo"];
  const linker = wasmLinker();
  if (!existsSync(rustc) || !existsSync(cargo) || linker === undefined) return undefined;
  if (!existsSync("/usr/lib/rustlib/src/rust/library/std/Cargo.toml")) return undefined;
  if (!(await isRecent(rustc, {}))) return undefined;
  return {
    name: "Debian's Rust for the web",
    cargo,
    env: {
      PATH: `/usr/bin${path.delimiter}${process.env.PATH ?? ""}`,
      RUSTC: rustc,
      // The packages hold no compiled library for the target, so cargo compiles it,
      // which it does in a stable release only if told that this is wanted.
      RUSTC_BOOTSTRAP: "1",
      CARGO_UNSTABLE_BUILD_STD: "std,panic_abort",
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: linker,
      ...wasmFlags(),
    },
    clippy: false,
  };
}

async function addRustupTarget(): Promise<Toolchain | undefined> {
  if (which("rustup") === undefined) return undefined;
  const server = process.env.RUSTUP_DIST_SERVER ?? "https://static.rust-lang.org";
  const toolchain = (await attempt("rustc", ["--version"])).stdout.includes("nightly")
    ? ["--toolchain", "stable"]
    : [];
  return step(`rustup target add ${TARGET}`, "half a minute", async () => {
    if (!(await answers(server))) {
      console.log(`  ${server} cannot be reached`);
      return undefined;
    }
    const added = await attempt("rustup", ["target", "add", TARGET, ...toolchain], {
      timeout: 180,
      env: { RUST_BACKTRACE: "0" },
    });
    if (!added.ok) console.log(indent(added.output));
    return added.ok ? installedTarget() : undefined;
  });
}

async function installDebianPackages(): Promise<Toolchain | undefined> {
  if (which("apt-get") === undefined) return undefined;
  const asRoot = rootPrefix();
  if (asRoot === undefined) return undefined;
  const apt = (...args: string[]): Promise<string> => {
    const env = ["env", "DEBIAN_FRONTEND=noninteractive"];
    const [program = "", ...rest] = [...asRoot, ...env, "apt-get", "-qq", ...args];
    return runQuietly(program, rest);
  };
  return step(`apt-get install ${DEBIAN_PACKAGES.join(" ")}`, "a minute", async () => {
    try {
      await apt("update");
      // Nothing that is installed may be removed to make room.
      await apt("install", "-y", "--no-remove", "--no-install-recommends", ...DEBIAN_PACKAGES);
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      console.log(indent(error.message));
      return undefined;
    }
    return debianToolchain();
  });
}

/** What every build for WebAssembly is compiled with, whatever flags the user has for others. */
function wasmFlags(): Environment {
  const cargoHome = process.env.CARGO_HOME ?? path.join(os.homedir(), ".cargo");
  const flags = [
    "-Ctarget-feature=+simd128",
    // Panic messages name source files: keep the names of this machine's folders out of them.
    `--remap-path-prefix=${path.join(cargoHome, "registry", "src")}=crates`,
    `--remap-path-prefix=${ROOT}=torchlet`,
    "--remap-path-prefix=/usr/lib/rustlib/src/rust=rust",
  ];
  return { CARGO_ENCODED_RUSTFLAGS: flags.join("\x1f") };
}

/** A distribution's Rust may lack the linker that rustup's brings along. */
async function linker(env: Environment): Promise<Environment> {
  const libraries = await attempt("rustc", ["--print", "target-libdir"], { env });
  const bundled = path.join(path.dirname(libraries.stdout.trim()), "bin", "rust-lld");
  if (existsSync(bundled) || existsSync(`${bundled}.exe`)) return {};
  const program = wasmLinker();
  return program === undefined ? {} : { CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: program };
}

function wasmLinker(): string | undefined {
  return ["wasm-ld-19", "wasm-ld"].map(which).find((program) => program !== undefined);
}

/** Whether a compiler is at least the `rust-version` that the crate asks for. */
async function isRecent(rustc: string, env: Environment): Promise<boolean> {
  const manifest = readFileSync(path.join(CRATE, "Cargo.toml"), "utf8");
  const needed = /^rust-version\s*=\s*"1\.(\d+)/m.exec(manifest)?.[1] ?? "0";
  const { stdout } = await attempt(rustc, ["--version"], { env });
  const has = /^rustc 1\.(\d+)/.exec(stdout)?.[1] ?? "0";
  return Number(has) >= Number(needed);
}

/** What to put before a command that only root may run; undefined: no way to become root. */
function rootPrefix(): string[] | undefined {
  if (process.getuid?.() === 0) return [];
  if (which("sudo") === undefined) return undefined;
  return process.stdin.isTTY ? ["sudo"] : ["sudo", "-n"];
}

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(10_000) });
    return true;
  } catch {
    return false;
  }
}

function hasFiles(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).length > 0;
}

function indent(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, "  ");
}

function missingToolchain(): string {
  return [
    "Torchlet's core is written in Rust, and no Rust compiler for WebAssembly was found.",
    "Either of these brings one:",
    "",
    `  rustup target add ${TARGET}          (rustup itself: https://rustup.rs)`,
    `  sudo apt-get update && sudo apt-get install -y ${DEBIAN_PACKAGES.join(" ")}          (Debian 12)`,
  ].join("\n");
}
