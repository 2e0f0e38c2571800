/** An empty folder in which someone installs the packed package. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const ROOT = path.resolve(import.meta.dirname, "../..");
const FIXTURES = path.join(import.meta.dirname, "fixtures");

const INSTALL = ["--ignore-scripts", "--no-audit", "--no-fund"];

const execute = promisify(execFile);

/** A program that has not ended by then hangs. */
const MOST_SECONDS = 150;

export interface Consumer {
  folder: string;
  /** Put files of `fixtures/` into the folder. */
  add(...fixtures: string[]): Promise<void>;
  /** Write a file into the folder. */
  write(name: string, text: string): Promise<void>;
  /** Install a package there, as it is in npm's cache if it is. */
  install(name: string): Promise<void>;
  /** Run Node there; gives what it prints, rejects if it fails or does not end. */
  node(...args: string[]): Promise<string>;
  /** The same in another environment. */
  nodeWith(env: Record<string, string>, ...args: string[]): Promise<string>;
  /** Run the project's TypeScript there; rejects with its messages. */
  tsc(...args: string[]): Promise<void>;
  remove(): Promise<void>;
}

/** Pack the project as for the registry; gives the tarball's path in `folder`. */
export async function pack(folder: string): Promise<string> {
  await npm(ROOT, "pack", "--pack-destination", folder);
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error(`npm pack left nothing in ${folder}`);
  return path.join(folder, tarball);
}

/** Pack the project and install the tarball in an empty folder. */
export async function installed(): Promise<Consumer> {
  const folder = await mkdtemp(path.join(tmpdir(), "torchlet-consumer-"));
  const tarball = await pack(folder);
  const write: Consumer["write"] = (name, text) => writeFile(path.join(folder, name), text);
  await write("package.json", JSON.stringify({ name: "consumer", private: true, type: "module" }));
  await npm(folder, "install", ...INSTALL, tarball);
  await rm(tarball);
  return {
    folder,
    write,
    add: async (...fixtures) => {
      for (const name of fixtures) await cp(path.join(FIXTURES, name), path.join(folder, name));
    },
    install: async (name) => {
      await npm(folder, "install", ...INSTALL, "--prefer-offline", name);
    },
    node: (...args) => output(folder, process.execPath, args),
    nodeWith: (env, ...args) => output(folder, process.execPath, args, env),
    tsc: async (...args) => {
      const tsc = path.join(ROOT, "node_modules/typescript/bin/tsc");
      await output(folder, process.execPath, [tsc, ...args]);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The losses that the fixtures' programs print; throws unless the program came to its end. */
export function losses(printed: string): number[] {
  if (!/^trained$/m.test(printed)) throw new Error(`the program did not finish:\n${printed}`);
  return [...printed.matchAll(/^epoch \d+ loss (\S+)$/gm)].map((match) => Number(match[1]));
}

function npm(folder: string, ...args: string[]): Promise<string> {
  // Run by the same npm that runs this, if any: `npm` is a script of the shell on Windows.
  const cli = process.env.npm_execpath;
  return cli === undefined
    ? output(folder, "npm", args)
    : output(folder, process.execPath, [cli, ...args]);
}

async function output(
  folder: string,
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  try {
    const { stdout } = await execute(program, args, {
      cwd: folder,
      env: { ...process.env, ...env },
      maxBuffer: 2 ** 26,
      timeout: MOST_SECONDS * 1000,
      killSignal: "SIGKILL",
    });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(" ")} failed:\n${stdout ?? ""}${stderr ?? ""}`, {
      cause: error,
    });
  }
}
