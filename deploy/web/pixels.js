/**
 * Picture files and video frames to pixels, unscaled.
 *
 * Rows are read through a canvas as large as what is read at a time, since phones limit how many
 * pixels a canvas has. A canvas stores colours multiplied with their opacity, c * a / 255 rounded,
 * which loses digits of c; on white, where the resize rule puts them, that same product is all that
 * counts, so nothing is lost in the result.
 */

import { asStored } from "./containers.js";
import { ClassifierError } from "./errors.js";
import { fitOf, partSeen } from "./fits.js";
import { orientationApart, storedPart, turning, upright } from "./orientation.js";
import { MAX_PIXELS, partRead } from "./preprocess.js";
import { HEADER_BYTES, statedSize } from "./sizes.js";

/** @typedef {import("./preprocess.js").PixelSource} PixelSource */
/** @typedef {import("./fits.js").ModelInput} ModelInput */

/** How the files begin that browsers read: JPEG, PNG, GIF, BMP, RIFF (WebP), then ISO media
 * (AVIF, HEIC) by its fifth to eighth byte, and TIFF, which few of them read. */
const SIGNATURES = [
  { at: 0, bytes: [0xff, 0xd8, 0xff] },
  { at: 0, bytes: [0x89, 0x50, 0x4e, 0x47] },
  { at: 0, bytes: [0x47, 0x49, 0x46, 0x38] },
  { at: 0, bytes: [0x42, 0x4d] },
  { at: 0, bytes: [0x52, 0x49, 0x46, 0x46] },
  { at: 4, bytes: [0x66, 0x74, 0x79, 0x70] },
  { at: 0, bytes: [0x49, 0x49, 0x2a, 0x00] },
  { at: 0, bytes: [0x4d, 0x4d, 0x00, 0x2a] },
];

/** How all pictures are decoded: upright by the file's orientation, colours as stored.
 * @type {ImageBitmapOptions} */
const DECODING = {
  imageOrientation: "from-image",
  colorSpaceConversion: "none",
  premultiplyAlpha: "none",
};

/** A picture to read from, upright; `orientation` says how that is made of `bitmap`. `close` frees
 * its memory.
 * @typedef {object} OpenPicture
 * @property {PixelSource} source
 * @property {ImageBitmap} bitmap
 * @property {number} orientation
 * @property {() => void} close */

/**
 * Decode a picture: its first frame, upright by its EXIF orientation, colours as stored.
 *
 * @param {Blob} file
 * @returns {Promise<OpenPicture>}
 * @throws {ClassifierError} `empty`, `type`, `damaged` or `large`.
 */
export async function openPicture(file) {
  // Before it is decoded, which could take more memory than a phone has.
  refuseLarge(statedSize(new Uint8Array(await file.slice(0, HEADER_BYTES).arrayBuffer())));
  if (file.size === 0) throw new ClassifierError("empty", "0 bytes");
  const { stored, orientation } = await orientationApart(await asStored(file));
  let bitmap;
  try {
    bitmap = await createImageBitmap(stored, DECODING);
  } catch (error) {
    const code = (await looksLikePicture(file)) ? "damaged" : "type";
    throw new ClassifierError(code, String(error));
  }
  try {
    refuseLarge(bitmap);
  } catch (error) {
    bitmap.close();
    throw error;
  }
  const source = upright(new BitmapReader(bitmap), orientation);
  return { source, bitmap, orientation, close: () => bitmap.close() };
}

/**
 * @param {import("./sizes.js").StatedSize | null} size Null if it is not known yet.
 * @throws {ClassifierError} `large`.
 */
function refuseLarge(size) {
  if (size !== null && size.width * size.height > MAX_PIXELS) {
    throw new ClassifierError("large", `${size.width} x ${size.height} pixels`);
  }
}

/** @implements {PixelSource} */
class BitmapReader {
  /** @param {ImageBitmap} bitmap */
  constructor(bitmap) {
    this.bitmap = bitmap;
    this.height = bitmap.height;
    this.width = bitmap.width;
    /** @type {4} */
    this.stride = 4;
    this.context = readableContext();
  }

  /**
   * @param {number} left
   * @param {number} upper
   * @param {number} width
   * @param {number} count
   * @returns {Uint8ClampedArray}
   */
  rows(left, upper, width, count) {
    const { bitmap, context } = this;
    fitCanvas(context.canvas, width, count);
    context.clearRect(0, 0, width, count);
    context.drawImage(bitmap, left, upper, width, count, 0, 0, width, count);
    return context.getImageData(0, 0, width, count).data;
  }
}

/** Reads the part of video frames that a model's resize rule reads. */
export class FrameReader {
  /** @param {ModelInput} input */
  constructor(input) {
    this.input = input;
    this.context = readableContext();
  }

  /**
   * Read the frame that is shown now.
   *
   * @param {HTMLVideoElement} video
   * @returns {PixelSource | null} Null while there is none. Valid until the next call.
   */
  read(video) {
    const { videoHeight, videoWidth } = video;
    if (videoHeight === 0 || videoWidth === 0) return null;
    const { context } = this;
    const part = partRead(videoHeight, videoWidth, this.input);
    fitCanvas(context.canvas, part.width, part.height);
    context.drawImage(
      video,
      ...[part.left, part.upper, part.width, part.height],
      ...[0, 0, part.width, part.height],
    );
    const { data } = context.getImageData(0, 0, part.width, part.height);
    return {
      height: videoHeight,
      width: videoWidth,
      stride: 4,
      rows: (_left, upper, width, count) => {
        const first = (upper - part.upper) * width * 4;
        return data.subarray(first, first + count * width * 4);
      },
    };
  }
}

/**
 * Tell whether this browser gives a page the pixels that it was given: some add noise to them.
 *
 * @returns {Promise<boolean>}
 */
export async function readsTruePixels() {
  const side = 64;
  const pixels = new ImageData(side, side);
  for (let at = 0; at < pixels.data.length; at++) {
    pixels.data[at] = at % 4 === 3 ? 255 : (at * 37 + (at >> 6)) % 256;
  }
  const bitmap = await createImageBitmap(pixels, DECODING);
  const read = new BitmapReader(bitmap).rows(0, 0, side, side);
  bitmap.close();
  return pixels.data.every((value, at) => value === read[at]);
}

/**
 * Make a small canvas of what the model sees of a picture; for the eye only.
 *
 * @param {OpenPicture} picture
 * @param {ModelInput} input
 * @param {number} side Pixels of its longer side.
 * @returns {HTMLCanvasElement}
 */
export function thumbnail({ source, bitmap, orientation }, input, side) {
  const canvas = document.createElement("canvas");
  const fit = fitOf(source.height, source.width, input);
  const { rows, columns } = fit;
  const part = storedPart(bitmap, orientation, partSeen(fit));
  const scale = side / Math.max(input.height, input.width);
  canvas.width = Math.max(1, Math.round(input.width * scale));
  canvas.height = Math.max(1, Math.round(input.height * scale));
  const context = canvas.getContext("2d");
  if (context === null) return canvas;
  const [across, down] = [canvas.width / input.width, canvas.height / input.height];
  const [width, height] = [columns.kept * across, rows.kept * down];
  // As the resize rules have it: around a picture is black, behind a transparent one white.
  context.fillStyle = "black";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.translate(columns.place * across, rows.place * down);
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.transform(...turning(orientation, width, height));
  context.drawImage(bitmap, part.left, part.upper, part.width, part.height, 0, 0, 1, 1);
  return canvas;
}

/**
 * @returns {CanvasRenderingContext2D}
 * @throws {ClassifierError} `memory` if there is none left.
 */
function readableContext() {
  const context = document
    .createElement("canvas")
    .getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (context === null) throw new ClassifierError("memory", "no canvas");
  return context;
}

/**
 * Setting a canvas's size clears it, also to what it was, so this does it only where needed.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
function fitCanvas(canvas, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/**
 * @param {Blob} file
 * @returns {Promise<boolean>}
 */
async function looksLikePicture(file) {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  return SIGNATURES.some(({ at, bytes }) =>
    bytes.every((byte, index) => head[at + index] === byte),
  );
}
