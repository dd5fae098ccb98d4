/** Files of the app that are missing, or sent as another type: said by name where that can be. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { text } from "../texts.js";
import { accessible, files, launch, PHONE, settled } from "./chromium.js";
import { serve } from "./served.js";

/** @typedef {import("playwright-core").Page} Page */

/** @type {(files: Map<string, Buffer>, look: (page: Page) => Promise<void>) => Promise<void>} */
async function at(served, look) {
  const server = await serve(served);
  const context = await (await launch()).newContext(PHONE);
  try {
    const page = await context.newPage();
    await page.goto(`http://localhost:${server.port}/`);
    await look(page);
  } finally {
    await context.close();
    server.close();
  }
}

for (const name of [
  "vendor/ort.wasm.min.js",
  "vendor/ort-wasm-simd-threaded.js",
  "vendor/ort-wasm-simd-threaded.wasm",
  "model/model.onnx",
  "model/contract.json",
  "golden.json",
]) {
  test(`a file that is missing is named: ${name}`, async () => {
    const served = new Map(files);
    served.delete(name);
    await at(served, async (page) => {
      await settled(page, "bad");
      assert.equal(await page.textContent("#failure-text"), text("error.resource"));
      assert.ok((await page.textContent("#failure-detail"))?.startsWith(`${name}: `));
      await accessible(page, `without ${name}`);
    });
  });
}

test("without a module of the app, the page itself says what may be wrong", async () => {
  const served = new Map(files);
  served.delete("postprocess.js");
  await at(served, async (page) => {
    await page.waitForLoadState("load");
    assert.ok(await page.isVisible("#start-wait"));
    assert.match(await page.innerText("#start-wait"), /Files missing\?/);
    await accessible(page, "without a module");
  });
});
