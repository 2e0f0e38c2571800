/** Finds wasm-bindgen's programs in exactly the version that the crate is compiled with. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { attempt, BuildError, CACHE, CRATE, runQuietly, step, which } from "./process.js";
import { nativeCargo } from "./toolchain.js";

const SUFFIX = process.platform === "win32" ? ".exe" : "";
const RELEASES = "https://github.com/wasm-bindgen/wasm-bindgen/releases/download";

/** Seconds after which a download is given up. */
const CONNECT_TIMEOUT = 10;
const DOWNLOAD_TIMEOUT = 120;

export interface WasmBindgen {
  /** Path of `wasm-bindgen`. */
  bindgen: string;
  /** Path of `wasm-bindgen-test-runner`. */
  testRunner: string;
}

/** Find wasm-bindgen: on the PATH, in the project's cache, as a download, or compiled here. */
export async function wasmBindgen(): Promise<WasmBindgen> {
  const version = lockedVersion();
  const cached = path.join(CACHE, `wasm-bindgen-${version}`, "bin");
  const onPath = which("wasm-bindgen");
  const folders = onPath === undefined ? [cached] : [path.dirname(onPath), cached];
  for (const folder of folders) {
    const programs = await programsIn(folder, version);
    if (programs !== undefined) return programs;
  }
  if (!(await download(version, cached))) await compile(version, path.dirname(cached));
  const programs = await programsIn(cached, version);
  if (programs === undefined) {
    throw new BuildError(`wasm-bindgen ${version} was installed in ${cached}, but does not run`);
  }
  return programs;
}

/** The version of the wasm-bindgen library in the crate's lock file. */
function lockedVersion(): string {
  const lock = readFileSync(path.join(CRATE, "Cargo.lock"), "utf8");
  const version = /name = "wasm-bindgen"\r?\nversion = "([^"]+)"/.exec(lock)?.[1];
  if (version === undefined) throw new BuildError("crate/Cargo.lock names no wasm-bindgen");
  return version;
}

async function programsIn(folder: string, version: string): Promise<WasmBindgen | undefined> {
  const bindgen = path.join(folder, `wasm-bindgen${SUFFIX}`);
  const testRunner = path.join(folder, `wasm-bindgen-test-runner${SUFFIX}`);
  if (!existsSync(bindgen) || !existsSync(testRunner)) return undefined;
  const { stdout } = await attempt(bindgen, ["--version"]);
  return stdout.trim() === `wasm-bindgen ${version}` ? { bindgen, testRunner } : undefined;
}

/** The name of the prebuilt archive for this machine, if there is one. */
function archiveName(version: string): string | undefined {
  const machines: Record<string, string> = {
    "linux x64": "x86_64-unknown-linux-musl",
    "linux arm64": "aarch64-unknown-linux-gnu",
    "darwin x64": "x86_64-apple-darwin",
    "darwin arm64": "aarch64-apple-darwin",
    "win32 x64": "x86_64-pc-windows-msvc",
  };
  const machine = machines[`${process.platform} ${process.arch}`];
  return machine === undefined ? undefined : `wasm-bindgen-${version}-${machine}`;
}

/** Try the project's prebuilt programs; false if there are none or they cannot be reached. */
async function download(version: string, folder: string): Promise<boolean> {
  const name = archiveName(version);
  if (name === undefined) return false;
  return step(`downloading wasm-bindgen ${version}`, "a few seconds", async () => {
    const archive = await fetchBytes(`${RELEASES}/${version}/${name}.tar.gz`);
    if (archive === undefined) return false;
    const unpacked = path.join(CACHE, `download-${process.pid}`);
    mkdirSync(unpacked, { recursive: true });
    try {
      const tar = spawnSync("tar", ["-xzf", "-", "-C", unpacked], { input: archive });
      if (tar.status !== 0) return false;
      mkdirSync(path.dirname(folder), { recursive: true });
      rmSync(folder, { recursive: true, force: true });
      renameSync(path.join(unpacked, name), folder);
    } finally {
      rmSync(unpacked, { recursive: true, force: true });
    }
    return (await programsIn(folder, version)) !== undefined;
  });
}

async function fetchBytes(url: string): Promise<Uint8Array | undefined> {
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(), CONNECT_TIMEOUT * 1000);
  try {
    const response = await fetch(url, { signal: stop.signal });
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), DOWNLOAD_TIMEOUT * 1000);
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
    console.log(`  ${url}: ${response.status} ${response.statusText}`);
  } catch {
    console.log(`  ${new URL(url).host} cannot be reached`);
  } finally {
    clearTimeout(timer);
  }
  return undefined;
}

async function compile(version: string, root: string): Promise<void> {
  const target = path.join(CACHE, "wasm-bindgen-target");
  await step(`compiling wasm-bindgen ${version}, once`, "two to four minutes", async () => {
    // It runs for a second a build: time spent on optimising it would never come back.
    // `--locked` is left out on purpose: the lock file it brings names a withdrawn version.
    await runQuietly(
      nativeCargo(),
      ["install", "wasm-bindgen-cli", "--version", version, "--no-default-features"].concat([
        "--root",
        root,
        "--force",
      ]),
      {
        env: {
          CARGO_TARGET_DIR: target,
          CARGO_PROFILE_RELEASE_OPT_LEVEL: "1",
          CARGO_PROFILE_RELEASE_LTO: "off",
        },
      },
    );
    rmSync(target, { recursive: true, force: true });
  });
}
