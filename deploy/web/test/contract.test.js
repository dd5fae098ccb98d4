/** Contracts and golden vectors that are damaged are refused with a reason. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseContract } from "../contract.js";
import { parseGolden } from "../selftest.js";
import { arrayBuffer } from "./fixtures.js";

const CONTRACT = {
  version: 1,
  model: "m",
  variant: "onnx-int8",
  labels: ["a", "b"],
  resize: "centre-crop-box-average-1",
  input: { height: 4, width: 4, channels: 3, dtype: "float32", layout: "NHWC", range: "0..255" },
  output: { dtype: "float32", kind: "logits" },
  sha256: "0".repeat(64),
  created_by: { edgecnn: "0.1.0" },
};

/** @type {(value: unknown) => ArrayBuffer} */
const json = (value) => arrayBuffer(Buffer.from(JSON.stringify(value)));

test("a good contract is read; a missing limit rejects nothing", () => {
  const contract = parseContract(json(CONTRACT));
  assert.equal(contract.reject_below, 0);
  assert.equal(contract.created_by, "edgecnn 0.1.0");
  assert.equal(parseContract(json({ ...CONTRACT, reject_below: 0.4 })).reject_below, 0.4);
});

/** @type {[string, object, RegExp][]} */
const BAD = [
  ["another version", { version: 2 }, /version 2/],
  ["another resize rule", { resize: "bilinear" }, /bilinear/],
  ["NCHW", { input: { ...CONTRACT.input, layout: "NCHW" } }, /NCHW/],
  ["integer input", { input: { ...CONTRACT.input, dtype: "uint8" } }, /uint8/],
  ["another range", { input: { ...CONTRACT.input, range: "0..1" } }, /0\.\.1/],
  ["no height", { input: { ...CONTRACT.input, height: 0 } }, /height 0/],
  ["four channels", { input: { ...CONTRACT.input, channels: 4 } }, /channels 4/],
  ["one label", { labels: ["a"] }, /labels/],
  ["no digest", { sha256: "" }, /SHA-256/],
  ["a limit above 1", { reject_below: 50 }, /reject_below 50,/],
  ["a limit below 0", { reject_below: -0.1 }, /reject_below -0.1,/],
  ["a limit as text", { reject_below: "0.5" }, /reject_below "0.5", not a number/],
  ["a limit as a truth", { reject_below: true }, /reject_below true, not a number/],
  ["a limit that is null", { reject_below: null }, /reject_below null, not a number/],
  ["a limit in a list", { reject_below: [0.5] }, /reject_below \[0.5\], not a number/],
];
for (const [name, change, message] of BAD) {
  test(`refused: ${name}`, () => {
    assert.throws(() => parseContract(json({ ...CONTRACT, ...change })), { code: "contract", message });
  });
}

test("refused: no JSON, no object, no UTF-8", () => {
  for (const bytes of [Buffer.from("{"), Buffer.from("[]"), Buffer.from([0x22, 0xff, 0x22])]) {
    assert.throws(() => parseContract(arrayBuffer(bytes)), { code: "contract" });
    assert.throws(() => parseGolden(arrayBuffer(bytes)), { code: "golden" });
  }
});

test("golden vectors without any scores, or without a tolerance, prove nothing", () => {
  const image = { height: 1, width: 1, channels: 1, pixels: "AA==", prepared: "AA==" };
  const scored = { ...image, scores: [0, 1], top: 1 };
  assert.equal(parseGolden(json({ images: [scored], tolerance: 0 })).images.length, 1);
  assert.throws(() => parseGolden(json({ images: [image], tolerance: 0 })), { code: "golden" });
  assert.throws(() => parseGolden(json({ images: [scored] })), { code: "golden" });
});
