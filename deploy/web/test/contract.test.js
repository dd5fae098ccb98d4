/** Contracts and golden vectors that are damaged are refused with a reason. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseContract, parseResize } from "../contract.js";
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

test("one number is for two labels", () => {
  const output = { dtype: "float32", kind: "binary-logit" };
  assert.equal(parseContract(json({ ...CONTRACT, output })).output.kind, "binary-logit");
  const wrong = { ...CONTRACT, output, labels: ["a", "b", "c"] };
  assert.throws(() => parseContract(json(wrong)), { code: "contract", message: /3 labels/ });
});

test("what is not proven is kept, and is a text", () => {
  assert.equal(parseContract(json(CONTRACT)).not_proven, "");
  const contract = parseContract(json({ ...CONTRACT, not_proven: "not proven: 6 images" }));
  assert.equal(contract.not_proven, "not proven: 6 images");
  for (const wrong of [1, null, {}, ["x"], false]) {
    assert.throws(() => parseContract(json({ ...CONTRACT, not_proven: wrong })), {
      code: "contract",
      message: /not proven/,
    });
  }
});

test("a resize rule is read by its name", () => {
  for (const filter of ["box-average", "nearest", "bilinear", "bilinear-antialias"]) {
    for (const [name, fit, fraction] of [
      ["stretch", "stretch", 1000],
      ["pad", "pad", 1000],
      ["centre-crop", "centre-crop", 1000],
      ["centre-crop-0.875", "centre-crop", 875],
      ["centre-crop-0.5", "centre-crop", 500],
      ["centre-crop-0.05", "centre-crop", 50],
      ["centre-crop-0.001", "centre-crop", 1],
    ]) {
      const resize = `${name}-${filter}-1`;
      const contract = parseContract(json({ ...CONTRACT, resize }));
      assert.deepEqual(contract.input.resize, { fit, fraction, filter }, resize);
    }
  }
});

test("what is no resize rule is refused", () => {
  for (const name of [
    "", "bilinear", "stretch", "stretch-bilinear", "stretch-bilinear-2", "stretch-bilinear-11", "crop-bilinear-1",
    "stretch-0.875-bilinear-1", "pad-0.5-nearest-1", "centre-crop-box-1", "centre-crop-1-nearest-1", "stretch-lanczos-1",
    "centre-crop-1.0-nearest-1", "centre-crop-0-nearest-1", "centre-crop-0.0-nearest-1", "centre-crop-0.000-nearest-1",
    "centre-crop-.5-nearest-1", "centre-crop-0.50-nearest-1", "centre-crop-0.8751-nearest-1", "centre-crop-1.5-nearest-1",
    "centre-crop-0.٥-nearest-1", "centre-crop--0.5-nearest-1", "Stretch-nearest-1", " stretch-nearest-1", "stretch-nearest-1\n",
    "stretch-bilinear-antialias", "pad-nearest-bilinear-1", "xpad-nearest-1", null, undefined, 1, ["stretch-nearest-1"], {},
  ]) {
    assert.equal(parseResize(name), null, String(name));
    const contract = json({ ...CONTRACT, resize: name });
    assert.throws(() => parseContract(contract), { code: "contract", message: /^resize rule / }, String(name));
  }
});

const TABLE = [1, 2, 3].map((by) => Array.from({ length: 256 }, (_, byte) => byte / by));

test("a file that another program made has its own order, numbers and maker", () => {
  const contract = parseContract(json({
    ...CONTRACT, feed: TABLE, input: { ...CONTRACT.input, layout: "NCHW", range: "0..1" },
    adopted: { file: "other.onnx", made_by: "pytorch 2.4", calibration: "not known" },
  }));
  assert.equal(contract.feed.layout, "NCHW");
  assert.deepEqual(contract.feed.table?.[2]?.[255], 85);
  assert.match(contract.created_by, /own word: pytorch 2\.4.*not known.*adopted by edgecnn 0\.1\.0/);
});

/** @type {[string, object, RegExp][]} */
const BAD = [
  ["another version", { version: 2 }, /version 2/],
  ["another resize rule", { resize: "bilinear" }, /bilinear/],
  ["no layout", { input: { ...CONTRACT.input, layout: "CHWN" } }, /CHWN/],
  ["a table of one channel", { feed: [TABLE[0]] }, /table/],
  ["a table of too few numbers", { feed: [[0], [0], [0]] }, /table/],
  ["a table of texts", { feed: TABLE.map((one) => one.map(String)) }, /table/],
  ["a table that is null", { feed: null }, /table/],
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
  const fed = { ...scored, prepared: null };
  assert.equal(parseGolden(json({ images: [scored], tolerance: 0 })).images.length, 1);
  assert.equal(parseGolden(json({ images: [fed, image], tolerance: 0 })).images[0]?.prepared, null);
  assert.throws(() => parseGolden(json({ images: [fed], tolerance: 0 })), { code: "golden" });
  assert.throws(() => parseGolden(json({ images: [image], tolerance: 0 })), { code: "golden" });
  assert.throws(() => parseGolden(json({ images: [scored] })), { code: "golden" });
});
