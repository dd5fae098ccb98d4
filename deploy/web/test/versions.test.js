/** The oldest browsers that the page names are the oldest that have all that the app uses. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const FOLDER = new URL("..", import.meta.url).pathname;
const DATA = JSON.parse(
  readFileSync(join(FOLDER, "node_modules/@mdn/browser-compat-data/data.json"), "utf-8"),
);
const BROWSERS = ["chrome", "chrome_android", "edge", "firefox", "firefox_android", "safari", "safari_ios"];
/** What old browsers lack: where MDN's data have it, and how it is seen in the sources. What the
 * app can do without (service workers, the camera, requestVideoFrameCallback) is not here.
 * @type {[string, RegExp][]} */
const USED = [
  ["javascript.operators.await.top_level", /^await startApp/m],
  ["javascript.operators.optional_chaining", /\?\.\w/],
  ["javascript.operators.nullish_coalescing", / \?\? /],
  ["javascript.builtins.Object.hasOwn", /Object\.hasOwn\(/],
  ["javascript.builtins.BigInt", /\bBigInt\(/],
  ["javascript.builtins.Array.at", /\.at\(/],
  ["javascript.builtins.String.replaceAll", /\.replaceAll\(/],
  ["api.Element.replaceChildren", /\.replaceChildren\(/],
  ["api.Blob.arrayBuffer", /\.arrayBuffer\(/],
  ["api.DecompressionStream", /new DecompressionStream/],
  ["api.createImageBitmap.options_imageOrientation_parameter.from-image", /imageOrientation: "from-image"/],
  ["api.createImageBitmap.options_colorSpaceConversion_parameter", /colorSpaceConversion:/],
  // Safari passes over it for ImageData until 17; the app's are opaque.
  ["api.createImageBitmap.options_premultiplyAlpha_parameter", /premultiplyAlpha:/],
  ["webassembly.fixed-width-SIMD", /ort-wasm-simd/],
  ["http.headers.Content-Security-Policy.script-src.wasm-unsafe-eval", /'wasm-unsafe-eval'/],
  ["css.types.length.viewport_percentage_units_small", /\dsvh/],
  ["css.properties.aspect-ratio", /aspect-ratio:/],
  ["css.properties.inset", /\n\s+inset:/],
  ["css.properties.gap.flex_context", /\n\s+gap:/],
  ["css.selectors.is", /:is\(/],
  ["css.selectors.focus-visible", /:focus-visible/],
];
const NAMED = /Chrome (\d+), Firefox (\d+), Safari ([\d.]+)/g;

/** @type {(name: string) => string} */
const read = (name) => readFileSync(join(FOLDER, name), "utf-8");
const names = readdirSync(FOLDER).filter((name) => /\.(js|html|css)$/.test(name));
const sources = names.map(read).join("\n");

/** The oldest version that has a feature, or a part of it.
 * @type {(path: string, browser: string) => number} */
function oldest(path, browser) {
  const feature = path.split(".").reduce((all, key) => all?.[key], DATA);
  const found = [feature?.__compat?.support[browser]].flat().map((one) => Number(one?.version_added));
  const versions = found.filter((version) => version > 0);
  assert.ok(versions.length > 0, `no version of ${browser} is known to have ${path}`);
  return Math.min(...versions);
}

test("the versions named to users are those that the used features take", () => {
  for (const [path, seen] of USED) assert.match(sources, seen, `${path} is not used any more`);
  const needed = Object.fromEntries(
    BROWSERS.map((browser) => [browser, Math.max(...USED.map(([path]) => oldest(path, browser)))]),
  );
  // One number for a computer's and a phone's.
  const chrome = Math.max(...["chrome", "chrome_android", "edge"].map((name) => Number(needed[name])));
  const firefox = Math.max(...["firefox", "firefox_android"].map((name) => Number(needed[name])));
  const safari = Math.max(...["safari", "safari_ios"].map((name) => Number(needed[name])));
  for (const [name, count] of /** @type {[string, number][]} */ ([["index.html", 2], ["../../toolchain/docs/phone.md", 1]])) {
    const said = [...read(name).matchAll(NAMED)].map((one) => one.slice(1).map(Number));
    assert.deepEqual(said, Array(count).fill([chrome, firefox, safari]), name);
  }
  // The control: a newer feature would be seen.
  assert.ok(oldest("css.selectors.has", "firefox") > firefox);
});
