/** @file Where bytes come from: paths, URLs, bytes in memory. */
import { describe } from "../check.js";
import { ArgumentError, FileError } from "../errors.js";
import { readFile } from "../host/node.js";

/** A path (in Node), a URL, bytes, or a file that a user has chosen. */
export type Source = string | URL | Uint8Array | ArrayBuffer | Blob;

/** Name a source for an error message. */
export function sourceName(source: Source): string {
  if (typeof source === "string") return source;
  if (source instanceof URL) return source.href;
  return source instanceof Blob && "name" in source ? String(source.name) : "the given bytes";
}

/** Wrap what went wrong with a file. */
export function fileError(operation: string, file: string, error: unknown): FileError {
  if (error instanceof FileError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new FileError(`${operation}: ${file}: ${reason}`, { cause: error });
}

/** Read all bytes of a source. */
export async function readBytes(operation: string, source: Source): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  if (typeof source !== "string" && !((source as unknown) instanceof URL)) {
    throw new ArgumentError(
      `${operation}: expected a path, a URL, bytes or a Blob, got ${describe(source)}`,
    );
  }
  try {
    return await readFile(source);
  } catch (error) {
    throw fileError(operation, sourceName(source), error);
  }
}

/** Decompress bytes if they are gzip; else give them as they are. */
export async function gunzipped(
  operation: string,
  file: string,
  bytes: Uint8Array,
): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    const plain = new Blob([new Uint8Array(bytes)]).stream();
    const stream = plain.pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (error) {
    throw fileError(operation, file, new Error("the gzip data is damaged", { cause: error }));
  }
}
