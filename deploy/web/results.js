/** Results as CSV (RFC 4180), made on the device and given to it as a download. */

/** A picture and what was said about it, or why nothing could be said.
 * @typedef {object} PictureResult
 * @property {string} file Its name.
 * @property {import("./postprocess.js").Decision | null} decision
 * @property {number | null} milliseconds Of the inference alone.
 * @property {string} error Empty if there was none. */

/** Classes of each picture that have columns, at least. */
const RANKED = 3;
/** How Excel tells that a file is UTF-8 (a byte order mark). */
const UTF8_MARK = "\ufeff";
/** What ends a line, acts on a terminal, or has what follows run from right to left. */
const UNPRINTABLE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;
/** What a spreadsheet may take for the beginning of a formula. */
const FORMULA_STARTS = ["=", "+", "-", "@", "\t", "\r", "\n"];

/**
 * Write results as CSV, with a byte order mark, a header line and CRLF line ends.
 *
 * Text that a spreadsheet would run as a formula gets an apostrophe in front: file names and
 * labels are not ours.
 *
 * @param {readonly PictureResult[]} results
 * @param {string} unknown The label of a picture whose best score was below the limit.
 * @returns {string}
 */
export function toCsv(results, unknown) {
  const header = ["file", "label", "score"];
  const places = results.reduce(
    (most, { decision }) => Math.max(most, decision?.ranked.length ?? 0), RANKED);
  for (let place = 1; place <= places; place++) header.push(`label_${place}`, `score_${place}`);
  header.push("milliseconds", "error");
  const lines = results.map(({ file, decision, milliseconds, error }) => {
    const best = decision?.index === null ? unknown : (decision?.ranked[0]?.label ?? "");
    const cells = [textCell(file), textCell(best), numberCell(decision?.score)];
    for (let place = 0; place < places; place++) {
      const score = decision?.ranked[place];
      cells.push(textCell(score?.label ?? ""), numberCell(score?.score));
    }
    return [...cells, numberCell(milliseconds), textCell(error)].join(",");
  });
  return UTF8_MARK + [header.join(","), ...lines, ""].join("\r\n");
}

/**
 * Return a file's name as it can be shown without harm: a name may pretend to be another one.
 *
 * @param {string} name
 * @returns {string}
 */
export function printable(name) {
  return name.replaceAll(UNPRINTABLE, "\ufffd");
}

/**
 * Save text as a file on this device. Nothing is sent: the page makes the file itself.
 *
 * @param {string} name
 * @param {string} text
 */
export function saveOnDevice(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // Not at once: some browsers begin to read it only after this function has returned.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/**
 * @param {string} text
 * @returns {string}
 */
function textCell(text) {
  const harmless = FORMULA_STARTS.some((start) => text.startsWith(start)) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/**
 * @param {number | null | undefined} value
 * @returns {string} Four digits behind the point; empty for none.
 */
function numberCell(value) {
  return value == null ? "" : value.toFixed(4);
}
