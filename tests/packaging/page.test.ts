import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import sirv from "sirv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasChromium, launch, printed } from "./chromium.js";
import { installed, losses, type Consumer } from "./consumer.js";

describe.skipIf(!hasChromium())("the tarball, in a plain web page", () => {
  let consumer: Consumer;
  let browser: Browser;
  beforeAll(async () => {
    consumer = await installed();
    await consumer.add("train.mjs", "page.html");
    browser = await launch();
  });
  afterAll(async () => {
    await browser.close();
    await consumer.remove();
  });

  it("trains, served by a static server", async () => {
    const server = await serve(consumer.folder);
    const values = losses(await printed(browser, `${server.url}/page.html`));
    await server.close();
    expect(values.at(-1)).toBeLessThan(0.3 * values[0]!);
  });

  it("trains, served by one that knows no WASM", async () => {
    const server = await serve(consumer.folder, "application/octet-stream");
    const values = losses(await printed(browser, `${server.url}/page.html`));
    await server.close();
    expect(values).toHaveLength(40);
  });
});

/** Serve a folder; `wasmType` is what the server takes WASM for. */
async function serve(
  folder: string,
  wasmType = "application/wasm",
): Promise<{ url: string; close: () => Promise<void> }> {
  const files = sirv(folder, {
    setHeaders: (response, name) => {
      if (name.endsWith(".wasm")) response.setHeader("Content-Type", wasmType);
    },
  });
  const server: Server = createServer((request, response) => files(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
