import type { Raw } from "../raw-types.js";

/** What differs between the platforms that Torchlet runs on: each has a file with these exports. */
export interface Host {
  /** Load, compile and instantiate the core; give what it exports. */
  loadCore(): Promise<Raw>;

  /**
   * Get the garbage collector to run, and let it report what it freed.
   *
   * @param handedOut - bytes of the core's memory that objects hold which may be garbage
   */
  collectGarbage(handedOut: number): Promise<void>;

  /**
   * Put a `GPU` object where the core looks for one, `navigator.gpu`, until `close()`.
   *
   * @param gpu - the object to take; default: the platform's own
   * @returns why there is none, if there is none
   */
  openGpu(gpu?: object): Promise<{ close(): void } | string>;

  /** Let the event loop turn once. */
  nextTurn(): Promise<void>;

  /** Read a whole file by its path or URL; rejects with the platform's own error. */
  readFile(source: string | URL): Promise<Uint8Array<ArrayBuffer>>;

  /** Whether there is a file with this path or URL; a server's page in its place does not count. */
  fileExists(path: string): Promise<boolean>;

  /**
   * Write a whole file: afterwards it holds all of `bytes`, or what it held before.
   *
   * A page offers the bytes as a download; a worker has no way to and rejects.
   */
  writeFile(path: string, bytes: Uint8Array): Promise<void>;

  /** The folder of an installed npm package; undefined if there is none, as in a browser. */
  packageFolder(name: string): string | undefined;
}

/** Whether a server has a file. Servers of pages like to answer with a page where there is none. */
export async function servedFile(url: string | URL): Promise<boolean> {
  try {
    const response = await fetch(url, { method: "HEAD" });
    return response.ok && !response.headers.get("Content-Type")?.startsWith("text/html");
  } catch {
    return false;
  }
}
