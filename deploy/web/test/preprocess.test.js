/** The resize rules against Python's, byte for byte. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { pixelsInMemory, partRead, prepare } from "../preprocess.js";
import { fixture, inputOf, jsonFixture, NO_FIXTURES } from "./fixtures.js";

/** @typedef {{name: string, height: number, width: number, channels: number, start: number,
 *   size: import("./fixtures.js").NamedInput, answer: number}} Case */

const FITS = ["centre-crop", "centre-crop-0.875", "centre-crop-0.3", "stretch", "pad"];
const FILTERS = ["box-average", "nearest", "bilinear", "bilinear-antialias"];
const RULES = FITS.flatMap((fit) => FILTERS.map((filter) => `${fit}-${filter}-1`));

test("gives the bytes that Python gives", { skip: NO_FIXTURES }, () => {
  const bytes = fixture("preprocess.bin");
  /** @type {Case[]} */
  const cases = jsonFixture("preprocess.json");
  const golden = cases.filter((one) => one.name.startsWith("golden"));
  assert.ok(golden.length >= 20, `${golden.length} golden vectors`);
  for (const rule of RULES) {
    const random = cases.filter((one) => one.name.startsWith("random") && one.size.resize === rule);
    assert.ok(random.length >= 30, `${rule}: ${random.length} random images`);
  }
  for (const { name, height, width, channels, start, size, answer } of cases) {
    const pixels = bytes.subarray(start, start + height * width * channels);
    const wanted = bytes.subarray(answer, answer + size.height * size.width * size.channels);
    const found = prepare(pixelsInMemory(pixels, height, width, channels), inputOf(size));
    assert.ok(
      wanted.equals(found),
      `${name}: ${height} x ${width} x ${channels} to ${JSON.stringify(size)}`,
    );
  }
});

test("a byte that is off by one is seen, and so is another rule", { skip: NO_FIXTURES }, () => {
  const bytes = fixture("preprocess.bin");
  /** @type {Case} */
  const one = jsonFixture("preprocess.json")[0];
  const { height, width, channels, start, size, answer } = one;
  const pixels = bytes.subarray(start, start + height * width * channels);
  const length = size.height * size.width * size.channels;
  const wanted = Buffer.from(bytes.subarray(answer, answer + length));
  const found = RULES.map((resize) =>
    prepare(pixelsInMemory(pixels, height, width, channels), inputOf({ ...size, resize })));
  assert.equal(found.filter((bytes) => wanted.equals(bytes)).length, 1);
  wanted[0] = Number(wanted[0]) ^ 1;
  assert.ok(!found.some((bytes) => wanted.equals(bytes)));
});

test("an image of the model's size comes out as it is, but where a fraction is cut out", () => {
  const pixels = Uint8Array.from({ length: 5 * 7 * 3 }, (_, index) => (index * 91) % 256);
  for (const resize of RULES) {
    const input = inputOf({ height: 5, width: 7, channels: 3, resize });
    const found = Buffer.from(prepare(pixelsInMemory(pixels, 5, 7, 3), input));
    assert.equal(found.equals(pixels), !resize.includes("0."), resize);
  }
});

/** What a source is asked for: left, upper, width, height.
 * @type {(height: number, width: number, input: import("../fits.js").ModelInput) => number[][]} */
function asked(height, width, input) {
  /** @type {number[][]} */
  const found = [];
  const rows = (/** @type {number[]} */ ...[left, upper, columns, count]) => {
    found.push([Number(left), Number(upper), Number(columns), Number(count)]);
    return new Uint8Array(Number(columns) * Number(count) * 3);
  };
  prepare({ height, width, stride: 3, rows }, input);
  return found;
}

test("asks a source for rows of the crop only, from the top down", () => {
  const resize = "centre-crop-box-average-1";
  const input = inputOf({ height: 3, width: 2, channels: 3, resize });
  assert.deepEqual(partRead(11, 40, input), { left: 16, upper: 0, width: 7, height: 11 });
  assert.deepEqual(asked(11, 40, input), [
    [16, 0, 7, 4],
    [16, 3, 7, 5],
    [16, 7, 7, 4],
  ]);
});

test("asks for nothing outside of the part that a frame is read of, a few rows at a time", () => {
  for (const resize of RULES) {
    for (const [height, width] of /** @type {[number, number][]} */ ([[480, 640], [3, 2], [1, 999], [90, 7]])) {
      const input = inputOf({ height: 24, width: 32, channels: 3, resize });
      const part = partRead(height, width, input);
      assert.ok(part.left >= 0 && part.left + part.width <= width, resize);
      assert.ok(part.upper >= 0 && part.upper + part.height <= height, resize);
      let above = part.upper;
      for (const [left, upper, columns, count] of asked(height, width, input)) {
        const found = [Number(left), Number(upper), Number(columns), Number(count)];
        const name = `${resize}, ${height} x ${width}: ${found} of ${JSON.stringify(part)}`;
        assert.deepEqual([left, columns], [part.left, part.width], name);
        assert.ok(Number(upper) >= above && Number(count) >= 1, name);
        assert.ok(Number(upper) + Number(count) <= part.upper + part.height, name);
        assert.ok(Number(count) <= Math.max(2, Math.ceil((3 * height) / 24)), name);
        above = Number(upper);
      }
    }
  }
});

test("the last answer alone has to stay valid", () => {
  const pixels = Uint8Array.from({ length: 50 * 41 * 3 }, (_, index) => (index * 97) % 251);
  const plain = pixelsInMemory(pixels, 50, 41, 3);
  const buffer = new Uint8Array(pixels.length);
  /** @type {import("../preprocess.js").PixelSource} */
  const reused = {
    ...plain,
    rows(left, upper, width, count) {
      buffer.fill(77);
      buffer.set(plain.rows(left, upper, width, count));
      return buffer.subarray(0, width * count * 3);
    },
  };
  for (const resize of RULES) {
    const input = inputOf({ height: 13, width: 17, channels: 3, resize });
    assert.deepEqual(prepare(reused, input), prepare(plain, input), resize);
  }
});

/** One row, its left half dark and its right half bright.
 * @type {(length: number) => import("../preprocess.js").PixelSource} */
function halves(length) {
  const pixels = new Uint8Array(length * 3);
  pixels.fill(200, (length / 2) * 3);
  return pixelsInMemory(pixels, 1, length, 3);
}

test("numbers too large for doubles give the right bytes", () => {
  // Resized, the row is 65534 * 16383000 pixels wide, and places in it are beyond 2 ** 53.
  const resize = "centre-crop-0.001-bilinear-antialias-1";
  const high = inputOf({ height: 16383, width: 2, channels: 3, resize });
  assert.ok(prepare(halves(65534), high).every((value) => value === 100));
  const longest = 2 ** 19;
  for (const [filter, wanted] of /** @type {[string, number][]} */ ([
    ["box-average", 100], ["nearest", 200], ["bilinear", 100], ["bilinear-antialias", 100],
  ])) {
    const input = inputOf({ height: 1, width: 1, channels: 3, resize: `stretch-${filter}-1` });
    assert.deepEqual([...prepare(halves(longest), input)], [wanted, wanted, wanted], filter);
  }
});

test("puts half-transparent pixels on white, transparent ones are white", () => {
  for (const resize of RULES) {
    const input = inputOf({ height: 1, width: 1, channels: 3, resize });
    const half = prepare(pixelsInMemory(Uint8Array.of(10, 100, 200, 128), 1, 1, 4), input);
    assert.deepEqual([...half], [132, 177, 227], resize);
    const none = prepare(pixelsInMemory(Uint8Array.of(10, 100, 200, 0), 1, 1, 4), input);
    assert.deepEqual([...none], [255, 255, 255], resize);
  }
});

test("what is around a picture is black, also around a transparent one", () => {
  for (const filter of FILTERS) {
    for (const channels of [1, 3]) {
      const input = inputOf({ height: 3, width: 3, channels, resize: `pad-${filter}-1` });
      const found = prepare(pixelsInMemory(new Uint8Array(3 * 4), 1, 3, 4), input);
      const row = 3 * channels;
      const wanted = [Array(row).fill(0), Array(row).fill(255), Array(row).fill(0)].flat();
      assert.deepEqual([...found], wanted, filter);
    }
  }
});

test("refuses bytes that are no image of the size said", () => {
  assert.throws(() => pixelsInMemory(new Uint8Array(11), 2, 2, 3), RangeError);
  assert.throws(() => pixelsInMemory(new Uint8Array(0), 0, 2, 3), RangeError);
});
