import type { Browser } from "playwright-core";
import * as vite from "vite";
import * as vite7 from "vite-7";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasChromium, launch, printed } from "./chromium.js";
import { installed, losses, type Consumer } from "./consumer.js";

describe.skipIf(!hasChromium())("the tarball, with Vite as it comes", () => {
  let consumer: Consumer;
  let browser: Browser;
  let config: vite.InlineConfig & vite7.InlineConfig;
  beforeAll(async () => {
    consumer = await installed();
    await consumer.add("train.mjs", "index.html");
    browser = await launch();
    config = {
      root: consumer.folder,
      configFile: false,
      logLevel: "error",
      server: { host: "127.0.0.1", port: 0 },
      preview: { host: "127.0.0.1", port: 0 },
    };
  });
  afterAll(async () => {
    await browser.close();
    await consumer.remove();
  });

  // They prepare packages for development in different ways.
  it.each([
    ["8", vite.createServer],
    ["7", vite7.createServer],
  ])("trains in the development server of version %s", async (_, createServer) => {
    const server = await createServer({ ...config, optimizeDeps: { force: true } });
    await server.listen();
    const values = losses(await printed(browser, server.resolvedUrls!.local[0]!));
    await server.close();
    expect(values.at(-1)).toBeLessThan(0.3 * values[0]!);
  });

  it("trains from a build", async () => {
    await vite.build(config);
    const server = await vite.preview(config);
    const values = losses(await printed(browser, server.resolvedUrls!.local[0]!));
    await server.close();
    expect(values.at(-1)).toBeLessThan(0.3 * values[0]!);
  });
});
