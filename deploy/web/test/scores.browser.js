/** Scores in Chromium against the Python runner's on the same file. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FIXTURES, launch, settled } from "./chromium.js";
import { arrayBuffer, fixture, jsonFixture } from "./fixtures.js";
import { bundle, serve } from "./served.js";

const FLOAT_TOLERANCE = 1e-5;

/**
 * Classify images in the page.
 *
 * @param {[string, number]} argument Base64 of the images, and how many they are.
 * @returns {Promise<number[][]>}
 */
async function scoresInPage([base64, count]) {
  const load = (/** @type {string} */ name) => import(new URL(name, location.href).href);
  const names = ["contract.js", "resources.js", "runner.js"];
  const [{ parseContract }, { bytesOfBase64, loadRuntime, resource }, { Runner }] = await Promise.all(
    names.map(load),
  );
  const contract = parseContract(await resource("model/contract.json"));
  const runner = await Runner.load(await loadRuntime(), await resource("model/model.onnx"), contract);
  const bytes = bytesOfBase64(base64);
  const size = bytes.length / count;
  const all = [];
  for (let index = 0; index < count; index++) {
    const { scores } = await runner.scores(bytes.subarray(index * size, (index + 1) * size));
    all.push(Array.from(scores, Number));
  }
  return all;
}

/**
 * Choose picture files, and compare what is saved with Python's answers.
 *
 * @param {import("playwright-core").Page} page
 * @param {{file: string, label: string, score: number}[]} pictures
 */
async function likePython(page, pictures) {
  if (pictures.length === 0) return;
  await page.click('nav a[href="#pictures"]');
  await page.setInputFiles("#files", pictures.map(({ file }) => join(FIXTURES, file)));
  await page.waitForSelector(`#results > li:nth-child(${pictures.length})`);
  await page.waitForSelector("#batch-status:not(:empty)");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  const lines = readFileSync(await download.path(), "utf-8").trimEnd().split("\r\n").slice(1);
  assert.equal(lines.length, pictures.length);
  for (const [index, { file, label, score }] of pictures.entries()) {
    const found = String(lines[index]).split(",");
    assert.deepEqual(found.slice(0, 2), [file, label]);
    // In all of CSV's digits.
    assert.ok(Math.abs(Number(found[2]) - score) <= 0.5e-4 + FLOAT_TOLERANCE, `${file}: ${found[2]}, not ${score}`);
  }
}

for (const one of jsonFixture("models.json")) {
  test(`${one.name}: scores equal Python's on ${one.images} images`, async () => {
    const server = await serve(bundle(one.name, one.model));
    try {
      const page = await (await (await launch()).newContext()).newPage();
      await page.goto(`http://localhost:${server.port}/`);
      await settled(page, "good");
      const images = fixture(`${one.name}.images.bin`).toString("base64");
      const found = await page.evaluate(scoresInPage, /** @type {[string, number]} */ ([images, one.images]));
      const wanted = new Float32Array(arrayBuffer(fixture(`${one.name}.scores.bin`)));
      assert.equal(found.flat().length, wanted.length);
      const classes = wanted.length / one.images;
      let worst = 0;
      for (const [index, scores] of found.entries()) {
        const expected = Array.from(wanted.slice(index * classes, (index + 1) * classes));
        const best = (/** @type {number[]} */ values) => values.indexOf(Math.max(...values));
        assert.equal(best(scores), best(expected), `best class of image ${index}`);
        worst = Math.max(worst, ...scores.map((score, at) => Math.abs(score - Number(expected[at]))));
      }
      console.log(`${one.name}: ${one.images} images, worst difference ${worst}`);
      assert.ok(worst <= (one.exact ? 0 : FLOAT_TOLERANCE), `worst difference ${worst}`);
      await likePython(page, one.pictures);
    } finally {
      server.close();
    }
  });
}
