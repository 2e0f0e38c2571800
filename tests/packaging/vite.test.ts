import type { Browser } from "playwright-core";
import { build, createServer, preview, type InlineConfig } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasChromium, launch, printed } from "./chromium.js";
import { installed, losses, type Consumer } from "./consumer.js";

describe.skipIf(!hasChromium())("the tarball, with Vite as it comes", () => {
  let consumer: Consumer;
  let browser: Browser;
  let config: InlineConfig;
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

  it("trains in the development server", async () => {
    const server = await createServer(config);
    await server.listen();
    const values = losses(await printed(browser, server.resolvedUrls!.local[0]!));
    await server.close();
    expect(values.at(-1)).toBeLessThan(0.3 * values[0]!);
  });

  it("trains from a build", async () => {
    await build(config);
    const server = await preview(config);
    const values = losses(await printed(browser, server.resolvedUrls!.local[0]!));
    await server.close();
    expect(values.at(-1)).toBeLessThan(0.3 * values[0]!);
  });
});
