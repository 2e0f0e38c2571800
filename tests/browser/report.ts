/** @file What a browser and the test that opened it tell each other. */
import type { Outcome } from "../samples.js";

/** Where the suite runs. */
export interface Start {
  start: { isolated: boolean; page: boolean; bestDevice: string };
}
/** The suite is in the middle of a long part. */
export interface Progress {
  at: string;
}
/** What was wrong with one part of the suite; nothing, if it passed. */
export interface Part {
  part: string;
  wrong: string[];
}
/** The losses of the training run. */
export interface Trained {
  losses: number[];
}
/** What `useDevice("webgpu")` came to: `up`, or its error. */
export interface Gpu {
  gpu: string;
}
/** The suite came to its end, or something went wrong outside of its parts. */
export interface End {
  /** `done`, or what went wrong. */
  end: string;
}

export type Report = Start | Progress | Part | Trained | Gpu | End;

/** Tell the server. */
export async function report(what: Report): Promise<void> {
  await fetch("/report", { method: "POST", body: JSON.stringify(what) });
}

/** Tell the server about errors that nothing catches. */
export function reportErrors(): void {
  addEventListener("error", ({ message }) => void report({ end: message || "a script failed" }));
  addEventListener("unhandledrejection", ({ reason }) => void report({ end: String(reason) }));
}

/** Outcomes of every operation as text; JSON has no infinities and no NaN. */
export function pack(outcomes: Record<string, Outcome[]>): string {
  return JSON.stringify(outcomes, (_, value: unknown) =>
    value instanceof Float64Array ? { numbers: value.join(" ") } : value,
  );
}

/** The other way round. */
export function unpack(text: string): Record<string, Outcome[]> {
  const isPacked = (value: unknown): value is { numbers: string } =>
    typeof value === "object" && value !== null && "numbers" in value;
  return JSON.parse(text, (_, value: unknown) => {
    if (!isPacked(value)) return value;
    return value.numbers === "" ? [] : value.numbers.split(" ").map(Number);
  }) as Record<string, Outcome[]>;
}
