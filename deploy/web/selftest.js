/**
 * Does this browser answer as the machine did where the file was made? As in
 * `edgecnn_runner/selftest.py`: the same bytes after preprocessing, the same best class, and
 * scores within the tolerance.
 */

import { parseJson } from "./contract.js";
import { ClassifierError } from "./errors.js";
import { rank } from "./postprocess.js";
import { pixelsInMemory, prepare } from "./preprocess.js";
import { bytesOfBase64 } from "./resources.js";

/** One golden vector. `pixels` is the image, `prepared` what the resize rule makes of it; without
 * `prepared`, `pixels` are what the model is fed. An image that only tests preprocessing has no
 * `scores` and no `top`.
 * @typedef {object} GoldenImage
 * @property {number} height
 * @property {number} width
 * @property {number} channels 1 (luma) or 3 (RGB).
 * @property {Uint8Array} pixels
 * @property {Uint8Array | null} prepared
 * @property {number[] | null} scores
 * @property {number | null} top */

/** @typedef {{images: GoldenImage[], tolerance: number}} Golden */

/** The outcome: `problems` has one sentence for each difference; all is well without any.
 * @typedef {object} SelfTest
 * @property {number} passed Images without a difference.
 * @property {number} total
 * @property {number} worstDifference Of a score from where the file was made.
 * @property {number} tolerance
 * @property {string[]} problems */

/**
 * Read golden vectors.
 *
 * @param {ArrayBuffer} bytes Of golden.json.
 * @returns {Golden}
 * @throws {ClassifierError} `golden` if they are damaged, or no image has scores, or none tests
 *   preprocessing.
 */
export function parseGolden(bytes) {
  const raw = parseJson(bytes, "golden");
  try {
    const images = Array.from(raw["images"], (/** @type {any} */ image) => ({
      height: Number(image.height),
      width: Number(image.width),
      channels: Number(image.channels),
      pixels: bytesOfBase64(String(image.pixels)),
      prepared: image.prepared == null ? null : bytesOfBase64(String(image.prepared)),
      scores: image.scores == null ? null : Array.from(image.scores, Number),
      top: image.top == null ? null : Number(image.top),
    }));
    const tolerance = Number(raw["tolerance"]);
    if (!(tolerance >= 0)) throw new Error(`the tolerance is ${raw["tolerance"]}`);
    if (!images.some((image) => image.scores !== null && image.top !== null)) {
      throw new Error("no image has scores");
    }
    if (images.every((image) => image.prepared === null)) throw new Error("no image is prepared");
    return { images, tolerance };
  } catch (error) {
    throw new ClassifierError("golden", String(error));
  }
}

/**
 * Compare this browser's answers with the golden vectors.
 *
 * @param {import("./runner.js").Runner} runner
 * @param {Golden} golden
 * @returns {Promise<SelfTest>} What was found; a difference is not an exception.
 * @throws {ClassifierError} As `Runner.scores`.
 */
export async function selfTest(runner, golden) {
  const labels = runner.contract.labels;
  const problems = [];
  let passed = 0;
  let worstDifference = 0;
  for (const [number, image] of golden.images.entries()) {
    const before = problems.length;
    if (image.prepared !== null) {
      const source = pixelsInMemory(image.pixels, image.height, image.width, image.channels);
      if (!sameBytes(prepare(source, runner.contract.input), image.prepared)) {
        problems.push(`preprocessing of image ${number} gives other bytes`);
      }
    }
    if (image.scores !== null && image.top !== null) {
      const { scores } = await runner.scores(image.prepared ?? image.pixels);
      const found = Number(rank(scores)[0]);
      if (found !== image.top) {
        problems.push(`image ${number}: class ${labels[found]}, expected ${labels[image.top]}`);
      }
      const difference = largestDifference(scores, image.scores);
      worstDifference = Math.max(worstDifference, difference);
      if (!(difference <= golden.tolerance)) {
        problems.push(`image ${number}: a score differs by ${difference.toFixed(4)}`);
      }
    }
    if (problems.length === before) passed += 1;
  }
  const { tolerance } = golden;
  return { passed, total: golden.images.length, worstDifference, tolerance, problems };
}

/**
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 * @returns {boolean}
 */
function sameBytes(one, other) {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/**
 * @param {Float32Array} found
 * @param {number[]} wanted
 * @returns {number} Infinite if they are not equally many.
 */
function largestDifference(found, wanted) {
  if (found.length !== wanted.length) return Infinity;
  return found.reduce(
    (worst, score, index) => Math.max(worst, Math.abs(score - Number(wanted[index]))),
    0,
  );
}
