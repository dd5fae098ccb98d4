/**
 * The resize rules, in integers.
 *
 * They give the same bytes as `edgecnn_runner/images/preprocess.py`, where the rules are written down; a
 * canvas would scale in another way on every phone. Nothing is scaled anywhere else in this app.
 */

import { fitOf, floorDivide } from "./fits.js";

/** @typedef {import("./fits.js").Crop} Crop */
/** @typedef {import("./fits.js").Side} Side */
/** @typedef {import("./fits.js").ModelInput} ModelInput */

/** An image to read rows from. `stride` is 3 for RGB, 4 for RGBA; `rows` gives `count` rows of
 * `width` pixels, starting at the column `left` and the row `upper`, one after the other; it is
 * asked from the top down, and only the last answer has to stay valid.
 * @typedef {object} PixelSource
 * @property {number} height
 * @property {number} width
 * @property {3 | 4} stride
 * @property {(left: number, upper: number, width: number, count: number) =>
 *   Uint8Array | Uint8ClampedArray} rows */

/** What a filter makes: RGB, `rows.kept` x `columns.kept` pixels.
 * @typedef {(source: PixelSource, rows: Side, columns: Side) => Uint8Array} Filter */

/** From which pixels each output is mixed. Output i is mixed from `counts[i]` pixels, the first of
 * which is `firsts[i]`; their weights, in units of 2 ** -22, begin at `starts[i]` of `weights`.
 * @typedef {object} Mixing
 * @property {number[]} firsts
 * @property {number[]} counts
 * @property {number[]} starts
 * @property {Float64Array} weights */

/** Beyond it a picture is refused, as by the Python runner (`MAX_PIXELS` in `decode.py`). */
export const MAX_PIXELS = 2 ** 26;

/**
 * Wrap pixels that are in memory.
 *
 * @param {Uint8Array | Uint8ClampedArray} pixels Row by row, `channels` bytes a pixel.
 * @param {number} height
 * @param {number} width
 * @param {number} channels 1 (luma), 3 (RGB) or 4 (RGBA).
 * @returns {PixelSource}
 * @throws {RangeError} If there are not height * width * channels bytes, or no pixel.
 */
export function pixelsInMemory(pixels, height, width, channels) {
  if (height < 1 || width < 1 || pixels.length !== height * width * channels) {
    throw new RangeError(`${pixels.length} bytes are no image of ${height} x ${width} x ${channels}`);
  }
  const stride = channels === 4 ? 4 : 3;
  const bytes = channels === 1 ? threeTimes(pixels) : pixels;
  return {
    height,
    width,
    stride,
    rows(left, upper, columns, count) {
      if (columns === width) {
        return bytes.subarray(upper * width * stride, (upper + count) * width * stride);
      }
      const part = new Uint8Array(count * columns * stride);
      for (let row = 0; row < count; row++) {
        const start = ((upper + row) * width + left) * stride;
        part.set(bytes.subarray(start, start + columns * stride), row * columns * stride);
      }
      return part;
    },
  };
}

/**
 * Bring an image to the size a model wants.
 *
 * RGBA is put on white first, as `decode.py` does: `(c * a + 255 * (255 - a) + 127) // 255`.
 * Memory beyond the source is that of the rows under one row of the result.
 *
 * @param {PixelSource} source
 * @param {ModelInput} input
 * @returns {Uint8Array} height * width * channels bytes, row by row.
 */
export function prepare(source, input) {
  const { rows, columns } = fitOf(source.height, source.width, input);
  const resized = FILTERS[input.resize.filter](source, rows, columns);
  const placed = onBlack(resized, rows, columns, input);
  return input.channels === 1 ? toLuma(placed) : placed;
}

/**
 * Say which part of an image `prepare` reads. Rows it asks for lie in it, and are as wide.
 *
 * @param {number} height Of the image.
 * @param {number} width Of the image.
 * @param {ModelInput} input
 * @returns {Crop}
 */
export function partRead(height, width, input) {
  const { rows, columns } = fitOf(height, width, input);
  const [down, across] = [rows, columns].map((side) => {
    if (input.resize.filter !== "bilinear-antialias") return side;
    const [first] = support(side, 0);
    const [, last] = support(side, side.kept - 1);
    return { first: side.first + first, length: last - first + 1 };
  });
  const [left, upper] = [Number(across?.first), Number(down?.first)];
  return { left, upper, width: Number(across?.length), height: Number(down?.length) };
}

/** What the weights of `bilinear-antialias` add up to; the precision of Pillow's Resample.c. */
const UNIT = 2 ** 22;

/** @type {Record<import("./contract.js").ResizeRule["filter"], Filter>} */
const FILTERS = {
  "box-average": boxAverage,
  nearest,
  bilinear,
  "bilinear-antialias": bilinearAntialiased,
};

/**
 * Average over boxes of equal size.
 *
 * All sums are integers: those of a box below 255 * H * W, those of a row below 255 * H * W *
 * width, for 2 ** 26 pixels and a width of 2 ** 14 less than 2 ** 48.
 *
 * @type {Filter}
 */
function boxAverage(source, rows, columns) {
  const [height, width] = [rows.resized, columns.resized];
  const area = rows.length * columns.length;
  const half = floorDivide(area, 2);
  const result = new Uint8Array(height * width * 3);
  const sums = new Float64Array(columns.length * 3);
  const integral = new Float64Array((width + 1) * 3);
  for (let index = 0; index < height; index++) {
    weightedRows(source, rows, columns, index, sums);
    integrate(sums, columns.length, width, integral);
    for (let at = 0; at < width * 3; at++) {
      const sum = /** @type {number} */ (integral[at + 3]) - /** @type {number} */ (integral[at]);
      result[index * width * 3 + at] = floorDivide(sum + half, area);
    }
  }
  return result;
}

/**
 * Sum the rows of one row of boxes, each by the share it has in them, in units of 1 / resized.
 *
 * @param {PixelSource} source
 * @param {Side} rows
 * @param {Side} columns
 * @param {number} index Which row of boxes.
 * @param {Float64Array} sums Three for each column; overwritten.
 */
function weightedRows(source, rows, columns, index, sums) {
  const unit = rows.resized;
  const [start, stop] = [index * rows.length, (index + 1) * rows.length];
  const first = floorDivide(start, unit);
  const last = floorDivide(stop - 1, unit);
  const stride = source.stride;
  const count = last - first + 1;
  const bytes = source.rows(columns.first, rows.first + first, columns.length, count);
  sums.fill(0);
  let at = 0;
  for (let row = first; row <= last; row++) {
    const weight = Math.min(stop, (row + 1) * unit) - Math.max(start, row * unit);
    for (let sum = 0; sum < sums.length; sum += 3, at += stride) {
      const alpha = stride === 4 ? /** @type {number} */ (bytes[at + 3]) : 255;
      for (let channel = 0; channel < 3; channel++) {
        const value = onWhite(/** @type {number} */ (bytes[at + channel]), alpha);
        sums[sum + channel] = /** @type {number} */ (sums[sum + channel]) + value * weight;
      }
    }
  }
}

/**
 * Write the integral of a row up to each edge of the result's columns.
 *
 * In units of 1/width of a source column, edge i is at i * columns.
 *
 * @param {Float64Array} values Three for each source column.
 * @param {number} columns How many source columns.
 * @param {number} width How many columns the result has.
 * @param {Float64Array} integral Three for each edge, width + 1 edges; overwritten.
 */
function integrate(values, columns, width, integral) {
  for (let channel = 0; channel < 3; channel++) {
    let prefix = 0;
    let column = 0;
    for (let edge = 0; edge <= width; edge++) {
      const whole = floorDivide(edge * columns, width);
      for (; column < whole; column++) {
        prefix += /** @type {number} */ (values[column * 3 + channel]);
      }
      // The last edge lies behind the last pixel, of which there is no share.
      const share = (edge * columns) % width;
      const next = share ? /** @type {number} */ (values[whole * 3 + channel]) : 0;
      integral[edge * 3 + channel] = prefix * width + next * share;
    }
  }
}

/**
 * Take the pixel in which the middle of each pixel of the result lies.
 *
 * @type {Filter}
 */
function nearest(source, rows, columns) {
  const across = middles(columns);
  const result = new Uint8Array(rows.resized * columns.resized * 3);
  let at = 0;
  for (const row of middles(rows)) {
    const bytes = rgbRows(source, rows, columns, row, 1);
    for (const column of across) {
      for (let channel = 0; channel < 3; channel++) {
        result[at++] = /** @type {number} */ (bytes[column * 3 + channel]);
      }
    }
  }
  return result;
}

/**
 * Say in which pixels the middles of those of the result lie.
 *
 * As in Pillow, whose sum of doubles decides where a middle is just between two pixels. Doubles are
 * the same in Python.
 *
 * @param {Side} side
 * @returns {number[]}
 */
function middles({ length, resized }) {
  const step = length / resized;
  let place = step / 2;
  return Array.from({ length: resized }, () => {
    const pixel = Math.min(Math.floor(place), length - 1);
    place += step;
    return pixel;
  });
}

/**
 * Mix the four pixels around the middle of each pixel of the result, however many lie between them.
 *
 * The weights are below 2 ** 15 on a side, so a weighted sum is below 255 * 2 ** 30.
 *
 * @type {Filter}
 */
function bilinear(source, rows, columns) {
  const across = Array.from({ length: columns.resized }, (_, index) => around(columns, index));
  const [tall, wide] = [2 * rows.resized, 2 * columns.resized];
  const all = tall * wide;
  const result = new Uint8Array(rows.resized * columns.resized * 3);
  let at = 0;
  for (let index = 0; index < rows.resized; index++) {
    const [upper, lower, down] = around(rows, index);
    const bytes = rgbRows(source, rows, columns, upper, lower - upper + 1);
    const below = (lower - upper) * columns.length * 3;
    for (const [left, right, share] of across) {
      for (let channel = 0; channel < 3; channel++) {
        /** @type {(row: number) => number} */
        const mixed = (row) =>
          Number(bytes[row + left * 3 + channel]) * (wide - share) +
          Number(bytes[row + right * 3 + channel]) * share;
        const sum = mixed(0) * (tall - down) + mixed(below) * down;
        result[at++] = floorDivide(sum + all / 2, all);
      }
    }
  }
  return result;
}

/**
 * Find the two pixels between whose middles the middle of a pixel of the result lies.
 *
 * @param {Side} side
 * @param {number} index Of the result.
 * @returns {[number, number, number]} Both, the same twice at an edge, and the weight of the second
 *   in units of which both have 2 * resized.
 */
function around({ length, resized }, index) {
  // Where it lies, counted from the middle of the pixel before the first: never negative.
  const position = (2 * index + 1) * length + resized; // below 2 ** 42
  const second = floorDivide(position, 2 * resized);
  return [Math.max(0, second - 1), Math.min(second, length - 1), position % (2 * resized)];
}

/**
 * Mix all pixels under a triangle around the middle of each pixel of the result: first along the
 * rows, rounded to bytes, then along the columns.
 *
 * A side whose size does not change is mixed from one pixel each, so it stays as it is.
 *
 * @type {Filter}
 */
function bilinearAntialiased(source, rows, columns) {
  const [down, across] = [mixingOf(rows), mixingOf(columns)];
  const [top, left] = [Number(down.firsts[0]), Number(across.firsts[0])];
  const part = { first: columns.first + left, length: endOf(across) - left };
  const stride = columns.kept * 3;
  const result = new Uint8Array(rows.kept * stride);
  // The rows under one row of the result, mixed along themselves already.
  const band = new Uint8Array(Math.max(...down.counts) * stride);
  let [begin, end] = [top, top];
  for (let index = 0; index < rows.kept; index++) {
    const first = Number(down.firsts[index]);
    band.copyWithin(0, (first - begin) * stride, (end - begin) * stride);
    begin = first;
    const more = first + Number(down.counts[index]) - end;
    if (more > 0) {
      const bytes = rgbRows(source, rows, part, end, more);
      for (let row = 0; row < more; row++, end++) {
        const line = bytes.subarray(row * part.length * 3, (row + 1) * part.length * 3);
        mixLine(line, left, across, band.subarray((end - begin) * stride));
      }
    }
    for (let at = 0; at < stride; at++) {
      result[index * stride + at] = mix(band, at, stride, down, index);
    }
  }
  return result;
}

/**
 * @param {Uint8Array | Uint8ClampedArray} line RGB.
 * @param {number} left Which pixel of the row it begins with.
 * @param {Mixing} mixing
 * @param {Uint8Array} mixed RGB; overwritten from its beginning.
 */
function mixLine(line, left, mixing, mixed) {
  for (const [index, first] of mixing.firsts.entries()) {
    for (let channel = 0; channel < 3; channel++) {
      const at = (first - left) * 3 + channel;
      mixed[index * 3 + channel] = mix(line, at, 3, mixing, index);
    }
  }
}

/**
 * @param {Uint8Array | Uint8ClampedArray} bytes
 * @param {number} at Where the first byte to mix lies.
 * @param {number} step From one byte to the next.
 * @param {Mixing} mixing
 * @param {number} index Which of its outputs.
 * @returns {number} A byte.
 */
function mix(bytes, at, step, { starts, counts, weights }, index) {
  const start = /** @type {number} */ (starts[index]);
  const end = start + /** @type {number} */ (counts[index]);
  let total = UNIT / 2;
  for (let tap = start; tap < end; tap++, at += step) {
    total += /** @type {number} */ (weights[tap]) * /** @type {number} */ (bytes[at]);
  }
  // Each weight is rounded by itself, so they may add up to a little more than one.
  return Math.min(255, Math.floor(total / UNIT));
}

/**
 * Say how the pixels of a side are mixed under triangles.
 *
 * In units in which a pixel of the picture is 2 * resized wide, pixel x has its middle at
 * (2 * x + 1) * resized, output i at (2 * i + 1) * length, and the triangle ends at a distance of
 * `reach`, 2 * max(length, resized), at which its weight is 0. All weights of an output are divided
 * by their sum and rounded to 22 bits, as Pillow has them. Where a picture is resized before it is
 * cropped, `resized` may be near 2 ** 50, so positions and what is divided are not computed in doubles.
 *
 * @param {Side} side
 * @returns {Mixing}
 */
function mixingOf(side) {
  const { length, resized, skipped, kept } = side;
  const reach = 2n * BigInt(Math.max(length, resized));
  const supports = Array.from({ length: kept }, (_, index) => support(side, index));
  const firsts = supports.map(([first]) => first);
  const counts = supports.map(([first, last]) => last - first + 1);
  /** @type {number[]} */
  const starts = [];
  const weights = new Float64Array(counts.reduce((all, count) => all + count, 0));
  let at = 0;
  for (const [index, first] of firsts.entries()) {
    starts.push(at);
    const middle = (2n * BigInt(skipped + index) + 1n) * BigInt(length);
    const start = (2n * BigInt(first) + 1n) * BigInt(resized) - middle;
    const raw = Array.from({ length: Number(counts[index]) }, (_, tap) => {
      const distance = start + 2n * BigInt(tap) * BigInt(resized);
      return reach - (distance < 0n ? -distance : distance);
    });
    const sum = raw.reduce((all, weight) => all + weight, 0n);
    for (const weight of raw) {
      weights[at++] = Number((weight * 2n * BigInt(UNIT) + sum) / (2n * sum));
    }
  }
  return { firsts, counts, starts, weights };
}

/**
 * Find the first and the last pixel under the triangle of an output, as `mixingOf` has it.
 *
 * @param {Side} side
 * @param {number} index Of those outputs that are kept.
 * @returns {[number, number]}
 */
function support({ length, resized, skipped }, index) {
  const middle = (2n * BigInt(skipped + index) + 1n) * BigInt(length);
  const [reach, half] = [2n * BigInt(Math.max(length, resized)), BigInt(resized)];
  const before = middle - reach - half;
  const first = before < 0n ? 0n : before / (2n * half) + 1n;
  const last = (middle + reach - half - 1n) / (2n * half);
  return [Number(first), Math.min(Number(last), length - 1)];
}

/**
 * @param {Mixing} mixing
 * @returns {number} Behind the last pixel of all outputs.
 */
function endOf({ firsts, counts }) {
  return Number(firsts.at(-1)) + Number(counts.at(-1));
}

/**
 * Read rows of a part, on white.
 *
 * @param {PixelSource} source
 * @param {{first: number}} rows Of the part.
 * @param {{first: number, length: number}} columns Of the part.
 * @param {number} index The first row, counted in the part.
 * @param {number} count Of rows.
 * @returns {Uint8Array | Uint8ClampedArray} RGB; valid until the next call.
 */
function rgbRows(source, rows, columns, index, count) {
  const bytes = source.rows(columns.first, rows.first + index, columns.length, count);
  if (source.stride === 3) return bytes;
  const rgb = new Uint8Array(columns.length * count * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    const alpha = /** @type {number} */ (bytes[from + 3]);
    rgb[to] = onWhite(/** @type {number} */ (bytes[from]), alpha);
    rgb[to + 1] = onWhite(/** @type {number} */ (bytes[from + 1]), alpha);
    rgb[to + 2] = onWhite(/** @type {number} */ (bytes[from + 2]), alpha);
  }
  return rgb;
}

/**
 * @param {number} value
 * @param {number} alpha
 * @returns {number}
 */
function onWhite(value, alpha) {
  return alpha === 255 ? value : floorDivide(value * alpha + 255 * (255 - alpha) + 127, 255);
}

/**
 * Put what was resized where the model sees it; around it is black.
 *
 * @param {Uint8Array} resized
 * @param {Side} rows
 * @param {Side} columns
 * @param {ModelInput} input
 * @returns {Uint8Array}
 */
function onBlack(resized, rows, columns, { height, width }) {
  if (rows.kept === height && columns.kept === width) return resized;
  const placed = new Uint8Array(height * width * 3);
  for (let row = 0; row < rows.kept; row++) {
    const line = resized.subarray(row * columns.kept * 3, (row + 1) * columns.kept * 3);
    placed.set(line, ((rows.place + row) * width + columns.place) * 3);
  }
  return placed;
}

/**
 * Weigh R, G and B as ITU-R BT.601 does, in thousandths.
 *
 * @param {Uint8Array} rgb
 * @returns {Uint8Array} One byte a pixel.
 */
function toLuma(rgb) {
  const luma = new Uint8Array(rgb.length / 3);
  for (let index = 0; index < luma.length; index++) {
    const [red = 0, green = 0, blue = 0] = rgb.subarray(index * 3, index * 3 + 3);
    luma[index] = floorDivide(299 * red + 587 * green + 114 * blue + 500, 1000);
  }
  return luma;
}

/**
 * @param {Uint8Array | Uint8ClampedArray} luma
 * @returns {Uint8Array}
 */
function threeTimes(luma) {
  const rgb = new Uint8Array(luma.length * 3);
  luma.forEach((value, index) => rgb.fill(value, index * 3, index * 3 + 3));
  return rgb;
}
