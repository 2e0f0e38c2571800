import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installed, losses, type Consumer } from "./consumer.js";

let consumer: Consumer;
beforeAll(async () => {
  consumer = await installed();
  await consumer.add("train.mjs", "train.ts");
});
afterAll(() => consumer.remove());

function expectLearned(printed: string): void {
  const values = losses(printed);
  expect(values).toHaveLength(40);
  expect(values.at(-1)).toBeLessThan(0.3 * values[0]!);
}

describe("the tarball, installed in an empty folder", () => {
  it("trains from an ESM script", async () => {
    expectLearned(await consumer.node("train.mjs"));
  });

  const strict = { strict: true, skipLibCheck: false, target: "es2022", types: [] };
  it.each([
    ["nodenext", { module: "nodenext" }],
    ["bundler", { module: "esnext", moduleResolution: "bundler" }],
    [
      "bundler with every library",
      { module: "esnext", moduleResolution: "bundler", lib: ["esnext", "dom"] },
    ],
  ])("trains from TypeScript, types resolved by %s", async (_, resolution) => {
    const compilerOptions = { ...strict, ...resolution, rootDir: ".", outDir: "out" };
    await consumer.write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["train.ts"] }));
    await consumer.tsc("-p", ".");
    expectLearned(await consumer.node("out/train.js"));
  });

  it("finds wrong types in a program", async () => {
    await consumer.write("wrong.ts", 'import { zeros } from "torchlet";\nzeros("three");\n');
    const options = ["--module", "nodenext", "--strict", "--noEmit"];
    await expect(consumer.tsc(...options, "wrong.ts")).rejects.toThrow(/wrong\.ts\(2,7\)/);
  });
});
