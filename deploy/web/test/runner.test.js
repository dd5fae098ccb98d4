/** Scores against the Python runner's on the same file, in ONNX Runtime Web under Node. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { checkDigest, parseContract } from "../contract.js";
import { rank } from "../postprocess.js";
import { Runner } from "../runner.js";
import { parseGolden, selfTest } from "../selftest.js";
import { arrayBuffer, fixture, jsonFixture, NO_FIXTURES } from "./fixtures.js";

/** @typedef {{name: string, model: string, images: number, exact: boolean}} ModelCase */

const FLOAT_TOLERANCE = 1e-5;
/** @type {import("../resources.js").Runtime} */
let runtime;

before(async () => {
  runtime = await import("onnxruntime-web/wasm");
  runtime.env.wasm.numThreads = 1;
});

/** @type {ModelCase[]} */
const cases = NO_FIXTURES ? [] : jsonFixture("models.json");

/**
 * @param {ModelCase} one
 * @returns {Promise<{runner: Runner, model: ArrayBuffer}>}
 */
async function load(one) {
  const contract = parseContract(arrayBuffer(fixture(`${one.name}.contract.json`)));
  const model = arrayBuffer(readFileSync(one.model));
  assert.equal(await checkDigest(model, contract), true);
  return { runner: await Runner.load(runtime, model, contract), model };
}

test("there are models to compare", { skip: NO_FIXTURES }, () => {
  assert.ok(cases.length > 0);
});

for (const one of cases) {
  test(`${one.name}: scores equal Python's on ${one.images} images`, async () => {
    const { runner } = await load(one);
    const { height, width, channels } = runner.contract.input;
    const classes = runner.contract.labels.length;
    const images = fixture(`${one.name}.images.bin`);
    const wanted = new Float32Array(arrayBuffer(fixture(`${one.name}.scores.bin`)));
    const size = height * width * channels;
    assert.equal(images.length, one.images * size);
    assert.equal(wanted.length, one.images * classes);
    let worst = 0;
    let different = 0;
    const found = new Set();
    for (let index = 0; index < one.images; index++) {
      const { scores } = await runner.scores(images.subarray(index * size, (index + 1) * size));
      const expected = wanted.slice(index * classes, (index + 1) * classes);
      assert.equal(rank(scores)[0], rank(expected)[0], `best class of image ${index}`);
      const differences = scores.map((score, at) => Math.abs(score - Number(expected[at])));
      worst = Math.max(worst, ...differences);
      different += differences.some((difference) => difference > 0) ? 1 : 0;
      found.add(rank(scores)[0]);
    }
    assert.ok(found.size > 1, "all images have the same class: that would prove nothing");
    console.log(`${one.name}: ${one.images - different} of ${one.images} bit-exact, worst ${worst}`);
    if (one.exact) assert.equal(different, 0, `${different} images differ, worst ${worst}`);
    else assert.ok(worst <= FLOAT_TOLERANCE, `worst difference ${worst}`);
  });

  test(`${one.name}: the golden self-test passes, and fails where it should`, async () => {
    const { runner } = await load(one);
    const golden = parseGolden(arrayBuffer(fixture(`${one.name}.golden.json`)));
    const outcome = await selfTest(runner, golden);
    assert.deepEqual(outcome.problems, []);
    assert.equal(outcome.passed, golden.images.length);
    const [first] = golden.images;
    assert.ok(first?.scores);
    first.top = (Number(first.top) + 1) % first.scores.length;
    // Without one, the image is fed as it is; what the rule makes of it is not what is fed.
    first.prepared = (first.prepared ?? first.pixels).map((value) => value ^ 1);
    const broken = await selfTest(runner, golden);
    assert.equal(broken.passed, golden.images.length - 1);
    assert.match(broken.problems.join("\n"), /other bytes/);
    assert.match(broken.problems.join("\n"), /expected/);
  });
}

test("a model file that is not the contract's is refused", { skip: NO_FIXTURES }, async () => {
  const [one] = cases;
  assert.ok(one);
  const { runner, model } = await load(one);
  new Uint8Array(model)[100] = Number(new Uint8Array(model)[100]) ^ 1;
  await assert.rejects(checkDigest(model, runner.contract), { code: "digest" });
});

test("a file that is no model is refused", { skip: NO_FIXTURES }, async () => {
  const [one] = cases;
  assert.ok(one);
  const contract = parseContract(arrayBuffer(fixture(`${one.name}.contract.json`)));
  await assert.rejects(Runner.load(runtime, new ArrayBuffer(20), contract), { code: "runtime" });
});

test("an image of another size is refused, and calls may overlap", { skip: NO_FIXTURES }, async () => {
  const [one] = cases;
  assert.ok(one);
  const { runner } = await load(one);
  const size = runner.pixels.length;
  await assert.rejects(runner.scores(new Uint8Array(size + 1)), { code: "runtime" });
  const images = fixture(`${one.name}.images.bin`);
  const parts = [0, 1, 2].map((index) => images.subarray(index * size, (index + 1) * size));
  const together = await Promise.all(parts.map((part) => runner.scores(part)));
  for (const [index, part] of parts.entries()) {
    assert.deepEqual((await runner.scores(part)).scores, together[index]?.scores);
  }
});
