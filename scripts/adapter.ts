/** Finds a WebGPU adapter for tests and benchmarks in Node: a GPU, or a CPU that imitates one. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { attempt, BuildError, ROOT, type Environment } from "./process.js";

export interface Adapter {
  /** As it calls itself. */
  name: string;
  /** The environment in which Vulkan's loader finds it. */
  env: Environment;
}

/** Where distributions put the descriptions of lavapipe and of SwiftShader. */
const DRIVERS: [folder: string, name: RegExp][] = [
  ["/usr/share/vulkan/icd.d", /^lvp_icd.*\.json$/],
  ["/etc/vulkan/icd.d", /^lvp_icd.*\.json$/],
  ["/usr/lib/chromium", /^vk_swiftshader_icd\.json$/],
  ["/usr/lib/chromium-browser", /^vk_swiftshader_icd\.json$/],
  ["/opt/google/chrome", /^vk_swiftshader_icd\.json$/],
];

/** Asks npm's `webgpu` for an adapter and prints what it calls itself. */
const PROBE = `
  import { create } from "webgpu";
  const adapter = await create([]).requestAdapter();
  const { vendor, architecture, device, description } = adapter?.info ?? {};
  if (adapter) console.log([...new Set([vendor, architecture, device, description])].filter(Boolean).join(", "));
`;

/** What to do about it, where there is none. */
export const HOW_TO_GET_ONE =
  process.platform === "linux"
    ? "install a Vulkan driver; without a GPU: apt-get install mesa-vulkan-drivers (newer than Mesa 22), " +
      "or libvulkan1 and chromium"
    : "it needs a GPU with a current driver";

/**
 * Find an adapter: what the machine has by itself, or else a driver for its CPU that Vulkan has to be told about.
 *
 * Each is tried in a process of its own, which a broken driver may take with it.
 */
export async function findAdapter(): Promise<Adapter | undefined> {
  for (const env of candidates()) {
    const { ok, stdout } = await attempt(
      process.execPath,
      ["--input-type=module", "--eval", PROBE],
      { cwd: ROOT, env, timeout: 60 },
    );
    const name = stdout.trim();
    if (ok && name !== "") return { name, env };
  }
  return undefined;
}

function candidates(): Environment[] {
  // Who names a driver wants that one.
  const isChosen = process.env.VK_ICD_FILENAMES ?? process.env.VK_DRIVER_FILES;
  if (isChosen !== undefined || process.platform !== "linux") return [{}];
  return [{}, ...software().map((file) => ({ VK_ICD_FILENAMES: file }))];
}

function software(): string[] {
  return DRIVERS.flatMap(([folder, name]) =>
    (existsSync(folder) ? readdirSync(folder) : [])
      .filter((file) => name.test(file))
      .map((file) => path.join(folder, file)),
  );
}

/** Choose an adapter for this process and those that it starts; undefined if there is none. */
export async function useAdapter(): Promise<string | undefined> {
  const found = await findAdapter();
  if (found !== undefined) Object.assign(process.env, found.env);
  else if (process.env.CI) throw new BuildError(`no WebGPU adapter found: ${HOW_TO_GET_ONE}`);
  return found?.name;
}
