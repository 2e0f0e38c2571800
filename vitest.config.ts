import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // The package itself, as it is shipped: Node loads it, nothing transforms it.
    server: { deps: { external: [/\/dist\//] } },
    projects: [
      {
        extends: true,
        test: {
          name: "node",
          include: ["tests/**/*.test.ts"],
          exclude: ["tests/packaging/**"],
          setupFiles: ["tests/setup.ts"],
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "webgpu",
          include: ["tests/**/*.test.ts"],
          exclude: ["tests/packaging/**"],
          setupFiles: ["tests/setup.ts"],
          env: { TORCHLET_DEVICE: "webgpu" },
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "packaging",
          include: ["tests/packaging/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          // Each of these runs compilers, servers and browsers: one after the other.
          fileParallelism: false,
        },
      },
    ],
  },
});
