/** Keeps two builds of one working tree apart. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CACHE } from "./process.js";

/** Do `work` while no other process that asks for the same lock does its own. */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const file = path.join(CACHE, `${name}.lock`);
  mkdirSync(CACHE, { recursive: true });
  let waited = false;
  while (!take(file)) {
    if (!waited) console.log("- waiting for another build of this folder to end");
    waited = true;
    await sleep(200);
  }
  const release = (): void => rmSync(file, { force: true });
  const stop = (): never => {
    release();
    process.exit(130);
  };
  process.once("SIGINT", stop);
  try {
    return await work();
  } finally {
    process.off("SIGINT", stop);
    release();
  }
}

function take(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  // A build that was killed left its lock behind.
  const owner = readOwner(file);
  if (owner !== undefined && !isAlive(owner)) rmSync(file, { force: true });
  return false;
}

/** The process that holds a lock; undefined while it is being written or was just released. */
function readOwner(file: string): number | undefined {
  try {
    return Number(readFileSync(file, "utf8")) || undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
