/** Runs programs and says what the slow ones do. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

/** The folder of package.json. */
export const ROOT = path.resolve(import.meta.dirname, "..");

/** Where builds keep what is costly to make again; ignored by git. */
export const CACHE = path.join(ROOT, ".cache");

/** The crate's folder. */
export const CRATE = path.join(ROOT, "crate");

export type Environment = Readonly<Record<string, string | undefined>>;

export interface RunOptions {
  /** Variables beside those of this process. */
  env?: Environment;
  /** The working directory; default: the project's root. */
  cwd?: string;
  /** Seconds after which the program is killed and the run fails; default: none. */
  timeout?: number;
}

export interface Outcome {
  ok: boolean;
  /** What the program wrote to its standard output. */
  stdout: string;
  /** Both streams, or why the program did not start. */
  output: string;
}

/** An error whose message is all that the user needs: no stack is printed for it. */
export class BuildError extends Error {
  override name = "BuildError";
}

/** Run a program and collect what it prints; a failure is an outcome, not an exception. */
export function attempt(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd ?? ROOT,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: options.timeout === undefined ? undefined : options.timeout * 1000,
      killSignal: "SIGKILL",
    });
    let stdout = "";
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.on("error", (error) => resolve({ ok: false, stdout, output: error.message }));
    child.on("close", (code) => resolve({ ok: code === 0, stdout, output }));
  });
}

/** Run a program quietly; its output is shown only if it fails. */
export async function runQuietly(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { ok, stdout, output } = await attempt(program, args, options);
  if (!ok) throw new BuildError(`${output.trimEnd()}\n${commandLine(program, args)} failed`);
  return stdout;
}

/** Run a program that writes to the terminal itself. */
export function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd ?? ROOT,
      env: { ...process.env, ...options.env },
      stdio: "inherit",
    });
    const fail = (reason: string): void =>
      reject(new BuildError(`${commandLine(program, args)} failed (${reason})`));
    child.on("error", (error) => fail(error.message));
    child.on("close", (code, signal) => {
      if (code === 0) resolve();
      else fail(signal ?? `exit code ${code}`);
    });
  });
}

/** Announce a slow step, do it, and say how long it took. */
export async function step<T>(what: string, usually: string, work: () => Promise<T>): Promise<T> {
  console.log(`- ${what} (usually ${usually})`);
  const start = performance.now();
  const result = await work();
  console.log(`  ${what}: took ${seconds(start)}`);
  return result;
}

/** The time since `start`, for people. */
export function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

/** Find a program on the PATH. */
export function which(name: string): string | undefined {
  const suffix = process.platform === "win32" ? ".exe" : "";
  return (process.env.PATH ?? "")
    .split(path.delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => path.join(folder, name + suffix))
    .find((file) => existsSync(file));
}

/** Run a script's main function; end with a message, not a stack, if a step fails. */
export async function main(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

function commandLine(program: string, args: readonly string[]): string {
  return [program, ...args].join(" ");
}
