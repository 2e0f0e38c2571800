import { defineConfig } from "vitest/config";

/** Tests in Node, of everything that runs on a device. */
const IN_NODE = {
  include: ["tests/**/*.test.ts"],
  exclude: ["tests/packaging/**", "tests/browser/**", "tests/demo/**"],
  setupFiles: ["tests/setup.ts"],
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

/** Tests that know no device: the CPU's run has them. */
const WITHOUT_DEVICE = ["tests/{data,examples,io,print,vision}*.test.ts"];

/** Each of these runs compilers, servers and browsers: one after the other. */
const ONE_BY_ONE = { testTimeout: 180_000, hookTimeout: 300_000, fileParallelism: false };

export default defineConfig({
  test: {
    // The package itself, as it is shipped: Node loads it, nothing transforms it.
    server: { deps: { external: [/\/dist\//] } },
    projects: [
      {
        extends: true,
        test: {
          ...IN_NODE,
          name: "node",
          // Compares the GPU with the CPU.
          exclude: [...IN_NODE.exclude, "tests/devices.test.ts", "tests/gpu/**"],
        },
      },
      {
        extends: true,
        test: {
          ...IN_NODE,
          name: "webgpu",
          exclude: [...IN_NODE.exclude, ...WITHOUT_DEVICE],
          env: { TORCHLET_DEVICE: "webgpu" },
          // A CPU may have to imitate the GPU.
          testTimeout: 300_000,
          hookTimeout: 300_000,
          globalSetup: ["tests/adapter.ts"],
        },
      },
      {
        extends: true,
        test: {
          ...ONE_BY_ONE,
          name: "browser",
          include: ["tests/{browser,demo}/**/*.test.ts"],
          setupFiles: ["tests/setup.ts"],
        },
      },
      {
        extends: true,
        test: {
          ...ONE_BY_ONE,
          name: "packaging",
          include: ["tests/packaging/**/*.test.ts"],
          globalSetup: ["tests/adapter.ts"],
        },
      },
    ],
  },
});
