/** What the bundler makes of the crate: the address of its WASM, and a function to start it. */
declare module "*Cargo.toml?custom" {
  /** Where the WASM lies. */
  export const module: URL;

  /** Instantiate the WASM and give its exports. */
  export function init(options: { module: Response | WebAssembly.Module }): Promise<object>;
}
