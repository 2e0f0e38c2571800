/** `npm run test:crate` and `test:wasm`: the crate's own tests, on this machine and in WASM. */
import { attempt, BuildError, CRATE, main, run, step } from "./process.js";
import { nativeCargo, wasmToolchain } from "./toolchain.js";
import { wasmBindgen } from "./wasm-bindgen.js";

await main(async () => {
  const what = process.argv[2];
  if (what === "test") await testNatively();
  else if (what === "test-wasm") await testInWasm();
  else throw new BuildError("usage: tsx scripts/crate.ts test | test-wasm");
});

async function testNatively(): Promise<void> {
  await step("testing the crate natively", "a minute", () =>
    run(nativeCargo(), ["test"], { cwd: CRATE }),
  );
}

async function testInWasm(): Promise<void> {
  const { cargo, env } = await wasmToolchain();
  const { testRunner } = await wasmBindgen();
  await step("testing the crate in WASM, in Node", "a minute, three the first time", async () => {
    const { ok, output } = await attempt(
      cargo,
      ["test", "--lib", "--tests", "--target", "wasm32-unknown-unknown"],
      {
        cwd: CRATE,
        env: { ...env, CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER: testRunner },
      },
    );
    console.log(output.trimEnd());
    if (!ok) throw new BuildError("the crate's tests failed in WASM");
    // The runner is content with nothing to run.
    if (!/ [1-9]\d* passed/.test(output)) throw new BuildError("no test of the crate ran in WASM");
  });
}
