/**
 * How large a picture file says that it is, read from its first bytes.
 *
 * A browser tells a picture's size only after it has decoded all of it: a file of 50 KB may take
 * gigabytes then. What these headers say is what a decoder makes room for.
 */

import { textAt } from "./containers.js";

/** How much of a file `statedSize` is to be given: a JPEG's size lies behind its metadata. */
export const HEADER_BYTES = 1 << 22;

/** @typedef {{width: number, height: number}} StatedSize */

/**
 * Return the size that a JPEG, PNG, GIF, WebP or BMP file states.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes The file, or its first `HEADER_BYTES`.
 * @returns {StatedSize | null} Null if it is of another kind, or too damaged to state one.
 */
export function statedSize(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const size = sizeIn(bytes, view);
    return size !== null && size.width > 0 && size.height > 0 ? size : null;
  } catch (error) {
    if (error instanceof RangeError) return null; // it ends before its size
    throw error;
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {DataView} view Of the same.
 * @returns {StatedSize | null}
 * @throws {RangeError} If it ends too early.
 */
function sizeIn(bytes, view) {
  const head = textAt(bytes, 0, 16);
  if (head.startsWith("\xff\xd8")) return jpegSize(view);
  if (/^\x89PNG\r\n\x1a\n.{4}IHDR/s.test(head)) {
    return { width: view.getUint32(16), height: view.getUint32(20) };
  }
  if (head.startsWith("GIF8")) {
    return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
  }
  if (/^RIFF.{4}WEBP/s.test(head)) return webpSize(view, head.slice(12));
  if (head.startsWith("BM")) return bmpSize(view);
  return null;
}

/**
 * JPEG (ITU-T T.81, B.2.2): segments up to the one that begins a frame, SOFn.
 *
 * @param {DataView} view
 * @returns {StatedSize | null}
 */
function jpegSize(view) {
  for (let at = 2; view.getUint8(at) === 0xff; ) {
    const marker = view.getUint8(at + 1);
    // C4, C8 and CC are no frames, though they lie among them.
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    if (marker === 0xd9 || marker === 0xda) return null; // the end, or a scan before any frame
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/**
 * WebP (RFC 9649): one of three kinds of chunk comes first.
 *
 * @param {DataView} view
 * @param {string} kind The first chunk's name.
 * @returns {StatedSize | null}
 */
function webpSize(view, kind) {
  if (kind === "VP8 ") {
    // Two bits above each are a scale for display.
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  }
  if (kind === "VP8L") {
    const packed = view.getUint32(21, true);
    return { width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1 };
  }
  if (kind === "VP8X") {
    /** @type {(at: number) => number} */
    const of24Bits = (at) => view.getUint16(at, true) + view.getUint8(at + 2) * 0x10000;
    return { width: of24Bits(24) + 1, height: of24Bits(27) + 1 };
  }
  return null;
}

/**
 * BMP: of OS/2 in its first version, or of Windows, where a negative height means top down.
 *
 * @param {DataView} view
 * @returns {StatedSize}
 */
function bmpSize(view) {
  if (view.getUint32(14, true) === 12) {
    return { width: view.getUint16(18, true), height: view.getUint16(20, true) };
  }
  return { width: view.getInt32(18, true), height: Math.abs(view.getInt32(22, true)) };
}
