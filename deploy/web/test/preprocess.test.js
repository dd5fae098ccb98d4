/** The resize rule against Python's, byte for byte. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { centreCrop, pixelsInMemory, prepare } from "../preprocess.js";
import { fixture, jsonFixture, NO_FIXTURES } from "./fixtures.js";

/** @typedef {{name: string, height: number, width: number, channels: number, start: number,
 *   size: import("../preprocess.js").ModelSize, answer: number}} Case */

test("gives the bytes that Python gives", { skip: NO_FIXTURES }, () => {
  const bytes = fixture("preprocess.bin");
  /** @type {Case[]} */
  const cases = jsonFixture("preprocess.json");
  const random = cases.filter((one) => one.name.startsWith("random"));
  const golden = cases.filter((one) => one.name.startsWith("golden"));
  assert.ok(random.length >= 200, `${random.length} random images`);
  assert.ok(golden.length >= 20, `${golden.length} golden vectors`);
  for (const { name, height, width, channels, start, size, answer } of cases) {
    const pixels = bytes.subarray(start, start + height * width * channels);
    const wanted = bytes.subarray(answer, answer + size.height * size.width * size.channels);
    const found = prepare(pixelsInMemory(pixels, height, width, channels), size);
    assert.ok(
      wanted.equals(found),
      `${name}: ${height} x ${width} x ${channels} to ${JSON.stringify(size)}`,
    );
  }
});

test("a byte that is off by one is seen", { skip: NO_FIXTURES }, () => {
  const bytes = fixture("preprocess.bin");
  /** @type {Case} */
  const one = jsonFixture("preprocess.json")[0];
  const { height, width, channels, start, size, answer } = one;
  const pixels = bytes.subarray(start, start + height * width * channels);
  const length = size.height * size.width * size.channels;
  const wanted = Buffer.from(bytes.subarray(answer, answer + length));
  wanted[0] = Number(wanted[0]) ^ 1;
  assert.ok(!wanted.equals(prepare(pixelsInMemory(pixels, height, width, channels), size)));
});

test("an image of the model's size comes out as it is", () => {
  const pixels = Uint8Array.from({ length: 5 * 7 * 3 }, (_, index) => (index * 91) % 256);
  const size = { height: 5, width: 7, channels: 3 };
  assert.deepEqual(prepare(pixelsInMemory(pixels, 5, 7, 3), size), pixels);
});

test("asks a source for rows of the crop only, from the top down", () => {
  const size = { height: 3, width: 2, channels: 3 };
  const crop = centreCrop(11, 40, size);
  /** @type {number[][]} */
  const asked = [];
  prepare(
    {
      height: 11,
      width: 40,
      stride: 3,
      rows(left, upper, width, count) {
        asked.push([left, upper, width, count]);
        return new Uint8Array(width * count * 3);
      },
    },
    size,
  );
  assert.deepEqual(crop, { left: 16, upper: 0, width: 7, height: 11 });
  assert.deepEqual(asked, [
    [16, 0, 7, 4],
    [16, 3, 7, 5],
    [16, 7, 7, 4],
  ]);
});

test("puts half-transparent pixels on white, transparent ones are white", () => {
  const size = { height: 1, width: 1, channels: 3 };
  const half = prepare(pixelsInMemory(Uint8Array.of(10, 100, 200, 128), 1, 1, 4), size);
  assert.deepEqual([...half], [132, 177, 227]);
  const none = prepare(pixelsInMemory(Uint8Array.of(10, 100, 200, 0), 1, 1, 4), size);
  assert.deepEqual([...none], [255, 255, 255]);
});

test("refuses bytes that are no image of the size said", () => {
  assert.throws(() => pixelsInMemory(new Uint8Array(11), 2, 2, 3), RangeError);
  assert.throws(() => pixelsInMemory(new Uint8Array(0), 0, 2, 3), RangeError);
});
