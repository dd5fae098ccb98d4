/** A bundle as packaging lays it out, from the sources here, on a server of its own. */

import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fixture } from "./fixtures.js";

const FOLDER = new URL("..", import.meta.url).pathname;
const DIST = join(FOLDER, "node_modules", "onnxruntime-web", "dist");
/** @type {Record<string, string>} */
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
  ".png": "image/png",
  ".txt": "text/plain; charset=utf-8",
};
// The smallest PNG: the icon's look is not what is tested here.
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=",
  "base64",
);
const PRIVACY = {
  claims: [
    { id: "sends", text: "The page sends nothing.", checked: true, how: "Sends were blocked." },
    { id: "browser", text: "The browser sends nothing.", checked: false, how: "It is not ours." },
  ],
  made: "2026-11-25",
  bundle: "0123456789abcdef",
};

/**
 * Lay out a bundle.
 *
 * @param {string} model Name of the model's fixtures.
 * @param {string} file The ONNX file.
 * @returns {Map<string, Buffer>} Name to content.
 */
export function bundle(model, file) {
  /** @type {Map<string, Buffer>} */
  const files = new Map();
  for (const name of readdirSync(FOLDER)) {
    if (/\.(js|html|css)$/.test(name)) files.set(name, readFileSync(join(FOLDER, name)));
  }
  for (const [packaged, name] of [
    ["ort.wasm.min.js", "ort.wasm.min.mjs"],
    ["ort-wasm-simd-threaded.js", "ort-wasm-simd-threaded.mjs"],
    ["ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.wasm"],
  ]) {
    files.set(`vendor/${packaged}`, readFileSync(join(DIST, String(name))));
  }
  files.set("model/model.onnx", readFileSync(file));
  files.set("model/contract.json", fixture(`${model}.contract.json`));
  files.set("golden.json", fixture(`${model}.golden.json`));
  files.set("privacy.json", Buffer.from(JSON.stringify(PRIVACY)));
  files.set("LICENSES/README.txt", Buffer.from("The app: LICENSES/one.txt, LICENSES/one.txt"));
  files.set("LICENSES/one.txt", Buffer.from("The text of a licence."));
  files.set("manifest.webmanifest", Buffer.from(JSON.stringify({ name: model, start_url: "./" })));
  files.set("icons/icon-192.png", PIXEL);
  const worker = String(files.get("service-worker.js"))
    .replace("@VERSION@", "test")
    .replace("@FILES@", JSON.stringify([...files.keys()].filter((name) => !/worker/.test(name))));
  files.set("service-worker.js", Buffer.from(worker));
  return files;
}

/**
 * Serve files on the loopback interface.
 *
 * @param {Map<string, Buffer>} files May be changed while it serves.
 * @param {Record<string, string>} [headers] More of them.
 * @returns {Promise<{port: number, requests: string[], close: () => void}>}
 */
export async function serve(files, headers = {}) {
  /** @type {string[]} */
  const requests = [];
  const server = createServer((request, response) => {
    const path = new URL(String(request.url), "http://localhost").pathname.slice(1);
    requests.push(path);
    const body = files.get(path === "" ? "index.html" : path);
    if (body === undefined) {
      response.writeHead(404).end();
      return;
    }
    const type = TYPES[extname(path || "index.html")] ?? "application/octet-stream";
    const own = { "Content-Type": type, "X-Content-Type-Options": "nosniff" };
    response.writeHead(200, { ...own, ...headers }).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    port: address.port,
    requests,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
