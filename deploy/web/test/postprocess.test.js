/** Scores to a decision. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { decide, probabilities, rank, scoreCount, softmax } from "../postprocess.js";
import { fixture, jsonFixture, NO_FIXTURES } from "./fixtures.js";

const LABELS = ["a", "b", "c", "d"];

test("ties go to the lowest index", () => {
  const scores = Float32Array.of(0.1, 0.4, 0.1, 0.4);
  assert.deepEqual(rank(scores), [1, 3, 0, 2]);
  assert.equal(decide(scores, LABELS, 0).index, 1);
});

test("below the limit nothing is named, at the limit it is", () => {
  const scores = Float32Array.of(0.1, 0.6, 0.2, 0.1);
  assert.equal(decide(scores, LABELS, 0.61).index, null);
  // 0.6 as float32 is 0.60000002..., and numpy compares with the limit as float32.
  assert.equal(decide(scores, LABELS, 0.6).index, 1);
  assert.equal(decide(Float32Array.of(0.7, 0.1, 0.1, 0.1), LABELS, 0.7).index, 0);
  assert.deepEqual(
    decide(scores, LABELS, 0.61).ranked.map(({ label }) => label),
    ["b", "c", "a"],
  );
});

test("one number is of the second of two classes", () => {
  assert.deepEqual([...probabilities(Float32Array.of(0.25), "binary-probability")], [0.75, 0.25]);
  assert.deepEqual([...probabilities(Float32Array.of(0), "binary-logit")], [0.5, 0.5]);
  const noon = Number(probabilities(Float32Array.of(2), "binary-logit")[1]);
  assert.ok(Math.abs(noon - 1 / (1 + Math.exp(-2))) < 1e-7);
  assert.equal(scoreCount("binary-logit", 2), 1);
  assert.equal(scoreCount("logits", 2), 2);
});

test("of more than twenty classes five are ranked, of fewer three", () => {
  for (const [classes, shown] of [[4, 3], [20, 3], [21, 5], [1000, 5]]) {
    const scores = Float32Array.from({ length: Number(classes) }, (_, index) => 1 / (index + 2));
    const labels = Array.from(scores, (_, index) => `class ${index}`);
    assert.equal(decide(scores, labels, 0).ranked.length, shown);
  }
});

test("softmax of huge logits stays finite", () => {
  const shares = softmax(Float32Array.of(1000, 999, -1000));
  assert.ok(shares.every(Number.isFinite));
  assert.ok(Math.abs(shares.reduce((one, other) => one + other, 0) - 1) < 1e-6);
});

test("softmax equals Python's to a unit in the last place", { skip: NO_FIXTURES }, () => {
  const { rows, classes } = jsonFixture("softmax.json");
  const values = new Float32Array(new Uint8Array(fixture("softmax.bin")).buffer);
  assert.equal(values.length, 2 * rows * classes);
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    const found = softmax(values.slice(start, start + classes));
    const wanted = values.slice((rows + row) * classes, (rows + row + 1) * classes);
    found.forEach((share, index) => {
      const expected = Number(wanted[index]);
      assert.ok(Math.abs(share - expected) <= expected * 2 ** -23, `row ${row}: ${share}, ${expected}`);
    });
  }
});

test("scores that are not numbers are refused", () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    assert.throws(() => probabilities(Float32Array.of(0, bad), "probabilities"), { code: "scores" });
  }
  const raw = Float32Array.of(0.25, 0.75);
  assert.deepEqual(probabilities(raw, "probabilities"), raw);
  assert.notEqual(probabilities(raw, "probabilities"), raw);
});
