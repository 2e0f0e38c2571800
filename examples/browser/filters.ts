/** @file Pictures of the first layer's filters. */
import type { Progress } from "./messages.js";

const COLUMNS = 8;
/** Colours of the most negative weight, of zero and of the most positive one: red, green, blue. */
const NEGATIVE = [33, 102, 172];
const ZERO = [247, 247, 247];
const POSITIVE = [202, 80, 20];

/** Draw one pixel a weight, with a gap of one between filters; the page's style makes them large. */
export function drawFilters(
  canvas: HTMLCanvasElement,
  { count, size, weights }: Progress["filters"],
): void {
  const tile = size + 1;
  const width = COLUMNS * tile - 1;
  const height = Math.ceil(count / COLUMNS) * tile - 1;
  const largest = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 1e-12);
  const picture = new ImageData(width, height);
  weights.forEach((weight, i) => {
    const filter = Math.floor(i / size ** 2);
    const x = (filter % COLUMNS) * tile + (i % size);
    const y = Math.floor(filter / COLUMNS) * tile + (Math.floor(i / size) % size);
    const end = weight < 0 ? NEGATIVE : POSITIVE;
    const share = Math.abs(weight) / largest;
    const rgb = ZERO.map((zero, c) => zero + share * (end[c]! - zero));
    picture.data.set([...rgb, 255], 4 * (y * width + x));
  });
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d")!.putImageData(picture, 0, 0);
}
