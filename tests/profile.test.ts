/** @file The profiler and `warmup()` on both devices. */
import { describe, expect, test } from "vitest";
import { functional as F, getRngState, nn, profile, warmup } from "torchlet";
import { raw } from "./core.js";
import { device } from "./device.js";
import { ones, randn } from "./on-device.js";

const net = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(1, 4, 3),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Dropout(0.5),
    new nn.Linear(4 * 6 * 6, 10),
  ).to(device);

describe("profile", () => {
  test("tells which operations ran, and gives back what the function gave", async () => {
    const model = net();
    const { value, events, ...found } = await profile(() => {
      const loss = model(ones(2, 1, 8, 8)).sum();
      loss.backward();
      return loss;
    });
    expect(value.shape).toEqual([]);
    const names = events.map((event) => event.name).join(", ");
    for (const name of ["conv2d", "relu", "linear", "sum"]) expect(names).toContain(name);
    expect(events.every((event) => event.device === device)).toBe(true);
    if (device === "cpu") expect(found.gpu).toBeUndefined();
    else {
      expect(found.gpu!.dispatches).toBe(events.length);
      expect(found.gpu!.submits).toBeGreaterThan(0);
      expect(found.gpu!.bytesUploaded).toBeGreaterThan(2 * 64 * 4);
    }
  });

  test("prints a row for each name, and a trace that Chrome reads", async () => {
    const x = ones(3);
    const found = await profile(() => x.exp().sin().exp());
    const rows = found.rows();
    expect(rows.reduce((count, row) => count + row.count, 0)).toBe(found.events.length);
    const [head, ...lines] = found.table().split("\n");
    expect(head).toMatch(/^operation +device +count +total ms +mean ms +%$/);
    expect(lines[0]).toContain(device);
    const trace = JSON.parse(found.toChromeTrace()) as { traceEvents: Record<string, unknown>[] };
    const complete = trace.traceEvents.filter((event) => event.ph === "X");
    expect(complete).toHaveLength(found.events.length);
    for (const event of complete) {
      expect(event.ts).toBeGreaterThanOrEqual(0);
      expect(event.dur).toBeGreaterThanOrEqual(0);
    }
  });

  test("ends where the function throws", async () => {
    const wrong = (): never => {
      throw new RangeError("stop");
    };
    await expect(profile(wrong)).rejects.toThrow("stop");
    expect((await profile(() => ones(2).exp())).events.length).toBeGreaterThan(0);
  });
});

describe("warmup", () => {
  test("compiles what a step runs, and leaves no trace", async () => {
    const model = net();
    const [weight] = model.parameters();
    const before = await weight!.tolist();
    const stream = getRngState();
    await warmup(model, [2, 1, 8, 8]);
    expect(getRngState()).toEqual(stream);
    expect(model.parameters().every((parameter) => parameter.grad === null)).toBe(true);
    expect(await weight!.tolist()).toEqual(before);
    const compiled = raw.gpuCounts()[3]!;
    model(randn(2, 1, 8, 8))
      .sum()
      .backward();
    raw.flushGpu();
    expect(raw.gpuCounts()[3]).toBe(compiled);
  });

  test("keeps gradients that are there", async () => {
    const model = net();
    F.relu(model(ones(2, 1, 8, 8)))
      .sum()
      .backward();
    const gradients = model.parameters().map((parameter) => parameter.grad);
    await warmup(model, [2, 1, 8, 8], { backward: false });
    const same = model.parameters().every((parameter, i) => parameter.grad === gradients[i]);
    expect(same).toBe(true);
  });
});
