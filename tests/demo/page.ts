/** @file The demo's page in a browser: what a user sees of it and does with it. */
import type { Browser, Page } from "playwright-core";

export interface Curve {
  points: number;
  first: number;
  last: number;
}

type Button = "Start" | "Stop" | "Go on" | "Start over" | "Save weights";

export class DemoPage {
  /** What went wrong in the page, its worker and its requests for scripts. */
  readonly errors: string[] = [];

  private constructor(readonly page: Page) {
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") this.errors.push(message.text());
    });
  }

  /** Open the page; from its start its tasks are measured that take long. */
  static async open(browser: Browser, url: string): Promise<DemoPage> {
    const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    await page.addInitScript(() => {
      const tasks: number[] = [];
      new PerformanceObserver((list) => {
        tasks.push(...list.getEntries().map((entry) => entry.duration));
      }).observe({ type: "longtask" });
      Object.assign(globalThis, { longTasks: tasks });
    });
    const demo = new DemoPage(page);
    await page.goto(url);
    await demo.isEnabled("Start");
    return demo;
  }

  /** Milliseconds of the main thread's tasks that took more than 50 since the last call. */
  longTasks(): Promise<number[]> {
    return this.page.evaluate(() =>
      (globalThis as unknown as { longTasks: number[] }).longTasks.splice(0),
    );
  }

  /** Keep the main thread busy, as the page never should. */
  async hang(milliseconds: number): Promise<void> {
    await this.page.evaluate(
      (time) =>
        new Promise<void>((resolve) => {
          setTimeout(() => {
            for (const end = performance.now() + time; performance.now() < end;);
            // The observer is told in a later turn.
            setTimeout(resolve, 200);
          });
        }),
      milliseconds,
    );
  }

  async set(field: string, value: number): Promise<void> {
    const input = this.page.getByRole("spinbutton", { name: field, exact: true });
    await input.fill(`${value}`);
    await input.blur();
  }

  choose(device: string): Promise<void> {
    return this.page.getByRole("radio", { name: device }).check();
  }

  async press(button: Button): Promise<void> {
    await this.page.getByRole("button", { name: button, exact: true }).click();
  }

  /** Wait until a button is there and can be pressed. */
  async isEnabled(button: Button): Promise<void> {
    const found = this.page.getByRole("button", { name: button, exact: true, disabled: false });
    await this.until(`the button "${button}"`, () => found.isVisible());
  }

  /** Wait until something is so; rejects with what the page says if it says that it failed. */
  async until(what: string, isSo: () => Promise<boolean>, seconds = 120): Promise<void> {
    for (const end = Date.now() + 1000 * seconds; !(await isSo());) {
      const failed = await this.page.locator("#state.error").count();
      const state = `${await this.text("state")} (${await this.text("device")})`;
      if (failed > 0) throw new Error(`waited for ${what}: ${state}`);
      if (Date.now() > end) throw new Error(`no ${what} after ${seconds} s: ${state}`);
      await this.page.waitForTimeout(100);
    }
  }

  /** What an element of the page shows. */
  async text(id: string): Promise<string> {
    return (await this.page.locator(`#${id}`).textContent()) ?? "";
  }

  /** The loss curve in the words that describe it. */
  async curve(): Promise<Curve> {
    const words = await this.page.locator("#curve").getAttribute("aria-label");
    const [, points = "0", first, last] =
      /(\d+) points, from (\S+) to (\S+)/.exec(words ?? "") ?? [];
    return { points: Number(points), first: Number(first), last: Number(last) };
  }

  /** How many pixels of the plot have the colour of the smoothed curve. */
  curvePixels(): Promise<number> {
    return this.page.locator("#curve canvas").evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      const style = getComputedStyle(document.documentElement).getPropertyValue("--curve");
      const wanted = [1, 3, 5].map((at) => parseInt(style.trim().slice(at, at + 2), 16));
      let count = 0;
      for (let i = 0; i < data.length; i += 4) {
        if (wanted.every((value, c) => data[i + c] === value) && data[i + 3] === 255) count++;
      }
      return count;
    });
  }

  /** The pixels of the filters, as numbers of red, green, blue and alpha. */
  filters(): Promise<number[]> {
    return this.page.locator("#filters").evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      return [...data];
    });
  }
}
