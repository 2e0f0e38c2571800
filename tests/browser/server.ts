/** @file Serves the built package and the suite to a browser, and takes its reports. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { build } from "esbuild";
import sirv from "sirv";
import type { Report } from "./report.js";

const ROOT = path.resolve(import.meta.dirname, "../..");

const PAGE = `<!doctype html>
<meta charset="utf-8" />
<link rel="icon" href="data:," />
<script type="module" src="/tests/page.js"></script>`;

/** With these a page may share memory between threads. */
const ISOLATED = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** The scripts of the suite, by their addresses. The package is not in them: they load it as it is shipped. */
export async function scripts(): Promise<Map<string, string>> {
  const { outputFiles } = await build({
    entryPoints: ["page", "suite"].map((name) => path.join(import.meta.dirname, `${name}.ts`)),
    alias: { torchlet: "/dist/browser/index.js" },
    external: ["/dist/*"],
    bundle: true,
    format: "esm",
    target: "es2022",
    outdir: "/tests",
    write: false,
    logLevel: "silent",
  });
  return new Map(
    outputFiles.map(({ path: name, text }) => [`/tests/${path.basename(name)}`, text]),
  );
}

export interface Site {
  url: string;
  close(): Promise<void>;
}

/**
 * Serve the suite.
 *
 * @param texts - further files, by their addresses
 * @param isolated - whether pages are cross-origin isolated
 * @param take - gets the reports
 */
export async function serve(
  texts: ReadonlyMap<string, string>,
  isolated: boolean,
  take: (report: Report) => void,
): Promise<Site> {
  const options = { dev: true };
  const folders = {
    "/dist": sirv(path.join(ROOT, "dist"), options),
    "/golden": sirv(path.join(ROOT, "tests/golden"), options),
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url!, "http://localhost");
    if (isolated)
      for (const [name, value] of Object.entries(ISOLATED)) response.setHeader(name, value);
    if (pathname === "/report") {
      take(JSON.parse(await body(request)) as Report);
      response.end();
      return;
    }
    const text = pathname === "/" ? PAGE : texts.get(pathname);
    if (text !== undefined) {
      const type = { ".js": "text/javascript", ".json": "application/json" }[
        path.extname(pathname)
      ];
      response.setHeader("Content-Type", `${type ?? "text/html"}; charset=utf-8`);
      response.end(text);
      return;
    }
    const folder = Object.entries(folders).find(([prefix]) => pathname.startsWith(`${prefix}/`));
    const missing = (): void => void response.writeHead(404).end();
    if (folder === undefined) return missing();
    request.url = request.url!.slice(folder[0].length);
    folder[1](request, response, missing);
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
