/**
 * Picture files before they are decoded: is all of one there, and does it change its own colours?
 *
 * Python's decoder refuses a file that was cut short and takes colours as they are stored. Browsers
 * differ: WebKit and Firefox show as much of a cut file as they can, and WebKit follows a colour
 * profile, also when asked not to. So both is settled here, the same for all of them.
 */

import { ClassifierError } from "./errors.js";

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** Chunks of PNG that say what its colours are to look like. */
const PNG_COLOURS = ["gAMA", "cHRM", "sRGB", "iCCP", "cICP"];
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1;
  return rest;
});

/**
 * Return a picture file without what would change its colours. What is no JPEG, PNG, GIF, WebP or
 * BMP is returned as it is.
 *
 * @param {Blob} file
 * @returns {Promise<Blob>}
 * @throws {ClassifierError} `damaged` if it ends too early, or a PNG's checksum is wrong.
 */
export async function asStored(file) {
  /** @type {Bytes} */
  const bytes = new Uint8Array(await file.arrayBuffer());
  const head = textAt(bytes, 0, 12);
  let parts;
  if (head.startsWith("\xff\xd8\xff")) parts = jpegParts(bytes);
  else if (head.startsWith("\x89PNG")) parts = pngParts(bytes);
  else if (head.startsWith("GIF8")) parts = isWholeGif(bytes) ? [bytes] : null;
  else if (/^RIFF....WEBP$/s.test(head)) parts = webpParts(bytes);
  else if (head.startsWith("BM")) parts = isWholeBmp(bytes) ? [bytes] : null;
  else return file;
  if (parts === null) throw new ClassifierError("damaged", "a part of the file is missing or wrong");
  return new Blob(parts);
}

/**
 * JPEG (ITU-T T.81, annex B): segments, and between them coded data, in which a marker's first
 * byte is followed by 0. A profile lies in segments APP2.
 *
 * @param {Bytes} bytes
 * @returns {Bytes[] | null} Null without the marker of the end.
 */
function jpegParts(bytes) {
  const parts = [];
  let kept = 0;
  let at = 2;
  for (;;) {
    at = bytes.indexOf(0xff, at);
    if (at < 0 || at + 1 >= bytes.length) return null;
    const marker = Number(bytes[at + 1]);
    if (marker === 0xd9) return [...parts, bytes.subarray(kept)];
    if (marker === 0xff) {
      at += 1; // filling
    } else if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2; // no segment
    } else {
      const end = at + 2 + Number(bytes[at + 2]) * 256 + Number(bytes[at + 3]);
      if (!(end <= bytes.length)) return null;
      if (marker === 0xe2 && textAt(bytes, at + 4, 11) === "ICC_PROFILE") {
        parts.push(bytes.subarray(kept, at));
        kept = end;
      }
      at = end;
    }
  }
}

/**
 * PNG (ISO/IEC 15948): a signature, and chunks of length, type, data and checksum.
 *
 * @param {Bytes} bytes
 * @returns {Bytes[] | null} Null without the last chunk, or if a checksum is wrong.
 */
function pngParts(bytes) {
  const view = new DataView(bytes.buffer);
  const parts = [bytes.subarray(0, 8)];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const type = textAt(bytes, at + 4, 4);
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) return null;
    // A small first letter: a picture can be read without this chunk.
    const needed = /^[A-Z]/.test(type);
    if (needed && crc(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4)) return null;
    if (!PNG_COLOURS.includes(type)) parts.push(bytes.subarray(at, end));
    if (type === "IEND") return parts;
    at = end;
  }
  return null;
}

/**
 * WebP (RFC 9649): a profile is a chunk that the header announces. Both are made to say nothing.
 *
 * @param {Bytes} bytes Changed.
 * @returns {Bytes[] | null} Null if it is shorter than it says.
 */
function webpParts(bytes) {
  const view = new DataView(bytes.buffer);
  if (8 + view.getUint32(4, true) > bytes.length) return null;
  const extended = textAt(bytes, 12, 4) === "VP8X" && bytes.length >= 38;
  if (extended && textAt(bytes, 30, 4) === "ICCP") {
    view.setUint8(20, view.getUint8(20) & ~0x20);
    view.setUint32(30, 0x78787878); // "xxxx": readers pass over chunks that they do not know
  }
  return [bytes];
}

/**
 * GIF (version 89a): tables of colours, and blocks, up to the end of the first picture's.
 *
 * @param {Bytes} bytes
 * @returns {boolean}
 */
function isWholeGif(bytes) {
  /** @type {(packed: number | undefined) => number} */
  const table = (packed = 0) => (packed & 0x80 ? 3 << ((packed & 7) + 1) : 0);
  /** @type {(at: number) => number} */
  const afterBlocks = (at) => {
    while (Number(bytes[at]) > 0) at += Number(bytes[at]) + 1;
    return at + 1;
  };
  let at = 13 + table(bytes[10]);
  while (bytes[at] === 0x21) at = afterBlocks(at + 2);
  if (bytes[at] !== 0x2c) return false;
  return afterBlocks(at + 11 + table(bytes[at + 9])) <= bytes.length;
}

/**
 * BMP, as Windows has it since version 3; what is compressed is left to the browser.
 *
 * @param {Bytes} bytes
 * @returns {boolean}
 */
function isWholeBmp(bytes) {
  if (bytes.length < 54) return false;
  const view = new DataView(bytes.buffer);
  const compressed = ![0, 3, 6].includes(view.getUint32(30, true));
  if (view.getUint32(14, true) < 40 || compressed) return true;
  const row = Math.ceil((view.getInt32(18, true) * view.getUint16(28, true)) / 32) * 4;
  const rows = Math.abs(view.getInt32(22, true));
  return view.getUint32(10, true) + row * rows <= bytes.length;
}

/**
 * Read the names that such files have in them.
 *
 * @param {Uint8Array} bytes
 * @param {number} at
 * @param {number} count
 * @returns {string} One character a byte; fewer at the end.
 */
export function textAt(bytes, at, count) {
  return String.fromCharCode(...bytes.subarray(at, at + count));
}

/**
 * The checksum of PNG (ISO 3309).
 *
 * @param {Uint8Array} bytes
 * @returns {number}
 */
function crc(bytes) {
  let rest = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) {
    const byte = /** @type {number} */ (bytes[at]);
    rest = /** @type {number} */ (CRC_TABLE[(rest ^ byte) & 0xff]) ^ (rest >>> 8);
  }
  return ~rest >>> 0;
}
