/** Expected failures: each has a code, and `texts.js` has the words for each code. */

/** @typedef {"contract" | "digest" | "selftest" | "resource" | "runtime" | "scores" | "golden" | "empty" | "type"
 *   | "damaged" | "large" | "memory" | "camera-none" | "camera-denied" | "camera-busy"
 *   | "camera-lost" | "camera-insecure" | "camera-missing" | "camera-failed"} ErrorCode */

export class ClassifierError extends Error {
  /**
   * @param {ErrorCode} code What went wrong; `error.CODE` in `texts.js` says it to the user.
   * @param {string} detail What was observed, in technical words.
   */
  constructor(code, detail) {
    super(detail);
    this.name = "ClassifierError";
    this.code = code;
  }
}
