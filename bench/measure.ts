/** @file Timing: a warm-up, then samples within a budget of time. */

/** Runs once; gives milliseconds where it timed only a part of the run itself. */
export type Runner = (() => Promise<number | undefined>) & {
  /** Waits until the device has done what the runs asked for. */
  finish?: () => Promise<void>;
};

export interface Timing {
  /** Milliseconds of a run. */
  readonly median: number;
  readonly minimum: number;
}

export interface Budget {
  /** Milliseconds for all samples together. */
  readonly time: number;
  readonly samples: number;
}

async function once(run: Runner, times: number): Promise<number> {
  let partial = 0;
  let timed = false;
  const start = performance.now();
  for (let i = 0; i < times; i++) {
    const elapsed = await run();
    if (elapsed !== undefined) {
      timed = true;
      partial += elapsed;
    }
  }
  await run.finish?.();
  return (timed ? partial : performance.now() - start) / times;
}

/** Times `run`: each sample is as many runs as take about 50 ms. */
export async function measure(run: Runner, { time, samples }: Budget): Promise<Timing> {
  let single = await once(run, 1);
  if (single < time / 4) single = await once(run, 3);
  const chunk = Math.max(1, Math.round(50 / single));
  const results: number[] = [];
  const end = performance.now() + time;
  while (results.length < samples && (results.length === 0 || performance.now() < end)) {
    results.push(await once(run, chunk));
  }
  results.sort((a, b) => a - b);
  const median = results[results.length >> 1];
  const minimum = results[0];
  if (median === undefined || minimum === undefined) throw new Error("no sample was taken");
  return { median, minimum };
}
