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

  /** Compile a file with the given way to find its types, and declarations checked as well. */
  async function compile(file: string, resolution: object): Promise<void> {
    const strict = { strict: true, skipLibCheck: false, target: "es2022", types: [] };
    const compilerOptions = { ...strict, ...resolution, rootDir: ".", outDir: "out" };
    await consumer.write("tsconfig.json", JSON.stringify({ compilerOptions, files: [file] }));
    await consumer.tsc("-p", ".");
  }

  const bundler = { module: "esnext", moduleResolution: "bundler" };
  it.each([
    ["nodenext", { module: "nodenext" }],
    ["bundler", bundler],
    ["bundler with every library", { ...bundler, lib: ["esnext", "dom"] }],
  ])("trains from TypeScript, types resolved by %s", async (_, resolution) => {
    await compile("train.ts", resolution);
    expectLearned(await consumer.node("out/train.js"));
  });

  it("finds wrong types in a program", async () => {
    await consumer.write("wrong.ts", 'import { zeros } from "torchlet";\nzeros("three");\n');
    await expect(compile("wrong.ts", bundler)).rejects.toThrow(/wrong\.ts\(2,7\)/);
  });
});
