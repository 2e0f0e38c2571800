/** @file A web server of files in memory, for the tests that read from URLs. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Serve files by their paths; other paths get a page that says so. `stop` ends it. */
export async function serve(
  files: Readonly<Record<string, Uint8Array>>,
): Promise<{ url: string; stop: () => Promise<void> }> {
  const server = createServer((request, response) => {
    const file = files[request.url!];
    if (file === undefined) {
      response.writeHead(404, { "Content-Type": "text/html" }).end("<p>There is no such file.</p>");
    } else {
      response.writeHead(200, { "Content-Type": "application/octet-stream" }).end(file);
    }
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
