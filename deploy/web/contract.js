/** How the model file is fed and read: `model/contract.json`, checked. */

import { ClassifierError } from "./errors.js";
import { OUTPUT_KINDS, scoreCount } from "./postprocess.js";

/** How pictures are brought to the model's size. `fraction`, in thousandths, is that of the largest
 * part with the model's aspect ratio which a crop keeps; 1000 with the other fits.
 * @typedef {object} ResizeRule
 * @property {"centre-crop" | "stretch" | "pad"} fit
 * @property {number} fraction
 * @property {"box-average" | "nearest" | "bilinear" | "bilinear-antialias"} filter */

/** How bytes become the model's numbers: the order of its axes, and of each channel the number that
 * it is fed for each of the 256 bytes; null where that is the byte itself.
 * @typedef {object} Feed
 * @property {"NHWC" | "NCHW"} layout
 * @property {readonly Float32Array[] | null} table */

/** The part of a contract that this app uses (`edgecnn_runner/contract.py` describes all of it),
 * and what the bundle adds: `sha256` of model.onnx, `reject_below`, a probability, and `not_proven`,
 * what is not proven of the model, in a sentence; empty where it has a PASS.
 * @typedef {object} Contract
 * @property {string} model
 * @property {string} variant
 * @property {readonly string[]} labels
 * @property {import("./fits.js").ModelInput} input
 * @property {Feed} feed
 * @property {{kind: import("./postprocess.js").OutputKind}} output
 * @property {string} sha256
 * @property {number} reject_below
 * @property {string} not_proven
 * @property {string} created_by For example `edgecnn 0.1.0`; of a file that another program made,
 *   who that is, by the file's own word. */

/**
 * Read and check a contract.
 *
 * Accepted are float32 pixels and scores and a resize rule of `preprocess.js`. Where pixels are not
 * 0..255, as in files that another program made, the bundle has a table of what they become.
 *
 * @param {ArrayBuffer} bytes UTF-8 JSON.
 * @returns {Contract}
 * @throws {ClassifierError} `contract` if it is no such contract.
 */
export function parseContract(bytes) {
  const raw = parseJson(bytes, "contract");
  /** @type {string[]} */
  const problems = [];
  /** @type {(fine: boolean, problem: string) => void} */
  const need = (fine, problem) => {
    if (!fine) problems.push(problem);
  };
  const input = Object(raw["input"]);
  const output = Object(raw["output"]);
  const labels = Array.isArray(raw["labels"]) ? raw["labels"] : [];
  const rejectBelow = raw["reject_below"] === undefined ? 0 : raw["reject_below"];
  need(raw["version"] === 1, `version ${raw["version"]}, not 1`);
  const resize = parseResize(raw["resize"]);
  need(resize !== null, `resize rule ${raw["resize"]}`);
  for (const side of ["height", "width"]) {
    const size = input[side];
    need(Number.isInteger(size) && size >= 1 && size <= 16384, `input ${side} ${size}`);
  }
  need(input.channels === 1 || input.channels === 3, `input channels ${input.channels}`);
  need(input.dtype === "float32", `input type ${input.dtype}, not float32`);
  need(["NHWC", "NCHW"].includes(input.layout), `input layout ${input.layout}`);
  const table = parseTable(raw["feed"], input.channels);
  need(raw["feed"] === undefined || table !== null, "a table of what is fed that is none");
  need(table !== null || input.range === "0..255", `input range ${input.range} without a table`);
  need(output.dtype === "float32", `output type ${output.dtype}, not float32`);
  need(OUTPUT_KINDS.includes(output.kind), `output kind ${output.kind}`);
  const binary = OUTPUT_KINDS.includes(output.kind) && scoreCount(output.kind, 2) === 1;
  need(!binary || labels.length === 2, `${labels.length} labels for output kind ${output.kind}`);
  need(labels.length >= 2 && labels.every(isText), "fewer than two labels, or one is not text");
  need(isText(raw["model"]) && isText(raw["variant"]), "no name of the model or its variant");
  need(/^[0-9a-f]{64}$/.test(String(raw["sha256"])), "no SHA-256 of the model file");
  const isShare = typeof rejectBelow === "number" && rejectBelow >= 0 && rejectBelow <= 1;
  need(isShare, `reject_below ${JSON.stringify(rejectBelow)}, not a number 0..1`);
  const notProven = raw["not_proven"] === undefined ? "" : raw["not_proven"];
  need(notProven === "" || isText(notProven), "not proven: what stands there is no text");
  if (resize === null || problems.length > 0) throw new ClassifierError("contract", problems.join("; "));
  const made = Object(raw["created_by"])["edgecnn"];
  return {
    model: String(raw["model"]),
    variant: String(raw["variant"]),
    labels,
    input: { height: input.height, width: input.width, channels: input.channels, resize },
    feed: { layout: input.layout, table },
    output: { kind: output.kind },
    sha256: String(raw["sha256"]),
    reject_below: Number(rejectBelow),
    not_proven: String(notProven),
    created_by: maker(Object(raw["adopted"]), isText(made) ? `edgecnn ${made}` : "edgecnn"),
  };
}

/**
 * @param {Record<string, unknown>} adopted Of a file that another program made, who says so.
 * @param {string} edgecnn
 * @returns {string}
 */
function maker(adopted, edgecnn) {
  const word = adopted["made_by"];
  if (!isText(word)) return edgecnn;
  return `another program (by the file's own word: ${word}); its calibration is not known; adopted by ${edgecnn}`;
}

/**
 * @param {unknown} feed A list for each channel, of what each byte becomes.
 * @param {unknown} channels
 * @returns {Float32Array[] | null} Null if it is no such table.
 */
function parseTable(feed, channels) {
  if (!Array.isArray(feed) || feed.length !== channels) return null;
  const isNumber = (/** @type {unknown} */ value) => typeof value === "number" && Number.isFinite(value);
  const good = feed.every((one) => Array.isArray(one) && one.length === 256 && one.every(isNumber));
  return good ? feed.map((one) => Float32Array.from(one)) : null;
}

const RESIZE =
  /^(?:(stretch|pad)|(centre-crop)(?:-0\.([0-9]{0,2}[1-9]))?)-(box-average|nearest|bilinear|bilinear-antialias)-1$/;

/**
 * Read the name of a resize rule: fit, filter and version, as in `centre-crop-0.875-bilinear-1`.
 *
 * @param {unknown} name
 * @returns {ResizeRule | null} Null if there is no such rule.
 */
export function parseResize(name) {
  const found = typeof name === "string" ? RESIZE.exec(name) : null;
  if (found === null) return null;
  const [, whole, crop, decimals, filter] = found;
  const fraction = decimals === undefined ? 1000 : Number(decimals.padEnd(3, "0"));
  return /** @type {ResizeRule} */ ({ fit: whole ?? crop, fraction, filter });
}

/**
 * Parse a JSON object.
 *
 * @param {ArrayBuffer} bytes UTF-8.
 * @param {import("./errors.js").ErrorCode} code Of the error that is thrown.
 * @returns {Record<string, unknown> & {[key: string]: any}}
 * @throws {ClassifierError} If it is not one.
 */
export function parseJson(bytes, code) {
  let value;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new ClassifierError(code, String(error));
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new ClassifierError(code, "not a JSON object");
  }
  return value;
}

/**
 * Compare a model file with its contract.
 *
 * @param {ArrayBuffer} model
 * @param {Contract} contract
 * @returns {Promise<boolean>} False where the browser cannot compute SHA-256 because the page is
 *   not in a secure context; nothing was compared then.
 * @throws {ClassifierError} `digest` if they do not belong together.
 */
export async function checkDigest(model, contract) {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined) return false;
  const digest = new Uint8Array(await subtle.digest("SHA-256", model));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex !== contract.sha256) {
    throw new ClassifierError("digest", `model.onnx has SHA-256 ${hex}, not ${contract.sha256}`);
  }
  return true;
}

/**
 * @param {unknown} value
 * @returns {boolean}
 */
function isText(value) {
  return typeof value === "string" && value !== "";
}
