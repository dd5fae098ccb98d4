/** Batches of pictures in Chromium: too large ones, where results appear, clearing, odd names, CSV. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { text } from "../texts.js";
import { accessible, FIXTURES, open, settled } from "./chromium.js";
import { jsonFixture } from "./fixtures.js";

/** @type {{file: string}[]} */
const pictures = jsonFixture("pictures.json");
const paths = pictures.map(({ file }) => join(FIXTURES, file));
/** @typedef {import("playwright-core").Page} Page */

/** @type {(page: Page) => Promise<(string | null)[]>} */
const shown = (page) => page.$$eval("#results .file", (all) => all.map((one) => one.textContent));

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

test("the newest batch comes first and into sight, in its own order; CSV keeps to time", async () => {
  for (const reducedMotion of ["reduce", "no-preference"]) {
    const page = await open({
      view: "#pictures",
      context: { viewport: { width: 320, height: 568 }, reducedMotion },
      script: `globalThis.asked = [];
        const scroll = Element.prototype.scrollIntoView;
        Element.prototype.scrollIntoView = function (how) { asked.push(how.behavior); scroll.call(this, how); };`,
    });
    await settled(page, "good");
    for (const [first, end] of [[0, 5], [5, 7]]) {
      await page.setInputFiles("#files", paths.slice(first, end));
      await page.waitForSelector(`#results > li:nth-child(${end})`);
      await page.waitForSelector("#batch", { state: "hidden" });
      await page.waitForTimeout(800); // a smooth way takes its time
      const [top, bottom, tabs] = await page.evaluate(() => {
        const box = (/** @type {string} */ what) => document.querySelector(what)?.getBoundingClientRect();
        return [box("#results > li")?.top, box("#results > li")?.bottom, box("#nav")?.top];
      });
      assert.ok(Number(top) >= 0 && Number(bottom) <= Number(tabs), `${top} to ${bottom}, tabs at ${tabs}`);
    }
    assert.deepEqual(await page.evaluate("asked"), Array(2).fill(reducedMotion === "reduce" ? "instant" : "smooth"));
    const names = pictures.map(({ file }) => file);
    assert.deepEqual(await shown(page), [...names.slice(5, 7), ...names.slice(0, 5)]);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
    const lines = readFileSync(await download.path(), "utf-8").trimEnd().split("\r\n");
    assert.deepEqual(lines.slice(1).map((line) => line.split(",")[0]), names.slice(0, 7));
    await accessible(page, `two batches, ${reducedMotion}`);
  }
});

test("clearing the list in the middle of a batch leaves nothing behind", async () => {
  const page = await open({
    view: "#pictures",
    script: `const decode = createImageBitmap;
      globalThis.createImageBitmap = async (...all) => {
        if (all[0] instanceof Blob) await globalThis.gate;
        return decode(...all);
      };`,
  });
  await settled(page, "good");
  const close = () => page.evaluate("gate = new Promise((resolve) => { globalThis.opened = resolve; }); 0");
  await page.setInputFiles("#files", paths.slice(0, 2));
  await page.waitForSelector("#results > li:nth-child(2)");
  await close();
  await page.setInputFiles("#files", paths.slice(2, 5));
  await page.waitForSelector("#batch:not([hidden])");
  await page.click("#clear");
  assert.ok(await page.isHidden("#batch"));
  await page.evaluate("opened()");
  await page.waitForTimeout(500);
  assert.deepEqual(await shown(page), []);
  assert.ok(await page.isHidden("#results-area"));
  assert.equal(await page.textContent("#batch-status"), "");
  // And what is added after it, while the dropped picture is still at work, is all that is there.
  await close();
  await page.setInputFiles("#files", paths.slice(0, 2));
  await page.waitForSelector("#batch:not([hidden])");
  await page.evaluate(() => document.getElementById("clear")?.click());
  await page.setInputFiles("#files", paths.slice(5, 6));
  await page.evaluate("opened()");
  await page.waitForSelector("#batch-status:not(:empty)");
  assert.deepEqual(await shown(page), [pictures[5]?.file]);
  assert.equal(await page.textContent("#batch-status"), text("pictures.done.one"));
});

test("names that pretend to be others are shown without harm, also in the CSV file", async () => {
  const page = await open({ view: "#pictures" });
  await settled(page, "good");
  const buffer = readFileSync(String(paths[0]));
  await page.setInputFiles("#files", [
    { name: "cat\u202egnp.exe", mimeType: "image/png", buffer },
    { name: "Größe 猫.png", mimeType: "image/png", buffer },
  ]);
  await page.waitForSelector("#results > li:nth-child(2)");
  assert.deepEqual(await shown(page), ["cat\ufffdgnp.exe", "Größe 猫.png"]);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  const bytes = readFileSync(await download.path());
  assert.deepEqual([...bytes.subarray(0, 4)], [0xef, 0xbb, 0xbf, 0x66]); // a mark, and the header's f
  const lines = bytes.toString("utf-8").split("\r\n");
  assert.deepEqual(lines.slice(1, 3).map((line) => line.split(",")[0]), ["cat\ufffdgnp.exe", "Größe 猫.png"]);
  // It cannot know whether the user kept the file.
  assert.match(String(await page.textContent("#batch-status")), /handed to the browser as resnet8-results\.csv/);
});
