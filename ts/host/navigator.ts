/** @file `navigator.gpu`, where the core looks for WebGPU. */

/** Set a property of an object until the function that is returned is called. */
function lend(object: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { value, configurable: true, writable: true });
  return () => {
    if (before === undefined) Reflect.deleteProperty(object, name);
    else Object.defineProperty(object, name, before);
  };
}

/**
 * Let `navigator.gpu` be `gpu` until `close()`.
 *
 * wgpu asks `Window` or `WorkerGlobalScope` whether this is a browser; where it is none, it is told
 * so: https://github.com/gfx-rs/wgpu/blob/v30/wgpu/src/backend/webgpu.rs (get_browser_gpu_property).
 */
export function lendGpu(gpu: object): { close(): void } {
  const scope = globalThis as { navigator?: object; Window?: unknown; WorkerGlobalScope?: unknown };
  const undo: (() => void)[] = [];
  if (scope.navigator === undefined) undo.push(lend(globalThis, "navigator", {}));
  if (scope.Window === undefined && scope.WorkerGlobalScope === undefined) {
    undo.push(lend(globalThis, "WorkerGlobalScope", class {}));
  }
  undo.push(lend(scope.navigator!, "gpu", gpu));
  return {
    close: () => {
      for (const restore of undo.reverse()) restore();
    },
  };
}
