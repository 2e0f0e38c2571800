import { init, module } from "../../crate/Cargo.toml?custom";
import type { Raw } from "../raw-types.js";
import { type Host, servedFile } from "./host.js";
import { lendGpu } from "./navigator.js";

/** Dropping buffers of this size makes an engine collect: it knows their weight, not a handle's. */
const BALLAST_BYTES = 128 * 2 ** 20;
const MOST_BALLAST = 4;

export const loadCore: Host["loadCore"] = async () => {
  // Up to its version 7, Vite's development server copies the code of packages into a folder of
  // its own, beside theirs, and leaves behind what the code loads.
  const response = await get(module.href.replace(/\/\.vite\/deps[^/]*\//, "/torchlet/dist/"));
  if (response.headers.get("Content-Type")?.startsWith("text/html")) {
    throw new Error(
      `${response.url} is a page, not Torchlet's WASM: a bundler or server moved one of its ` +
        `files without the other (Vite leaves them alone with optimizeDeps.exclude: ["torchlet"])`,
    );
  }
  // It is compiled while it arrives, if the server says that it is WASM.
  return (await init({ module: response })) as Raw;
};

export const openGpu: Host["openGpu"] = (gpu) => {
  if (gpu !== undefined) return Promise.resolve(lendGpu(gpu));
  if ((navigator as { gpu?: object }).gpu !== undefined) {
    return Promise.resolve({ close: () => undefined });
  }
  return Promise.resolve(
    isSecureContext
      ? 'this browser has no WebGPU (navigator.gpu is not there): take a current one, or the device "cpu"'
      : "WebGPU is there for secure pages only: serve this one from https: or from localhost",
  );
};

export const collectGarbage: Host["collectGarbage"] = async (handedOut) => {
  const buffers = Math.ceil(handedOut / BALLAST_BYTES);
  for (let i = 0; i < Math.min(Math.max(buffers, 1), MOST_BALLAST); i++) {
    new ArrayBuffer(BALLAST_BYTES);
  }
  await nextTurn();
};

export const nextTurn: Host["nextTurn"] = () =>
  new Promise((resolve) => {
    // Not setTimeout: nested ones wait for four milliseconds each.
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });

export const readFile: Host["readFile"] = async (source) => {
  const response = await get(source);
  return new Uint8Array(await response.arrayBuffer());
};

export const fileExists: Host["fileExists"] = servedFile;

export const writeFile: Host["writeFile"] = (path, bytes) => {
  if (typeof document === "undefined") {
    return Promise.reject(new Error(`a worker cannot write the file ${path}`));
  }
  const url = URL.createObjectURL(new Blob([new Uint8Array(bytes)]));
  const link = document.createElement("a");
  link.href = url;
  link.download = path.replace(/^.*[/\\]/, "");
  link.click();
  // The download starts in a later turn; the address must live until then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return Promise.resolve();
};

export const packageFolder: Host["packageFolder"] = () => undefined;

async function get(url: string | URL): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  return response;
}
