/** @file Browsers: each opens a page, which reports to its server by itself. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { executable, launch } from "../packaging/chromium.js";

export interface Browser {
  name: string;
  /** Where it lies; undefined if it is not installed. */
  program: string | undefined;
  /** Open a page; gives a function that closes the browser. */
  open(url: string): Promise<() => Promise<void>>;
}

const firstThat = (places: readonly (string | undefined)[]): string | undefined =>
  places.find((place) => place !== undefined && existsSync(place));

/** WebGPU on a CPU: the adapter that Chromium has with it. */
export const WEBGPU = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
];

export const chromium: Browser = {
  name: "Chromium",
  program: executable,
  open: async (url) => {
    const browser = await launch(WEBGPU);
    const page = await browser.newPage();
    await page.goto(url);
    return () => browser.close();
  },
};

/** What a fresh profile would otherwise look up, ask or show first. */
const PREFERENCES = {
  "app.normandy.enabled": false,
  "app.update.disabledForTesting": true,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,",
  "toolkit.telemetry.reportingpolicy.firstRun": false,
};

const firefoxProgram = firstThat([
  process.env.FIREFOX_PATH,
  "/usr/bin/firefox-esr",
  "/usr/bin/firefox",
  "/Applications/Firefox.app/Contents/MacOS/firefox",
]);

export const firefox: Browser = {
  name: "Firefox",
  program: firefoxProgram,
  open: async (url) => {
    const profile = await mkdtemp(path.join(tmpdir(), "torchlet-firefox-"));
    const lines = Object.entries(PREFERENCES).map(
      ([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`,
    );
    await writeFile(path.join(profile, "user.js"), lines.join(""));
    const browser = start(firefoxProgram!, [
      "--headless",
      "--no-remote",
      "--profile",
      profile,
      url,
    ]);
    return async () => {
      await stop(browser, "SIGKILL");
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    };
  },
};

/** WebKitGTK comes with a small browser, whose folder has the architecture in its name. */
async function miniBrowser(): Promise<string | undefined> {
  const folders = existsSync("/usr/lib") ? await readdir("/usr/lib") : [];
  const found = folders.map((name) => `/usr/lib/${name}/webkit2gtk-4.1/MiniBrowser`);
  const needsDisplay = process.env.DISPLAY === undefined && !existsSync("/usr/bin/Xvfb");
  return needsDisplay ? undefined : firstThat([process.env.MINIBROWSER_PATH, ...found]);
}

const webkitProgram = await miniBrowser();

export const webkit: Browser = {
  name: "WebKit",
  program: webkitProgram,
  open: async (url) => {
    const display = process.env.DISPLAY === undefined ? await virtualDisplay() : undefined;
    const env: Record<string, string> = display ? { DISPLAY: display.name } : {};
    const browser = start(webkitProgram!, ["--private", url], env);
    return async () => {
      await stop(browser, "SIGKILL");
      if (display) await stop(display.server, "SIGTERM");
    };
  },
};

/** WebKit draws on a display, here on one that nobody sees. */
async function virtualDisplay(): Promise<{ server: ChildProcess; name: string }> {
  const args = ["-displayfd", "3", "-screen", "0", "800x600x24"];
  const server = spawn("Xvfb", args, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const name = await new Promise<string>((resolve, reject) => {
    server.on("error", reject);
    server.on("exit", (code) => reject(new Error(`Xvfb ended with ${code}`)));
    server.stdio[3]!.on("data", (number: Buffer) => resolve(`:${number.toString().trim()}`));
  });
  return { server, name };
}

function start(program: string, args: string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(program, args, { stdio: "ignore", env: { ...process.env, ...env } });
}

/** End a program and wait for it; what it has started notices. */
async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await ended;
}
