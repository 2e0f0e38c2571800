/** A Chromium to try pages in: the system's own, driven by playwright-core. */
import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

const PLACES = [
  process.env.CHROMIUM_PATH,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Where it lies; undefined if there is none. */
export const executable = PLACES.find((place) => place !== undefined && existsSync(place));

/** Whether tests in a browser can be run; a machine for continuous integration has to have one. */
export function hasChromium(): boolean {
  if (executable !== undefined) return true;
  const message = "no Chromium found: install it, or name its program in CHROMIUM_PATH";
  if (process.env.CI) throw new Error(message);
  console.warn(`tests in the browser are left out: ${message}`);
  return false;
}

/** Start a browser, with further arguments. */
export function launch(further: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: executable,
    args: [
      ...further,
      ...["--no-sandbox", "--no-first-run", "--disable-quic"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ],
  });
}

/**
 * Open a page and gather what it prints, until it prints "trained"; reject at its first error.
 *
 * @param seconds - how long the page may take
 */
export async function printed(browser: Browser, url: string, seconds = 60): Promise<string> {
  const page = await browser.newPage();
  const lines: string[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (reason: string): void => reject(new Error([...lines, reason].join("\n")));
      const timer = setTimeout(() => fail(`no end after ${seconds} s`), seconds * 1000);
      page.on("pageerror", (error) => fail(String(error)));
      page.on("console", (message) => {
        lines.push(message.text());
        if (message.type() === "error") fail("the page printed an error");
        if (message.text() === "trained") {
          clearTimeout(timer);
          resolve();
        }
      });
      page.goto(url).catch((error: unknown) => fail(String(error)));
    });
  } finally {
    await page.close();
  }
  return lines.join("\n");
}
