/** @file The demo's page: it trains on either device, stops and goes on, and stays responsive. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Browser } from "playwright-core";
import { decodeSafetensors } from "torchlet/io";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WEBGPU } from "../browser/browsers.js";
import { hasChromium, launch } from "../packaging/chromium.js";
import { DemoPage } from "./page.js";

/** Milliseconds after which a page feels as if it hung; its tasks are to stay far below. */
const HANG = 1000;

describe.skipIf(!hasChromium())("the demo's page", () => {
  let cacheDir: string;
  let server: ViteDevServer;
  let browser: Browser;
  let url: string;
  beforeAll(async () => {
    cacheDir = await mkdtemp(path.join(tmpdir(), "torchlet-demo-"));
    server = await createServer({
      configFile: path.join(import.meta.dirname, "../../examples/browser/vite.config.ts"),
      cacheDir,
      logLevel: "error",
      server: { host: "127.0.0.1", port: 0 },
    });
    await server.listen();
    url = server.resolvedUrls!.local[0]!;
    browser = await launch(WEBGPU);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await rm(cacheDir, { recursive: true, force: true });
  });

  it("trains on the CPU, stops and goes on", async () => {
    const demo = await DemoPage.open(browser, url);
    await demo.choose("cpu");
    await demo.until("a description of the device", async () =>
      (await demo.text("device")).startsWith("cpu · WebAssembly"),
    );
    await demo.set("Learning rate", 0.05);
    await demo.set("Batch size", 32);
    await demo.hang(300);
    // The measure sees what it is there for.
    expect(Math.max(...(await demo.longTasks()))).toBeGreaterThanOrEqual(300);
    await demo.press("Start");
    const fallen = async (): Promise<boolean> => {
      const { points, first, last } = await demo.curve();
      return points >= 20 && last < 0.8 * first;
    };
    await demo.until("fall of the loss", fallen);
    const longest = Math.max(0, ...(await demo.longTasks()));
    console.log(`longest task of the main thread: ${Math.round(longest)} ms`);
    expect(longest).toBeLessThan(HANG);
    expect(await demo.curvePixels()).toBeGreaterThan(300);
    expect(await demo.text("speed")).toMatch(/^[1-9][\d,]*$/);

    await demo.press("Stop");
    await demo.isEnabled("Go on");
    const [stopped, filters] = [await demo.curve(), await demo.filters()];
    const opaque = filters.filter((value, i) => i % 4 === 3 && value === 255);
    expect(opaque).toHaveLength(16 * 5 * 5);
    expect(new Set(filters).size).toBeGreaterThan(50);
    await demo.page.waitForTimeout(1000);
    expect(await demo.curve()).toEqual(stopped);

    await demo.press("Go on");
    await demo.until(
      "further points",
      async () => (await demo.curve()).points >= stopped.points + 5,
    );
    expect(await demo.filters()).not.toEqual(filters);
    expect(demo.errors).toEqual([]);
    await demo.page.close();
  });

  it("tells the accuracy after an epoch, takes more epochs, saves the weights, starts over", async () => {
    const demo = await DemoPage.open(browser, url);
    await demo.choose("cpu");
    await demo.set("Learning rate", 0.05);
    await demo.set("Images an epoch", 2000);
    await demo.set("Epochs", 1);
    await demo.press("Start");
    await demo.isEnabled("Go on");
    expect(await demo.text("state")).toMatch(/^Finished/);
    // Guessing gives 10 %.
    expect(parseFloat(await demo.text("accuracy"))).toBeGreaterThan(40);
    expect(await demo.page.locator("#table tr").count()).toBe(1);

    const download = demo.page.waitForEvent("download");
    await demo.press("Save weights");
    const file = await (await download).path();
    const weights = decodeSafetensors(new Uint8Array(await readFile(file)));
    expect(weights["conv1.weight"]!.shape).toEqual([16, 1, 5, 5]);

    await demo.set("Images an epoch", 320);
    await demo.set("Epochs", 2);
    await demo.press("Go on");
    await demo.until("second epoch", async () => (await demo.text("epoch")) === "2");

    await demo.press("Start over");
    await demo.isEnabled("Start");
    expect(await demo.curve()).toMatchObject({ points: 0 });
    expect(new Set(await demo.filters())).toEqual(new Set([0]));
    expect(demo.errors).toEqual([]);
    await demo.page.close();
  });

  it("trains on WebGPU and goes on on the CPU", async () => {
    const demo = await DemoPage.open(browser, url);
    await demo.choose("webgpu");
    await demo.until("a description of the device", async () =>
      /^webgpu · .*imitated by the CPU/.test(await demo.text("device")),
    );
    await demo.set("Learning rate", 0.05);
    await demo.set("Batch size", 16);
    await demo.press("Start");
    const fallen = async (): Promise<boolean> => {
      const { points, first, last } = await demo.curve();
      return points >= 10 && last < 0.9 * first;
    };
    await demo.until("fall of the loss", fallen);
    await demo.press("Stop");
    await demo.isEnabled("Go on");
    const { points, last } = await demo.curve();

    await demo.choose("cpu");
    await demo.press("Go on");
    await demo.until("further points", async () => (await demo.curve()).points >= points + 5);
    expect(await demo.text("device")).toMatch(/^cpu · /);
    // The weights went along: the loss does not begin anew.
    expect((await demo.curve()).last).toBeLessThan(1.1 * last);
    expect(demo.errors).toEqual([]);
    await demo.page.close();
  });

  it("says why there is no WebGPU, and trains without", async () => {
    const without = await launch(["--disable-features=WebGPU", "--disable-gpu"]);
    try {
      const demo = await DemoPage.open(without, url);
      await demo.choose("webgpu");
      await demo.until("the reason", async () => /^useDevice: \S/.test(await demo.text("device")));
      expect(await demo.page.locator("#device.error").count()).toBe(1);
      await demo.press("Start");
      await demo.isEnabled("Start");
      await demo.choose("best");
      await demo.press("Start");
      await demo.until("points", async () => (await demo.curve()).points > 0);
      expect(await demo.text("device")).toMatch(/^cpu · /);
    } finally {
      await without.close();
    }
  });
});
