import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filesBelow } from "../../scripts/fingerprint.js";
import { installed, type Consumer } from "./consumer.js";

const ROOT = path.resolve(import.meta.dirname, "../..");

let consumer: Consumer;
let root: string;
/** The package's files, by their path in it. */
let files: string[];
beforeAll(async () => {
  consumer = await installed();
  root = path.join(consumer.folder, "node_modules/torchlet");
  files = filesBelow(root).map((file) => path.relative(root, file).replaceAll("\\", "/"));
});
afterAll(() => consumer.remove());

describe("the tarball", () => {
  it("holds what a user needs", () => {
    expect(files).toEqual(expect.arrayContaining(["LICENSE", "README.md", "package.json"]));
    expect(files.filter((file) => file.endsWith(".wasm"))).toEqual(["dist/torchlet.wasm"]);
  });

  it("holds nothing else", () => {
    const strangers = files.filter(
      (file) =>
        !/^(LICENSE|README\.md|package\.json)$/.test(file) &&
        !/^dist\/(torchlet\.wasm|core\.js|(node|browser)\/.*\.js|types\/.*\.d\.ts)$/.test(file),
    );
    expect(strangers).toEqual([]);
  });

  it("has every file that `exports` promises", async () => {
    interface Manifest {
      exports: Record<string, string | Record<string, string>>;
    }
    const manifest = JSON.parse(
      await readFile(path.join(root, "package.json"), "utf8"),
    ) as Manifest;
    const promised = Object.values(manifest.exports).flatMap((target) =>
      typeof target === "string" ? [target] : Object.values(target),
    );
    expect(files).toEqual(expect.arrayContaining(promised.map((file) => file.slice(2))));
  });

  it("names the WASM once, where bundlers look for it", async () => {
    const scripts = files.filter((file) => file.endsWith(".js"));
    const texts = await Promise.all(scripts.map((file) => readFile(path.join(root, file), "utf8")));
    const names = texts.flatMap((text) => text.match(/new URL\([^)]*\.wasm[^)]*\)/g) ?? []);
    expect(names).toEqual(['new URL("torchlet.wasm", import.meta.url)']);
  });

  it("keeps Node's modules out of the bundle for browsers", async () => {
    for (const file of files.filter((name) => name.startsWith("dist/browser/"))) {
      expect(await readFile(path.join(root, file), "utf8")).not.toMatch(/["']node:/);
    }
  });

  it("tells nothing of the machine it was built on", async () => {
    const cargoHome = process.env.CARGO_HOME ?? path.join(homedir(), ".cargo");
    for (const file of files) {
      const text = await readFile(path.join(root, file), "latin1");
      for (const place of [ROOT, cargoHome, "/usr/lib/rustlib"]) {
        expect(text.includes(place), `${file} names ${place}`).toBe(false);
      }
    }
  });

  it("stays small", async () => {
    const sizes = await Promise.all(files.map((file) => stat(path.join(root, file))));
    const bytes = sizes.reduce((sum, { size }) => sum + size, 0);
    expect(bytes).toBeLessThan(3e6);
  });
});
