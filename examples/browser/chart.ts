/** @file The loss curve. */
import uPlot from "uplot";

/** Share of the smoothed loss that stays at each point. */
const SMOOTHING = 0.8;
const HEIGHT = 300;

export class LossChart {
  readonly #steps: number[] = [];
  readonly #losses: (number | null)[] = [];
  readonly #smoothed: (number | null)[] = [];
  readonly #plot: uPlot;
  readonly #parent: HTMLElement;
  #average = 0;
  #isDirty = false;

  constructor(parent: HTMLElement) {
    this.#parent = parent;
    const axis = {
      stroke: () => color("--muted"),
      grid: { stroke: () => color("--line"), width: 1 },
      ticks: { stroke: () => color("--line"), width: 1 },
      font: "12px system-ui, sans-serif",
    };
    this.#plot = new uPlot(
      {
        width: parent.clientWidth,
        height: HEIGHT,
        scales: {
          x: { time: false },
          y: { range: (_, min, max) => [Math.min(0, min), Math.max(max * 1.05, 0.1)] },
        },
        axes: [
          { ...axis, label: "Step", labelSize: 20, labelFont: axis.font },
          { ...axis, size: 48 },
        ],
        series: [
          { label: "Step" },
          {
            label: "Loss",
            stroke: () => color("--curve-faint"),
            width: 1,
            points: { show: false },
            value: (_, loss) => number(loss),
          },
          {
            label: "Smoothed",
            stroke: () => color("--curve"),
            width: 2.5,
            points: { show: false },
            value: (_, loss) => number(loss),
          },
        ],
        cursor: { drag: { x: false, y: false } },
      },
      this.#data(),
      parent,
    );
    new ResizeObserver(() => {
      this.#plot.setSize({ width: parent.clientWidth, height: HEIGHT });
    }).observe(parent);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#plot.redraw();
    });
    this.#describe();
  }

  /** Add a point; it is drawn with the page's next frame. */
  add(step: number, loss: number): void {
    this.#steps.push(step);
    this.#losses.push(finite(loss));
    this.#average = SMOOTHING * this.#average + (1 - SMOOTHING) * loss;
    // The average starts at zero, which the first points must not show.
    this.#smoothed.push(finite(this.#average / (1 - SMOOTHING ** this.#steps.length)));
    this.#drawSoon();
  }

  clear(): void {
    for (const values of [this.#steps, this.#losses, this.#smoothed]) values.length = 0;
    this.#average = 0;
    this.#drawSoon();
  }

  #data(): uPlot.AlignedData {
    return [this.#steps, this.#losses, this.#smoothed];
  }

  #drawSoon(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    requestAnimationFrame(() => {
      this.#isDirty = false;
      this.#plot.setData(this.#data());
      this.#describe();
    });
  }

  /** The curve in words, for who does not see it. */
  #describe(): void {
    const [first, last] = [this.#smoothed[0], this.#smoothed.at(-1)];
    this.#parent.setAttribute(
      "aria-label",
      first === undefined || last === undefined
        ? "Loss curve: no points yet"
        : `Loss curve: ${this.#steps.length} points, from ${number(first)} to ${number(last)}`,
    );
  }
}

/** What is no number leaves a gap in the curve. */
function finite(loss: number): number | null {
  return Number.isFinite(loss) ? loss : null;
}

function number(loss: number | null): string {
  return loss === null ? "–" : loss.toFixed(3);
}

function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}
