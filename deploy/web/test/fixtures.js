/**
 * What Python computed, for comparison: files in the folder that EDGECNN_WEB_FIXTURES names.
 * `tests/web/test_node.py` makes them and runs these tests.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseResize } from "../contract.js";

const FOLDER = process.env["EDGECNN_WEB_FIXTURES"];

/** Why a test that needs the fixtures cannot run; false where it can. */
export const NO_FIXTURES = FOLDER ? false : "made by Python: run pytest tests/web";

/**
 * @param {string} name
 * @returns {Buffer}
 */
export function fixture(name) {
  return readFileSync(join(String(FOLDER), name));
}

/**
 * @param {string} name
 * @returns {any}
 */
export function jsonFixture(name) {
  return JSON.parse(fixture(name).toString("utf-8"));
}

/** What a model wants, with its resize rule by name: as Python writes it.
 * @typedef {{height: number, width: number, channels: number, resize: string}} NamedInput */

/**
 * @param {NamedInput} named
 * @returns {import("../fits.js").ModelInput}
 * @throws {Error} If there is no such rule.
 */
export function inputOf(named) {
  const resize = parseResize(named.resize);
  if (resize === null) throw new Error(`no resize rule ${named.resize}`);
  return { ...named, resize };
}

/**
 * Copy a buffer's bytes to an ArrayBuffer of their own.
 *
 * @param {Buffer} buffer
 * @returns {ArrayBuffer}
 */
export function arrayBuffer(buffer) {
  return new Uint8Array(buffer).buffer;
}
