/** @file The profiler: which operations a piece of a program runs, and how long each takes. */
import { raw } from "./raw.js";

/** One operation on the CPU, or one dispatch on the GPU. */
export interface ProfileEvent {
  /** The operation; on the GPU with the kernel's name behind it where there are several. */
  name: string;
  device: "cpu" | "webgpu";
  /** Milliseconds since the first event of the device; NaN where the adapter has no timestamps. */
  start: number;
  /** Milliseconds; NaN where the adapter has no timestamps. */
  duration: number;
  /** Workgroups of the dispatch; 0 on the CPU. */
  workgroups: number;
}

/** What the GPU was asked for while the profile was taken. */
export interface GpuCounts {
  dispatches: number;
  passes: number;
  submits: number;
  pipelinesCompiled: number;
  bindGroupsCreated: number;
  buffersCreated: number;
  buffersDestroyed: number;
  writes: number;
  bytesUploaded: number;
  reads: number;
  bytesRead: number;
  /** The most bytes that tensors took at one time. */
  peakBytes: number;
}

const COUNTS = [
  "dispatches",
  "passes",
  "submits",
  "pipelinesCompiled",
  "bindGroupsCreated",
  "buffersCreated",
  "buffersDestroyed",
  "writes",
  "bytesUploaded",
  "reads",
  "bytesRead",
] as const satisfies (keyof GpuCounts)[];

/** A row of the profile's table: all events of one name. */
export interface ProfileRow {
  name: string;
  device: "cpu" | "webgpu";
  count: number;
  /** Milliseconds of all of them. */
  total: number;
}

/** What `profile()` found. */
export class Profile<T = unknown> {
  /** What the profiled function gave. */
  readonly value: T;
  /** Milliseconds from the call to the last result of the GPU. */
  readonly wall: number;
  /** In the order in which they ran. */
  readonly events: readonly ProfileEvent[];
  /** Undefined where no GPU is up. While a profile is taken each dispatch is a pass of its own. */
  readonly gpu: Readonly<GpuCounts> | undefined;

  constructor(value: T, wall: number, events: ProfileEvent[], gpu: GpuCounts | undefined) {
    this.value = value;
    this.wall = wall;
    this.events = events;
    this.gpu = gpu;
  }

  /** Events by name, the costliest first. */
  rows(): ProfileRow[] {
    const rows = new Map<string, ProfileRow>();
    for (const { name, device, duration } of this.events) {
      const key = `${device} ${name}`;
      const row = rows.get(key) ?? { name, device, count: 0, total: 0 };
      row.count++;
      row.total += duration;
      rows.set(key, row);
    }
    const weight = (row: ProfileRow): number => (Number.isNaN(row.total) ? 0 : row.total);
    return [...rows.values()].sort((a, b) => weight(b) - weight(a) || b.count - a.count);
  }

  /** The rows as text for a terminal. */
  table(): string {
    const rows = this.rows();
    const sum = rows.reduce((total, row) => total + row.total, 0);
    const ms = (value: number): string => (Number.isNaN(value) ? "-" : value.toFixed(3));
    const cells = [
      ["operation", "device", "count", "total ms", "mean ms", "%"],
      ...rows.map(({ name, device, count, total }) => [
        name,
        device,
        String(count),
        ms(total),
        ms(total / count),
        Number.isNaN(total) ? "-" : ((100 * total) / sum).toFixed(1),
      ]),
    ];
    const widths = cells[0]!.map((_, column) =>
      Math.max(...cells.map((row) => row[column]!.length)),
    );
    const lines = cells.map((row) =>
      row
        .map((cell, column) =>
          column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
        )
        .join("  "),
    );
    const counts = Object.entries((this.gpu ?? {}) as Record<string, number>);
    const summary = counts.map(([name, count]) => `${name} ${count}`);
    return [...lines, `wall ${this.wall.toFixed(3)} ms`, ...summary].join("\n");
  }

  /** The events for Chrome's trace viewer (chrome://tracing) or https://ui.perfetto.dev: write it to a `.json` file. */
  toChromeTrace(): string {
    const threads = { cpu: 1, webgpu: 2 };
    const names = Object.entries(threads).map(([name, tid]) => ({
      name: "thread_name",
      ph: "M",
      pid: 1,
      tid,
      args: { name },
    }));
    // Without timestamps: in order, a microsecond each.
    const known = (value: number, otherwise: number): number =>
      Number.isNaN(value) ? otherwise : 1000 * value;
    const events = this.events.map(({ name, device, start, duration, workgroups }, i) => ({
      name,
      ph: "X",
      pid: 1,
      tid: threads[device],
      ts: known(start, i),
      dur: known(duration, 1),
      args: device === "webgpu" ? { workgroups } : {},
    }));
    return JSON.stringify({ traceEvents: [...names, ...events], displayTimeUnit: "ms" });
  }
}

function counts(): number[] {
  return Array.from(raw.gpuCounts());
}

/**
 * Run a function and find out which operations it ran on which device, and how long each took.
 *
 * It waits until the GPU is done. Times on the GPU need an adapter with timestamps.
 */
export async function profile<T>(f: () => T | Promise<T>): Promise<Profile<T>> {
  const gpu = raw.gpuIsUp();
  const before = counts();
  if (gpu) {
    raw.flushGpu();
    raw.resetPeakMemory();
    raw.startGpuProfile();
  }
  raw.startProfile();
  const start = performance.now();
  let value: T;
  let cpuEvents: [string, number, number][] = [];
  let gpuEvents: [string, number, number, number][] = [];
  try {
    value = await f();
  } finally {
    cpuEvents = raw.stopProfile();
    if (gpu) gpuEvents = await raw.stopGpuProfile();
  }
  const wall = performance.now() - start;
  const first = cpuEvents[0]?.[1] ?? 0;
  const events: ProfileEvent[] = [
    ...cpuEvents.map(([name, at, duration]) => ({
      name,
      device: "cpu" as const,
      start: at - first,
      duration,
      workgroups: 0,
    })),
    ...gpuEvents.map(([name, workgroups, at, duration]) => ({
      name,
      device: "webgpu" as const,
      start: at,
      duration,
      workgroups,
    })),
  ];
  if (!gpu) return new Profile(value, wall, events, undefined);
  const after = counts();
  const difference = Object.fromEntries(COUNTS.map((name, i) => [name, after[i]! - before[i]!]));
  const peakBytes = raw.gpuMemoryStats()[1]!;
  return new Profile(value, wall, events, { ...difference, peakBytes } as GpuCounts);
}
