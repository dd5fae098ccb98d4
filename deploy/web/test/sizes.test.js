/** The size that a picture file states: read from Pillow's files, and from damaged ones never wrongly. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { HEADER_BYTES, statedSize } from "../sizes.js";
import { arrayBuffer, fixture, jsonFixture, NO_FIXTURES } from "./fixtures.js";

/** @typedef {{file: string, width: number, height: number}} Case */

/** @type {(bytes: Buffer) => Uint8Array<ArrayBuffer>} */
const copy = (bytes) => new Uint8Array(arrayBuffer(bytes));

test("the size of every kind of file, as Pillow wrote it", { skip: NO_FIXTURES }, () => {
  /** @type {Case[]} */
  const cases = jsonFixture("sizes.json");
  assert.ok(cases.length >= 11);
  for (const { file, width, height } of cases) {
    const bytes = copy(fixture(file)).subarray(0, HEADER_BYTES);
    assert.deepEqual(statedSize(bytes), { width, height }, file);
    // Also where the bytes are a part of something larger.
    const shifted = new Uint8Array([1, 2, 3, ...bytes.subarray(0, 400_000)]).subarray(3);
    assert.deepEqual(statedSize(shifted), { width, height }, file);
  }
});

test("of a cut file, the size or none, and never an error", { skip: NO_FIXTURES }, () => {
  /** @type {Case[]} */
  const cases = jsonFixture("sizes.json");
  for (const { file, width, height } of cases) {
    const bytes = copy(fixture(file));
    const unknown = [];
    for (let length = 0; length < Math.min(bytes.length, 700); length++) {
      const size = statedSize(bytes.subarray(0, length));
      if (size === null) unknown.push(length);
      else assert.deepEqual(size, { width, height }, `${file}, ${length} bytes`);
    }
    assert.deepEqual(unknown.slice(0, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], file);
  }
});

/** @type {(...parts: (string | number[])[]) => Uint8Array<ArrayBuffer>} */
const made = (...parts) =>
  copy(Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part)))));

/** @type {[string, Uint8Array<ArrayBuffer>, object | null][]} */
const MADE = [
  ["no bytes", made(), null],
  ["text", made("This is no picture, and long enough to hold a header of any kind."), null],
  ["PNG without IHDR", made("\x89PNG\r\n\x1a\n", [0, 0, 0, 13], "tEXt", Array(20).fill(1)), null],
  ["PNG of no width", made("\x89PNG\r\n\x1a\n", [0, 0, 0, 13], "IHDR", Array(20).fill(0)), null],
  ["PNG, the largest", made("\x89PNG\r\n\x1a\n", [0, 0, 0, 13], "IHDR", Array(8).fill(255)),
    { width: 2 ** 32 - 1, height: 2 ** 32 - 1 }],
  ["JPEG with filling, a restart marker, and tables before the frame",
    made([0xff, 0xd8, 0xff, 0xff, 0xd0, 0xff, 0xc4, 0, 4, 9, 9, 0xff, 0xc2, 0, 8, 8, 1, 2, 3, 4]),
    { height: 258, width: 772 }],
  ["JPEG whose scan comes before its frame",
    made([0xff, 0xd8, 0xff, 0xda, 0, 2, 0xff, 0xc0, 0, 8, 8, 1, 2, 3, 4]), null],
  ["JPEG with bytes between its segments", made([0xff, 0xd8, 0xff, 0xe0, 0, 2, 7, 7, 7, 7]), null],
  ["JPEG that tells its height later", made([0xff, 0xd8, 0xff, 0xc0, 0, 8, 8, 0, 0, 3, 4]), null],
  ["RIFF that is a sound", made("RIFF", [0, 0, 0, 0], "WAVEfmt ", Array(30).fill(1)), null],
  ["WebP with a chunk of another kind", made("RIFF", [0, 0, 0, 0], "WEBPJUNK", Array(30).fill(1)), null],
  ["BMP of OS/2", made("BM", Array(12).fill(0), [12, 0, 0, 0, 44, 1, 77, 0, 1, 0, 24, 0]), { width: 300, height: 77 }],
  ["BMP from the top down", made("BM", Array(12).fill(0), [40, 0, 0, 0, 44, 1, 0, 0, 0xb3, 0xff, 0xff, 0xff]),
    { width: 300, height: 77 }],
  ["HEIC", made([0, 0, 0, 24], "ftypheic", Array(60).fill(7)), null],
];
for (const [name, bytes, size] of MADE) {
  test(`stated by a header: ${name}`, () => assert.deepEqual(statedSize(bytes), size));
}
