/**
 * Which way up a picture is, where browsers do not agree on it.
 *
 * Browsers turn a JPEG upright by its EXIF orientation; a WebP, none of those tested does, and a
 * PNG, only some. So in files of these two kinds the orientation is read here and taken out, and
 * what was decoded is turned here: the same in all browsers, and as Python's decoder does.
 */

import { textAt } from "./containers.js";

/** @typedef {import("./preprocess.js").PixelSource} PixelSource */
/** @typedef {import("./fits.js").Crop} Crop */

const ORIENTATION_TAG = 0x0112; // Exif 2.32, section 4.6.5
const TYPE_SHORT = 3;
/** The orientations whose stored columns begin at the right of what is stored, whose rows begin
 * at its bottom, and whose rows and columns change places. */
const FROM_RIGHT = [2, 3, 7, 8];
const FROM_BOTTOM = [3, 4, 6, 7];
const ON_SIDE = [5, 6, 7, 8];

/**
 * Part a picture from its orientation.
 *
 * @param {Blob} file
 * @returns {Promise<{stored: Blob, orientation: number}>} What to decode, and how to turn it: 1 to
 *   8 as in EXIF, 1 where nothing is left to do.
 */
export async function orientationApart(file) {
  const head = textAt(new Uint8Array(await file.slice(0, 12).arrayBuffer()), 0, 12);
  const isWebp = /^RIFF.{4}WEBP/s.test(head);
  if (!isWebp && !head.startsWith("\x89PNG")) return { stored: file, orientation: 1 };
  const bytes = new Uint8Array(await file.arrayBuffer());
  const chunk = isWebp ? findChunk(bytes, 12, "EXIF") : findChunk(bytes, 8, "eXIf");
  if (chunk === null) return { stored: file, orientation: 1 };
  const orientation = orientationIn(bytes.subarray(chunk.start, chunk.end));
  if (orientation === 1) return { stored: file, orientation };
  // A name that readers do not know; they pass over such a chunk. A PNG's checksum would not fit.
  if (isWebp) bytes.set([0x78, 0x78, 0x78, 0x78], chunk.at);
  const parts = isWebp ? [bytes] : [bytes.subarray(0, chunk.at - 4), bytes.subarray(chunk.end + 4)];
  return { stored: new Blob(parts), orientation };
}

/**
 * Find a chunk: of RIFF (RFC 9649), name, length and data, or of PNG (ISO/IEC 15948), length,
 * name, data and checksum.
 *
 * @param {Uint8Array} bytes
 * @param {number} first Where the first chunk begins.
 * @param {"EXIF" | "eXIf"} name The former is RIFF's.
 * @returns {{at: number, start: number, end: number} | null} Where its name is and its data, or
 *   null if there is none, or not all of it.
 */
function findChunk(bytes, first, name) {
  const view = new DataView(bytes.buffer);
  const isRiff = name === "EXIF";
  for (let at = first; at + 8 <= bytes.length; ) {
    const length = view.getUint32(isRiff ? at + 4 : at, isRiff);
    const named = isRiff ? at : at + 4;
    const end = at + 8 + length;
    if (textAt(bytes, named, 4) === name) {
      return end <= bytes.length ? { at: named, start: at + 8, end } : null;
    }
    at = isRiff ? end + (length % 2) : end + 4;
  }
  return null;
}

/**
 * Read the orientation from EXIF data, which are a TIFF file's first directory.
 *
 * @param {Uint8Array} exif
 * @returns {number} 1 where there is none, or it is damaged: the pixels may be fine.
 */
export function orientationIn(exif) {
  let start = 0;
  while (start < 12 && textAt(exif, start, 6) === "Exif\0\0") start += 6;
  const view = new DataView(exif.buffer, exif.byteOffset + start, exif.byteLength - start);
  const order = textAt(exif, start, 2);
  if (order !== "II" && order !== "MM") return 1;
  const little = order === "II";
  try {
    const directory = view.getUint32(4, little);
    const count = view.getUint16(directory, little);
    for (let at = directory + 2; at < directory + 2 + 12 * count; at += 12) {
      if (view.getUint16(at, little) !== ORIENTATION_TAG) continue;
      if (view.getUint16(at + 2, little) !== TYPE_SHORT) return 1;
      const found = view.getUint16(at + 8, little);
      return found >= 1 && found <= 8 ? found : 1;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // one says that the data end too early
  }
  return 1;
}

/**
 * Turn a picture upright, part by part as it is read.
 *
 * @param {PixelSource} source As stored; its rows are asked for in any order.
 * @param {number} orientation
 * @returns {PixelSource}
 */
export function upright(source, orientation) {
  if (orientation === 1) return source;
  const { stride } = source;
  const onSide = ON_SIDE.includes(orientation);
  return {
    height: onSide ? source.width : source.height,
    width: onSide ? source.height : source.width,
    stride,
    rows(left, upper, width, height) {
      const part = storedPart(source, orientation, { left, upper, width, height });
      const stored = source.rows(part.left, part.upper, part.width, part.height);
      const right = (FROM_RIGHT.includes(orientation) ? -1 : 1) * stride;
      const down = (FROM_BOTTOM.includes(orientation) ? -1 : 1) * part.width * stride;
      const [onColumn, onRow] = onSide ? [down, right] : [right, down];
      const start = (right < 0 ? part.width - 1 : 0) * stride - (down < 0 ? part.height - 1 : 0) * down;
      const turned = new Uint8ClampedArray(width * height * stride);
      let to = 0;
      for (let row = 0; row < height; row++) {
        let from = start + row * onRow;
        for (let column = 0; column < width; column++, from += onColumn) {
          for (let at = from; at < from + stride; at++) turned[to++] = Number(stored[at]);
        }
      }
      return turned;
    },
  };
}

/**
 * Say where a part of the upright picture is stored.
 *
 * @param {{height: number, width: number}} stored All that is stored.
 * @param {number} orientation
 * @param {Crop} crop Of the upright picture.
 * @returns {Crop}
 */
export function storedPart(stored, orientation, crop) {
  const part = ON_SIDE.includes(orientation)
    ? { left: crop.upper, upper: crop.left, width: crop.height, height: crop.width }
    : { ...crop };
  if (FROM_RIGHT.includes(orientation)) part.left = stored.width - part.left - part.width;
  if (FROM_BOTTOM.includes(orientation)) part.upper = stored.height - part.upper - part.height;
  return part;
}

/**
 * Say how a canvas turns what is drawn as stored, into a square of side 1: that fills a part of it.
 *
 * @param {number} orientation
 * @param {number} width Of what is to be filled.
 * @param {number} height Of what is to be filled.
 * @returns {[number, number, number, number, number, number]} For `transform`.
 */
export function turning(orientation, width, height) {
  const right = FROM_RIGHT.includes(orientation) ? -1 : 1;
  const down = FROM_BOTTOM.includes(orientation) ? -1 : 1;
  return ON_SIDE.includes(orientation)
    ? [0, right * height, down * width, 0, down < 0 ? width : 0, right < 0 ? height : 0]
    : [right * width, 0, 0, down * height, right < 0 ? width : 0, down < 0 ? height : 0];
}
