/** The orientation of a picture: found in the file, taken out of it, and applied. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { orientationApart, orientationIn, storedPart, turning, upright } from "../orientation.js";
import { prepare } from "../preprocess.js";
import { fixture, inputOf, jsonFixture, NO_FIXTURES } from "./fixtures.js";

/** What two rows of three pixels look like, turned upright; the standard's eight orientations.
 * @type {number[][][]} */
const UPRIGHT = [
  [[1, 2, 3], [4, 5, 6]],
  [[3, 2, 1], [6, 5, 4]],
  [[6, 5, 4], [3, 2, 1]],
  [[4, 5, 6], [1, 2, 3]],
  [[1, 4], [2, 5], [3, 6]],
  [[4, 1], [5, 2], [6, 3]],
  [[6, 3], [5, 2], [4, 1]],
  [[3, 6], [2, 5], [1, 4]],
];

/** A picture that gives any part of itself, as a canvas does; each pixel's bytes are n, 10n ...
 * @type {(pixels: number[][], stride: 3 | 4) => import("../preprocess.js").PixelSource} */
const picture = (pixels, stride) => ({
  height: pixels.length,
  width: Number(pixels[0]?.length),
  stride,
  rows: (left, upper, width, count) =>
    Uint8Array.from(pixels.slice(upper, upper + count).flatMap((row) =>
      row.slice(left, left + width).flatMap((n) => [n, 10 * n, 20 * n, 255].slice(0, stride)))),
});

test("every part of a picture is turned, whatever its orientation", () => {
  UPRIGHT.forEach((wanted, index) => {
    for (const stride of /** @type {(3 | 4)[]} */ ([3, 4])) {
      const turned = upright(picture(/** @type {number[][]} */ (UPRIGHT[0]), stride), index + 1);
      const straight = picture(wanted, stride);
      assert.deepEqual([turned.height, turned.width], [straight.height, straight.width]);
      for (let left = 0; left < straight.width; left++) {
        for (let upper = 0; upper < straight.height; upper++) {
          for (let width = 1; left + width <= straight.width; width++) {
            for (let count = 1; upper + count <= straight.height; count++) {
              const [found, right] = [turned, straight].map((one) => [...one.rows(left, upper, width, count)]);
              assert.deepEqual(found, right, `orientation ${index + 1}: ${[left, upper, width, count]}`);
            }
          }
        }
      }
      const rules = ["centre-crop-box-average-1", "stretch-nearest-1", "pad-bilinear-1", "centre-crop-0.875-bilinear-antialias-1"];
      for (const resize of rules) {
        const input = inputOf({ height: 2, width: 2, channels: 3, resize });
        assert.deepEqual(prepare(turned, input), prepare(straight, input), resize);
      }
    }
  });
});

test("a canvas is turned as the pixels are", () => {
  const stored = { height: 2, width: 3 };
  UPRIGHT.forEach((wanted, index) => {
    const [rows, columns] = [wanted.length, Number(wanted[0]?.length)];
    const [a, b, c, d, e, f] = turning(index + 1, columns, rows);
    wanted.forEach((row, upper) => row.forEach((pixel, left) => {
      const part = storedPart(stored, index + 1, { left, upper, width: 1, height: 1 });
      assert.equal(UPRIGHT[0]?.[part.upper]?.[part.left], pixel);
      // Where the middle of that pixel of the whole picture is drawn to.
      const [u, v] = [(part.left + 0.5) / 3, (part.upper + 0.5) / 2];
      const drawn = [a * u + c * v + e, b * u + d * v + f].map((one) => Math.round(one * 1e6) / 1e6);
      assert.deepEqual(drawn, [left + 0.5, upper + 0.5], `orientation ${index + 1}`);
    }));
  });
});

/** EXIF data with one entry.
 * @type {(order: "II" | "MM", tag: number, type: number, value: number) => Uint8Array<ArrayBuffer>} */
function exifOf(order, tag, type, value) {
  const little = order === "II";
  const view = new DataView(new ArrayBuffer(26));
  view.setUint16(0, little ? 0x4949 : 0x4d4d);
  view.setUint16(2, 42, little);
  view.setUint32(4, 8, little);
  view.setUint16(8, 1, little);
  view.setUint16(10, tag, little);
  view.setUint16(12, type, little);
  view.setUint32(14, 1, little);
  view.setUint16(18, value, little);
  return new Uint8Array(view.buffer);
}

test("EXIF's orientation is found in both orders of bytes, and damage is none", () => {
  for (const order of /** @type {("II" | "MM")[]} */ (["II", "MM"])) {
    const whole = exifOf(order, 0x0112, 3, 6);
    assert.equal(orientationIn(whole), 6);
    assert.equal(orientationIn(new Uint8Array([...Buffer.from("Exif\0\0Exif\0\0"), ...whole])), 6);
    for (let length = 0; length < 20; length++) assert.equal(orientationIn(whole.subarray(0, length)), 1);
    for (const value of [0, 9, 65535]) assert.equal(orientationIn(exifOf(order, 0x0112, 3, value)), 1);
    assert.equal(orientationIn(exifOf(order, 0x0113, 3, 6)), 1);
    assert.equal(orientationIn(exifOf(order, 0x0112, 2, 6)), 1);
  }
});

test("a file's orientation is taken out, and nothing else", { skip: NO_FIXTURES }, async () => {
  const cases = jsonFixture("orientations.json");
  assert.equal(cases.length, 3 * 8);
  for (const { file, kind, orientation } of cases) {
    const blob = new Blob([new Uint8Array(fixture(file))]);
    const apart = await orientationApart(blob);
    const left = kind === "JPEG" ? 1 : orientation; // the browser turns a JPEG
    assert.equal(apart.orientation, left, file);
    if (left === 1) {
      assert.equal(apart.stored, blob, file);
      continue;
    }
    const [before, after] = [fixture(file), Buffer.from(await apart.stored.arrayBuffer())];
    const name = kind === "PNG" ? "eXIf" : "EXIF";
    const at = before.indexOf(name);
    const wanted = kind === "PNG"
      ? Buffer.concat([before.subarray(0, at - 4), before.subarray(at + 8 + before.readUInt32BE(at - 4))])
      : Buffer.concat([before.subarray(0, at), Buffer.from("xxxx"), before.subarray(at + 4)]);
    assert.ok(after.equals(wanted), file);
    // The control: a second look finds nothing more.
    assert.equal((await orientationApart(new Blob([new Uint8Array(after)]))).orientation, 1, file);
  }
});

test("a file that is cut anywhere is no reason to fail here", { skip: NO_FIXTURES }, async () => {
  for (const { file } of jsonFixture("orientations.json").filter((/** @type {any} */ one) => one.orientation === 6)) {
    const bytes = new Uint8Array(fixture(file));
    for (let length = 0; length < bytes.length; length += 1 + (length >> 3)) {
      const blob = new Blob([bytes.subarray(0, length)]);
      const { orientation, stored } = await orientationApart(blob);
      assert.ok(orientation === 6 || stored === blob, `${file}, ${length} bytes`);
    }
  }
});
