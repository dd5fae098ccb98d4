/** Batches of pictures in Chromium: too large ones. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { text } from "../texts.js";
import { FIXTURES, open, settled } from "./chromium.js";

test("pictures: too large a one is refused before it is decoded, a phone's 50 megapixels are not", async () => {
  const page = await open({
    view: "#pictures",
    script: `globalThis.decoded = 0;
      const decode = createImageBitmap;
      globalThis.createImageBitmap = (...all) => { decoded += all[0] instanceof Blob ? 1 : 0; return decode(...all); };`,
  });
  await settled(page, "good");
  const decoded = () => page.evaluate("decoded");
  await page.setInputFiles("#files", join(FIXTURES, "huge.png"));
  await page.waitForSelector("#batch-status:not(:empty)");
  assert.equal(await page.textContent("#results > li.problem p:last-child"), text("error.large"));
  assert.equal(await decoded(), 0);
  await page.setInputFiles("#files", join(FIXTURES, "phone.jpg"));
  await page.waitForSelector("#results > li .label");
  assert.equal(await decoded(), 1);
});

test("a picture whose header states no size is measured when it is decoded", async () => {
  const page = await open();
  await settled(page, "good");
  const file = readFileSync(join(FIXTURES, "large.png"));
  const code = await page.evaluate(async (base64) => {
    const { openPicture } = await import(new URL("pixels.js", location.href).href);
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const hidden = new Blob([bytes]);
    hidden.slice = () => new Blob([]); // as if it were of a kind that is not known
    return openPicture(hidden).then(() => "none", (/** @type {any} */ error) => error.code);
  }, file.toString("base64"));
  assert.equal(code, "large");
});
