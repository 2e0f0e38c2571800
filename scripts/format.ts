/** `npm run format`: rustfmt and prettier over everything. */
import path from "node:path";
import { CRATE, main, ROOT, run } from "./process.js";
import { nativeCargo } from "./toolchain.js";

await main(async () => {
  await run(nativeCargo(), ["fmt"], { cwd: CRATE });
  const prettier = path.join(ROOT, "node_modules/prettier/bin/prettier.cjs");
  await run(process.execPath, [prettier, "--write", "--log-level", "warn", "."]);
});
