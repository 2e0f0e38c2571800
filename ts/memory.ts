/** @file Who owns a handle: finalizers, scopes, and the pacing of garbage collections. */
import { ArgumentError } from "./errors.js";
import { collectGarbage, nextTurn } from "./host/node.js";
import { raw } from "./raw.js";

/** What a scope needs to know about a tensor. */
export interface Disposable {
  dispose(): void;
}

const MIB = 2 ** 20;
/** Garbage that may pile up, at least, before a collection is asked for. */
const MIN_GARBAGE = 128 * MIB;
/** What a tensor weighs beside its elements, so that a flood of scalars counts as well. */
const HANDLE_BYTES = 512;
/**
 * What a tensor counts for at least, up to `SMALL_FACTOR` times its elements.
 *
 * Of small tensors an engine lets some thousands pile up and then collects by itself, at a height that
 * rises for thousands of steps. This brings a collection before that, so that a loop with small batches
 * is soon steady too. Scalars stay the engine's: a collection costs more than what they take.
 */
const SMALL_BYTES = 64 * 2 ** 10;
const SMALL_FACTOR = 8;
/** How far above its aim the limit for garbage starts. */
const EASE = 1.125;
/** After so many milliseconds of work a page, a progress bar or a timer gets its turn. */
const TURN_EVERY = 50;

const registry = new FinalizationRegistry<number>((handle) => raw.free(handle));
const scopes: Set<Disposable>[] = [];

/** Free `handle` when `owner` is collected. */
export function own(owner: Disposable, handle: number): void {
  registry.register(owner, handle, owner);
  scopes.at(-1)?.add(owner);
}

/** Free the handle of `owner` now. */
export function disown(owner: Disposable, handle: number): void {
  registry.unregister(owner);
  for (const scope of scopes) scope.delete(owner);
  raw.free(handle);
}

/** Let `owner` outlive the scopes that are open. */
export function keep<T extends Disposable>(owner: T): T {
  for (const scope of scopes) scope.delete(owner);
  return owner;
}

/** Call `f` for every member of `among` that `value` holds, looking into arrays, maps, sets and objects. */
function visit(value: unknown, among: Set<Disposable>, f: (found: Disposable) => void): void {
  const seen = new Set<unknown>();
  const walk = (x: unknown): void => {
    if (x === null || (typeof x !== "object" && typeof x !== "function") || seen.has(x)) return;
    seen.add(x);
    if (among.has(x as Disposable)) return f(x as Disposable);
    if (ArrayBuffer.isView(x)) return;
    if (x instanceof Map) for (const entry of x) entry.forEach(walk);
    else if (x instanceof Set) x.forEach(walk);
    else Object.values(x).forEach(walk);
  };
  walk(value);
}

/**
 * Run `f` and free every tensor that was made in it, but those that it returns.
 *
 * Tensors are found in what `f` returns also inside arrays, maps, sets and objects. Parameters, buffers
 * of modules, gradients and the state of optimizers are not touched. `f` must not be asynchronous:
 * while it waited, other code would make its tensors in this scope.
 */
export function scope<T>(f: () => T): T {
  const mine = new Set<Disposable>();
  scopes.push(mine);
  let result: T;
  try {
    result = f();
    if (result instanceof Promise) {
      throw new ArgumentError(
        "scope: the function must not be async; read results after the scope",
      );
    }
    visit(result, mine, (kept) => mine.delete(kept) && scopes.at(-2)?.add(kept));
  } finally {
    scopes.pop();
    // A tensor leaves the list as it is disposed of, so go over a copy.
    for (const tensor of [...mine]) tensor.dispose();
  }
  return result;
}

/** What the tensors of this program take; sizes in bytes. */
export interface MemoryStats {
  /** Bytes of all living tensors; views share theirs. */
  liveBytes: number;
  /** The largest `liveBytes` so far, or since `resetPeakMemory()`. */
  peakBytes: number;
  /** Number of separate pieces of memory. */
  storages: number;
  /** Number of tensors that the program (or the garbage collector) still holds. */
  tensors: number;
  /** Size of the WASM memory, which can grow but never shrinks. */
  wasmBytes: number;
  /** Bytes of living tensors on the GPU; not part of `liveBytes`. */
  gpuLiveBytes: number;
  /** The largest `gpuLiveBytes` so far, or since `resetPeakMemory()`. */
  gpuPeakBytes: number;
  /** Bytes of buffers of the GPU that wait to be used again. */
  gpuPooledBytes: number;
}

/** Tell what the tensors of this program take. */
export function memoryStats(): MemoryStats {
  const [liveBytes = 0, peakBytes = 0, storages = 0, tensors = 0, wasmBytes = 0] =
    raw.memoryStats();
  const [gpuLiveBytes = 0, gpuPeakBytes = 0, gpuPooledBytes = 0] = raw.gpuMemoryStats();
  return {
    liveBytes,
    peakBytes,
    storages,
    tensors,
    wasmBytes,
    gpuLiveBytes,
    gpuPeakBytes,
    gpuPooledBytes,
  };
}

/** Start to look for new peaks in `memoryStats()`. */
export function resetPeakMemory(): void {
  raw.resetPeakMemory();
}

// A garbage collector does not know what a handle weighs. So collections are asked for here, paced as
// Go paces its own: when the living bytes have doubled since the last one (and grown by 128 MiB).
let floor = 0;
let aim = MIN_GARBAGE;
let limit = EASE * aim;
let lastTurn = performance.now();
let collecting: Promise<void> | undefined;

function weight(): number {
  const { liveBytes, gpuLiveBytes, tensors } = memoryStats();
  const elements = liveBytes + gpuLiveBytes;
  const small = Math.min(SMALL_BYTES * tensors, SMALL_FACTOR * elements);
  return elements + HANDLE_BYTES * tensors + small;
}

async function collect(handedOut: number): Promise<void> {
  await collectGarbage(handedOut);
  floor = weight();
  const next = floor + Math.max(MIN_GARBAGE, floor);
  // The aim stays where it is while it does its work, so that a loop in a steady state peaks at the same
  // height however the leftovers of single collections differ. They still shift the step in which the
  // height is passed, and how much of it each size has. So the limit comes down to the aim from above,
  // and what the first rounds took is enough for all later ones.
  if (next > 1.25 * aim || next < 0.75 * aim) {
    aim = next;
    limit = EASE * aim;
  } else {
    limit = aim + 0.9 * (limit - aim);
  }
  lastTurn = performance.now();
}

/**
 * Let the event loop turn and memory be freed, where the program can wait.
 *
 * Every awaited read and every batch of a loader comes here. Mostly it returns at once.
 */
export async function breathe(): Promise<void> {
  const now = weight();
  if (now > limit) {
    collecting ??= collect(now - floor).finally(() => (collecting = undefined));
    await collecting;
  } else if (performance.now() - lastTurn > TURN_EVERY) {
    await nextTurn();
    lastTurn = performance.now();
  }
}
