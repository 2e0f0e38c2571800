/** @file The operations in browsers: on the GPU in Chromium, on the CPU in Firefox and WebKit, as in Node on the CPU. */
import { beforeAll, describe, expect, it } from "vitest";
import type { Device } from "torchlet";
import { operations, outcomes } from "../samples.js";
import { chromium, firefox, webkit, type Browser } from "./browsers.js";
import { pack, type Part, type Report } from "./report.js";
import { scripts, serve } from "./server.js";
import { train } from "./training.js";

/** How long a browser may say nothing. */
const SILENCE_SECONDS = 60;

interface Setting {
  browser: Browser;
  device: Device;
  where: "page" | "worker";
  isolated: boolean;
  /** Whether the golden cases run too, which take minutes on a GPU that a CPU imitates. */
  golden: boolean;
}

const GOLDEN = ["functional.json", "layers.json", "autograd.json", "inplace.json"];

const settings: Setting[] = [
  ...[false, true].flatMap((isolated): Setting[] => [
    { browser: chromium, device: "webgpu", where: "page", isolated, golden: false },
    { browser: chromium, device: "webgpu", where: "worker", isolated, golden: isolated },
  ]),
  { browser: firefox, device: "cpu", where: "page", isolated: false, golden: true },
  { browser: firefox, device: "cpu", where: "worker", isolated: true, golden: true },
  { browser: webkit, device: "cpu", where: "page", isolated: false, golden: true },
  { browser: webkit, device: "cpu", where: "worker", isolated: true, golden: true },
];

/** Whether a browser is here; a machine for continuous integration has to have all of them. */
function has({ name, program }: Browser): boolean {
  if (program !== undefined) return true;
  if (process.env.CI) throw new Error(`no ${name} found: .ci/packages installs it`);
  console.warn(`tests in ${name} are left out: it is not installed`);
  return false;
}

const files = new Map<string, string>();
let losses: number[];
beforeAll(async () => {
  for (const [name, text] of await scripts()) files.set(name, text);
  const expected: Record<string, Awaited<ReturnType<typeof outcomes>>> = {};
  for (const name of operations) expected[name] = await outcomes(name, "cpu");
  files.set("/samples.json", pack(expected));
  losses = await train();
});

/** Everything that a browser reports; rejects if it falls silent. */
async function reports({ browser, device, where, isolated, golden }: Setting): Promise<Report[]> {
  const got: Report[] = [];
  let close: (() => Promise<void>) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let finish: (error?: Error) => void;
  const finished = new Promise<void>((resolve, reject) => {
    finish = (error) => (error ? reject(error) : resolve());
  });
  const listen = (): void => {
    clearTimeout(timer);
    const last = JSON.stringify(got.at(-1) ?? "nothing").slice(0, 200);
    timer = setTimeout(
      () => finish(new Error(`${browser.name} is silent; the last report was ${last}`)),
      SILENCE_SECONDS * 1000,
    );
  };
  const site = await serve(files, isolated, (report) => {
    got.push(report);
    listen();
    if ("end" in report) finish(report.end === "done" ? undefined : new Error(report.end));
  });
  try {
    listen();
    const worker = where === "worker" ? "&worker" : "";
    const cases = golden ? "&golden" : "";
    close = await browser.open(`${site.url}?device=${device}${worker}${cases}`);
    await finished;
  } finally {
    clearTimeout(timer);
    await close?.();
    await site.close();
  }
  return got;
}

type Keys<T> = T extends unknown ? keyof T : never;
const isPart = (report: Report): report is Part => "part" in report;

describe.each(settings)("$browser.name, $where, isolated: $isolated, on $device", (setting) => {
  const { browser, device, where, isolated, golden } = setting;
  describe.skipIf(!has(browser))("as in Node", () => {
    let got: Report[] = [];
    let failure: unknown;
    /** The report of a kind. */
    function find<K extends Keys<Report>>(kind: K): Extract<Report, Record<K, unknown>> {
      type Found = Extract<Report, Record<K, unknown>>;
      const found = got.find((report): report is Found => kind in report);
      return found ?? expect.fail(`no report of "${kind}"`);
    }
    beforeAll(async () => {
      got = await reports(setting).catch((error: unknown) => {
        failure = error;
        return [];
      });
    });

    it("comes to its end", () => {
      expect(failure).toBeUndefined();
      expect(got.at(-1)).toEqual({ end: "done" });
    });

    it("runs where it should", () => {
      const { start } = find("start");
      expect(start).toMatchObject({ isolated, page: where === "page" });
    });

    it("has a GPU, or an error that says why not, and the CPU as the best device", () => {
      const { gpu } = find("gpu");
      if (device === "webgpu") expect(gpu).toBe("up");
      else expect(gpu).toMatch(/^up$|^DeviceError: useDevice: \S/);
      // Chromium's is one that a CPU imitates.
      if (device === "webgpu" || gpu !== "up") expect(find("start").start.bestDevice).toBe("cpu");
    });

    it.each([...operations, ...(golden ? GOLDEN : []), "training"])("%s", (name) => {
      const part = got.filter(isPart).find((report) => report.part === name);
      expect(part, "no report").toBeDefined();
      expect(part!.wrong).toEqual([]);
    });

    it("trains with the same losses", async () => {
      const tolerance = device === "cpu" ? { rtol: 1e-5, atol: 0 } : { rtol: 1e-3, atol: 1e-5 };
      await expect(find("losses").losses).toBeAllclose(losses, tolerance);
    });
  });
});
