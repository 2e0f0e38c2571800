/** `npm run check`: formatting, lints and types of everything, without running any of it. */
import path from "node:path";
import { BuildError, CRATE, main, ROOT, run, type RunOptions } from "./process.js";
import { nativeCargo, wasmToolchain } from "./toolchain.js";

const failed: string[] = [];

await main(async () => {
  const cargo = nativeCargo();
  const inCrate = { cwd: CRATE };
  await check("rustfmt", cargo, ["fmt", "--check"], inCrate);
  const lints = ["--", "-D", "warnings"];
  await check("clippy", cargo, ["clippy", "--all-targets", ...lints], inCrate);
  const wasm = await wasmToolchain();
  if (wasm.clippy) {
    const args = ["clippy", "--all-targets", "--target", "wasm32-unknown-unknown", ...lints];
    await check("clippy for WASM", wasm.cargo, args, { cwd: CRATE, env: wasm.env });
  } else {
    console.log(`- clippy for WASM: left out, ${wasm.name} comes without it`);
  }
  await checkNode("tsc", "typescript/bin/tsc");
  await checkNode("eslint", "eslint/bin/eslint.js", "--max-warnings", "0", ".");
  await checkNode("prettier", "prettier/bin/prettier.cjs", "--check", "--log-level", "warn", ".");
  if (failed.length > 0) throw new BuildError(`failed: ${failed.join(", ")}`);
  console.log("all checks pass");
});

/** Run one check; a failure does not keep the next ones from being run. */
async function check(
  name: string,
  program: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<void> {
  console.log(`- ${name}`);
  try {
    await run(program, args, options);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    failed.push(name);
  }
}

async function checkNode(name: string, program: string, ...args: string[]): Promise<void> {
  await check(name, process.execPath, [path.join(ROOT, "node_modules", program), ...args]);
}
