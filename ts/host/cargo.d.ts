/** What the bundler makes of the crate: the address of its WASM, and a function to start it. */
declare module "*Cargo.toml?custom" {
  import type { Raw } from "../raw-types.js";

  /** Where the WASM lies: an absolute URL. */
  export const module: string;

  /** Instantiate the WASM and give its exports. */
  export function init(options: { module: Response | WebAssembly.Module }): Promise<Raw>;
}
