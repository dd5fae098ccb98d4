/** Pictures in Chromium: by every way in, good and bad, and the same pixels as Python's. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { text } from "../texts.js";
import { accessible, FIXTURES, open, settled } from "./chromium.js";
import { jsonFixture } from "./fixtures.js";

/** @typedef {{name: string, file: string, height: number, width: number, size: {resize: string}, bytes: string,
 *   tolerance: number}} PictureCase */

test("pictures: several, with a damaged one, one of a wrong type, an empty one; CSV", async () => {
  const page = await open({ view: "#pictures" });
  await settled(page, "good");
  await accessible(page, "no pictures yet");
  const good = jsonFixture("pictures.json").slice(0, 3).map((/** @type {PictureCase} */ one) => one.file);
  const cut = ["cut.png", "cut.gif", "cut.webp", "cut.bmp"];
  const bad = ["damaged.jpg", "truncated.jpg", "text.png", "empty.png", "large.png", ...cut];
  await page.setInputFiles("#files", [...good, ...bad].map((name) => join(FIXTURES, name)));
  await page.waitForSelector("#batch-status:not(:empty)");
  const summary = `${text("pictures.done.many", { count: 3 })} ${text("pictures.failed.many", { count: bad.length })}`;
  assert.equal(await page.textContent("#batch-status"), summary);
  const problems = await page.$$eval("#results > li.problem", (items) =>
    items.map((item) => item.querySelector("p:last-child")?.textContent));
  assert.deepEqual(problems, [
    text("error.damaged"), text("error.damaged"), text("error.type"), text("error.empty"), text("error.large"),
    ...cut.map(() => text("error.damaged")),
  ]);
  assert.ok(await page.isHidden("#batch"));
  await accessible(page, "results");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  assert.equal(download.suggestedFilename(), "resnet8-results.csv");
  const lines = readFileSync(await download.path(), "utf-8").trimEnd().split("\r\n");
  assert.equal(lines.length, 1 + good.length + bad.length);
  assert.match(String(lines[1]), new RegExp(`^${good[0]},\\w+,\\d\\.\\d{4},`));
  await page.click("#clear");
  assert.ok(await page.isHidden("#results-area"));
});

test("pictures: dropped and pasted", async () => {
  const page = await open();
  await settled(page, "good");
  const [one] = jsonFixture("pictures.json");
  const base64 = readFileSync(join(FIXTURES, one.file)).toString("base64");
  for (const [count, kind] of ["drop", "paste"].entries()) {
    await page.evaluate(([kind, base64]) => {
      const bytes = Uint8Array.from(atob(String(base64)), (character) => character.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], "image.png", { type: "image/png" }));
      const event = kind === "drop"
        ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
        : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
      document.body.dispatchEvent(event);
    }, [kind, base64]);
    await page.waitForSelector(`#results > li:nth-child(${count + 1}) .label`);
  }
  assert.deepEqual(await page.$$eval("#results .file", (all) => all.map((one) => one.textContent)),
    ["pasted-1", "image.png"]); // the newest first
  assert.ok(await page.isVisible("#pictures"));
});

test("pictures give the pixels that Python's decoder and resize rule give", async () => {
  const page = await open();
  await settled(page, "good");
  /** @type {PictureCase[]} */
  const cases = jsonFixture("pictures.json");
  assert.ok(cases.length >= 20);
  for (const one of cases) {
    const base64 = readFileSync(join(FIXTURES, one.file)).toString("base64");
    const found = await page.evaluate(async ([base64, size]) => {
      const load = (/** @type {string} */ name) => import(new URL(name, location.href).href);
      const [{ openPicture }, { prepare }, { parseResize }] = await Promise.all(
        ["pixels.js", "preprocess.js", "contract.js"].map(load),
      );
      const bytes = Uint8Array.from(atob(String(base64)), (character) => character.charCodeAt(0));
      const { source, close } = await openPicture(new Blob([bytes]));
      const prepared = Array.from(prepare(source, { ...size, resize: parseResize(size.resize) }));
      close();
      return { height: source.height, width: source.width, prepared };
    }, /** @type {const} */ ([base64, one.size]));
    assert.deepEqual([found.height, found.width], [one.height, one.width], one.name);
    const wanted = Buffer.from(one.bytes, "base64");
    const worst = found.prepared.reduce(
      (/** @type {number} */ most, /** @type {number} */ value, /** @type {number} */ at) =>
        Math.max(most, Math.abs(value - Number(wanted[at]))), 0);
    console.log(`${one.name}: largest difference ${worst}`);
    assert.equal(found.prepared.length, wanted.length, one.name);
    assert.ok(worst <= one.tolerance, `${one.name}: a byte differs by ${worst}`);
  }
});

test("what is shown of a picture is upright, too", async () => {
  const page = await open();
  await settled(page, "good");
  /** @type {PictureCase[]} */
  const cases = jsonFixture("pictures.json");
  /** @type {(name: string) => string} */
  const file = (name) => {
    const one = cases.find((other) => other.name === name);
    return readFileSync(join(FIXTURES, String(one?.file))).toString("base64");
  };
  /** The mean difference of a byte of two pictures' thumbnails.
   * @type {(names: string[]) => Promise<number>} */
  const difference = (names) => page.evaluate(async (files) => {
    const load = (/** @type {string} */ name) => import(new URL(name, location.href).href);
    const [{ openPicture, thumbnail }, { parseResize }] = await Promise.all(["pixels.js", "contract.js"].map(load));
    const input = { height: 32, width: 24, channels: 3, resize: parseResize("centre-crop-box-average-1") };
    const [one, other] = await Promise.all(files.map(async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const canvas = thumbnail(await openPicture(new Blob([bytes])), input, 96);
      return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    }));
    const sum = one.reduce((/** @type {number} */ all, /** @type {number} */ value, /** @type {number} */ at) =>
      all + Math.abs(value - other[at]), 0);
    return sum / one.length;
  }, names.map(file));
  for (let orientation = 1; orientation <= 8; orientation++) {
    // A JPEG is turned by the browser.
    const name = `EXIF orientation ${orientation}`;
    const found = await difference([`WebP, ${name}`, `JPEG, ${name}`]);
    assert.ok(found < 3, `${name}: ${found}`);
  }
  // The control: a wrong turn is seen.
  assert.ok((await difference(["WebP, EXIF orientation 6", "JPEG, EXIF orientation 8"])) > 12);
});

test("what is shown of a picture is what the model sees, whatever the fit", async () => {
  const page = await open();
  await settled(page, "good");
  const fits = ["centre-crop", "centre-crop-0.5", "stretch", "pad"];
  const names = ["RGB as PNG", "WebP, EXIF orientation 6", "half-transparent"];
  /** @type {PictureCase[]} */
  const cases = jsonFixture("pictures.json");
  for (const name of names) {
    const one = cases.find((other) => other.name === name);
    const base64 = readFileSync(join(FIXTURES, String(one?.file))).toString("base64");
    /** For each fit that is shown and each that the model sees, the mean difference of a byte.
     * @type {number[][]} */
    const found = await page.evaluate(async ([base64, fits]) => {
      const load = (/** @type {string} */ name) => import(new URL(name, location.href).href);
      const [{ openPicture, thumbnail }, { prepare }, { parseResize }] = await Promise.all(
        ["pixels.js", "preprocess.js", "contract.js"].map(load),
      );
      const bytes = Uint8Array.from(atob(String(base64)), (character) => character.charCodeAt(0));
      const picture = await openPicture(new Blob([bytes]));
      const inputs = Array.from(fits, (fit) =>
        ["box-average", "bilinear-antialias"].map((filter) =>
          ({ height: 96, width: 72, channels: 3, resize: parseResize(`${fit}-${filter}-1`) }))).flat();
      const shown = inputs.map((input) => {
        const canvas = thumbnail(picture, input, 96);
        if (canvas.width !== 72 || canvas.height !== 96) throw new Error("another size");
        return canvas.getContext("2d").getImageData(0, 0, 72, 96).data;
      });
      return inputs.map((input) => {
        const seen = prepare(picture.source, input);
        return shown.map((pixels) => {
          let sum = 0;
          for (let at = 0; at < seen.length; at++) {
            sum += Math.abs(seen[at] - pixels[Math.floor(at / 3) * 4 + (at % 3)]);
          }
          return sum / seen.length;
        });
      });
    }, /** @type {const} */ ([base64, fits]));
    for (const [seen, row] of found.entries()) {
      for (const [shown, difference] of row.entries()) {
        const what = `${name}: ${fits[shown >> 1]} is shown, ${fits[seen >> 1]} is seen: ${difference}`;
        // A thumbnail is scaled by the browser, so it is only alike; another fit is not. The same fit
        // with another filter may lie a pixel beside it.
        if (seen === shown) assert.ok(difference < 4, what);
        else if (seen >> 1 !== shown >> 1) assert.ok(difference > 10, what);
      }
    }
  }
});
