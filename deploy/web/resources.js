/**
 * Where the app's files come from: elements of the page in the single file, else its own folder.
 *
 * The single file holds each file in an element with the id `resource:NAME`, base64, and gzipped
 * where that helps. It also sets `globalThis.edgecnnRuntime` to ONNX Runtime Web's exports
 * before the app runs, since a page that may not connect cannot import a file.
 */

import { ClassifierError } from "./errors.js";

/** @typedef {typeof import("onnxruntime-web/wasm")} Runtime */

const GLUE = "vendor/ort-wasm-simd-threaded.js";
const GZIP_MAGIC = [0x1f, 0x8b];

/**
 * Tell whether this page is the single file, which has everything inside.
 *
 * @returns {boolean}
 */
export function isSingleFile() {
  return document.getElementById("resource:model/contract.json") !== null;
}

/**
 * Load one of the app's files.
 *
 * @param {string} name Relative to the page, for example `model/model.onnx`.
 * @returns {Promise<ArrayBuffer>}
 * @throws {ClassifierError} `resource` if it is not there or damaged.
 */
export async function resource(name) {
  try {
    const element = document.getElementById(`resource:${name}`);
    if (element !== null) return await unpack(element.textContent ?? "");
    const response = await fetch(new URL(name, document.baseURI));
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    return await response.arrayBuffer();
  } catch (error) {
    throw new ClassifierError("resource", `${name}: ${error}`);
  }
}

/**
 * Load ONNX Runtime Web, set to one thread of WebAssembly in this page.
 *
 * @returns {Promise<Runtime>}
 * @throws {ClassifierError} `resource` if a file of it is not there.
 */
export async function loadRuntime() {
  const inside = /** @type {{edgecnnRuntime?: Runtime}} */ (globalThis).edgecnnRuntime;
  const binary = resource("vendor/ort-wasm-simd-threaded.wasm");
  binary.catch(() => undefined); // awaited below; until then it must not count as unhandled
  /** @type {Runtime} */
  const runtime = inside ?? (await importModule("vendor/ort.wasm.min.js"));
  const wasm = runtime.env.wasm;
  wasm.numThreads = 1;
  wasm.proxy = false;
  if (inside === undefined) {
    // Absolute and of this origin; otherwise the runtime would make a blob: of it.
    wasm.wasmPaths = { mjs: new URL(GLUE, document.baseURI).href };
    await importModule(GLUE); // the runtime would tell of its absence as of an old browser
  }
  wasm.wasmBinary = await binary;
  runtime.env.logLevel = "error";
  return runtime;
}

/**
 * Import a module that is no part of the app.
 *
 * @param {string} name Relative to the page.
 * @returns {Promise<any>} Its exports.
 * @throws {ClassifierError} `resource` if it is missing, or sent as a type that is no script;
 *   browsers do not say which.
 */
async function importModule(name) {
  try {
    return await import(new URL(name, document.baseURI).href);
  } catch (error) {
    throw new ClassifierError("resource", `${name}: ${error}`);
  }
}

/**
 * Decode base64, and gunzip what is gzipped.
 *
 * @param {string} text White space is ignored.
 * @returns {Promise<ArrayBuffer>}
 */
export async function unpack(text) {
  const bytes = bytesOfBase64(text);
  if (bytes[0] !== GZIP_MAGIC[0] || bytes[1] !== GZIP_MAGIC[1]) return bytes.buffer;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/**
 * Decode base64.
 *
 * @param {string} text White space is ignored.
 * @returns {Uint8Array<ArrayBuffer>}
 * @throws {DOMException} If it is not base64.
 */
export function bytesOfBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = characters.charCodeAt(index);
  return bytes;
}
