/** Chromium with the app in it, and what every test of it asks. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before } from "node:test";
import { chromium } from "playwright-core";
import { jsonFixture } from "./fixtures.js";
import { bundle, serve } from "./served.js";

/** @typedef {import("playwright-core").Page} Page */

export const FIXTURES = String(process.env["EDGECNN_WEB_FIXTURES"]);
const CHROMIUM = process.env["EDGECNN_CHROMIUM"] ?? "/usr/bin/chromium";
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
export const INSECURE_HOST = "classifier.test";
export const PHONE = { viewport: { width: 393, height: 851 }, hasTouch: true, isMobile: true };

const model = jsonFixture("models.json").find((/** @type {any} */ one) => one.name === "resnet8");
export const files = bundle("resnet8", model.model);
/** @type {Map<string, Promise<import("playwright-core").Browser>>} */
const browsers = new Map();
/** @type {Awaited<ReturnType<typeof serve>>} */
let server;

before(async () => {
  server = await serve(files);
});

after(async () => {
  for (const browser of browsers.values()) await (await browser).close();
  server?.close();
});

/**
 * Start a browser, or return the one that was started alike.
 *
 * @param {readonly string[]} args
 * @returns {Promise<import("playwright-core").Browser>}
 */
export function launch(args = CAMERA) {
  const all = ["--no-sandbox", `--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`, ...args];
  const key = all.join(" ");
  const started = browsers.get(key) ?? chromium.launch({ executablePath: CHROMIUM, args: all });
  browsers.set(key, started);
  return started;
}

/**
 * Open the app in a fresh profile.
 *
 * @param {object} [how]
 * @param {readonly string[]} [how.args] For the browser.
 * @param {string} [how.host]
 * @param {string} [how.view]
 * @param {object} [how.context] For the browser's context.
 * @param {Map<string, Buffer>} [how.changed] Files that differ.
 * @param {string} [how.script] Runs before the page's.
 * @returns {Promise<Page>}
 */
export async function open({ args = CAMERA, host = "localhost", view = "", ...how } = {}) {
  let { port } = server;
  if (how.changed !== undefined) {
    const other = await serve(new Map([...files, ...how.changed]));
    after(() => other.close());
    port = other.port;
  }
  const context = await (await launch(args)).newContext({ ...PHONE, ...how.context });
  if (how.script !== undefined) await context.addInitScript(how.script);
  const page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(`error in the page: ${error}`));
  await page.goto(`http://${host}:${port}/${view}`);
  return page;
}

/**
 * Wait until the app has said that it is ready, or why not.
 *
 * @param {Page} page
 * @param {"good" | "unproven" | "bad"} kind
 */
export async function settled(page, kind) {
  await page.waitForSelector('#status:not([data-kind="busy"])[data-kind]');
  assert.equal(await page.getAttribute("#status", "data-kind"), kind, `${await page.textContent("#status")}`);
}

/**
 * Let axe look at the page, and measure what is to be touched.
 *
 * @param {Page} page
 * @param {string} state
 */
export async function accessible(page, state) {
  await page.evaluate(readFileSync(AXE, "utf-8"));
  const { violations, passes } = await page.evaluate("axe.run()");
  assert.ok(passes.length > 5, `${state}: axe found nothing to look at`);
  const found = violations.map((/** @type {any} */ one) =>
    `${one.id}: ${one.nodes.map((/** @type {any} */ node) => node.html).join(" ")}`);
  assert.deepEqual(found, [], state);
  const boxes = await page.evaluate(() =>
    [...document.querySelectorAll("button, summary, nav a")]
      .filter((one) => one.checkVisibility())
      .map((one) => [one.id || one.textContent, ...Object.values(one.getBoundingClientRect().toJSON())]));
  for (const [name, , , width, height] of boxes) {
    assert.ok(Number(width) >= 44 && Number(height) >= 44, `${state}: ${name} is ${width} x ${height}`);
  }
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `${state}: ${overflow} pixels too wide`);
}
