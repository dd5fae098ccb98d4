/**
 * A model's raw answer to probabilities, a ranking and a decision, as
 * `edgecnn_runner/postprocess.py` does it.
 */

import { ClassifierError } from "./errors.js";

/** Classes up to which three of them are shown; as in `edgecnn_runner/postprocess.py`. */
const MANY_CLASSES = 20;

/** One class of a ranking.
 * @typedef {{label: string, score: number, index: number}} Score */

/** What is said about one image: `index` is null if the best score was below the limit.
 * @typedef {{index: number | null, score: number, ranked: Score[]}} Decision */

/** What a model's scores are, as a contract says. The binary kinds are one number, of the second of
 * two classes.
 * @typedef {"probabilities" | "logits" | "binary-probability" | "binary-logit"} OutputKind */

/** @type {readonly OutputKind[]} */
export const OUTPUT_KINDS = ["probabilities", "logits", "binary-probability", "binary-logit"];

/**
 * Return how many numbers a model answers with.
 *
 * @param {OutputKind} kind
 * @param {number} classes
 * @returns {number}
 */
export function scoreCount(kind, classes) {
  return kind.startsWith("binary-") ? 1 : classes;
}

/**
 * Return probabilities for logits, computed in doubles after subtracting the maximum.
 *
 * @param {Float32Array} logits
 * @returns {Float32Array} As many; their sum is 1 within rounding.
 */
export function softmax(logits) {
  const highest = logits.reduce((one, other) => Math.max(one, other), -Infinity);
  const powers = Float64Array.from(logits, (logit) => Math.exp(logit - highest));
  const sum = powers.reduce((one, other) => one + other, 0);
  return Float32Array.from(powers, (power) => power / sum);
}

/**
 * Read a model's raw output.
 *
 * @param {Float32Array} raw
 * @param {OutputKind} kind
 * @returns {Float32Array} A fresh array, with a score for each class.
 * @throws {ClassifierError} `scores` if a score is NaN or infinite.
 */
export function probabilities(raw, kind) {
  if (!raw.every(Number.isFinite)) {
    throw new ClassifierError("scores", "a score is NaN or infinite");
  }
  const one = Number(raw[0]);
  if (kind === "binary-logit") return softmax(Float32Array.of(0, one));
  if (kind === "binary-probability") return Float32Array.of(1 - one, one);
  return kind === "logits" ? softmax(raw) : raw.slice();
}

/**
 * Return the indices of all classes, best first; ties go to the lowest index.
 *
 * @param {Float32Array} scores
 * @returns {number[]}
 */
export function rank(scores) {
  const indices = Array.from(scores.keys());
  // Sorting is stable since ECMAScript 2019.
  return indices.sort((one, other) => Number(scores[other]) - Number(scores[one]));
}

/**
 * Tell how many of the best classes are shown: of many classes, five, as edgecnn-run does.
 *
 * @param {number} classes How many the model knows.
 * @returns {number}
 */
export function shownClasses(classes) {
  return classes > MANY_CLASSES ? 5 : 3;
}

/**
 * Decide, and rank the best classes.
 *
 * @param {Float32Array} scores
 * @param {readonly string[]} labels As many.
 * @param {number} rejectBelow Below this probability the class is not named; 0 rejects nothing.
 * @param {number} [top] How many classes to rank; by default as many as ``shownClasses`` says.
 * @returns {Decision}
 */
export function decide(scores, labels, rejectBelow, top = shownClasses(labels.length)) {
  const ranked = rank(scores)
    .slice(0, Math.max(1, top))
    .map((index) => ({ label: String(labels[index]), score: Number(scores[index]), index }));
  const best = /** @type {Score} */ (ranked[0]);
  // The limit as float32, which is what numpy compares a float32 with.
  const rejected = best.score < Math.fround(rejectBelow);
  return { index: rejected ? null : best.index, score: best.score, ranked };
}
