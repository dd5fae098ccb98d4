/** Files dragged over Chromium's window and dropped there: taken once the app is ready, never opened. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { accessible, FIXTURES, open, settled } from "./chromium.js";
import { jsonFixture } from "./fixtures.js";

/** @typedef {import("playwright-core").Page} Page */

const PICTURE = join(FIXTURES, jsonFixture("pictures.json")[0].file);

/** The browser's own dragging of a file, as with a mouse.
 * @type {(page: Page, types: ("dragEnter" | "dragOver" | "drop")[]) => Promise<void>} */
async function drag(page, types) {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [PICTURE], dragOperationsMask: 1 };
  for (const type of types) await session.send("Input.dispatchDragEvent", { type, x: 200, y: 400, data });
}

/** Whether the browser shows the file that was dropped; some show it in a page of its own.
 * @type {(page: Page) => Promise<boolean>} */
async function isOpened(page) {
  await page.waitForTimeout(800);
  return page.context().pages().some((one) => !one.url().startsWith("http"));
}

test("over every view a cue is shown, and a drop classifies", async () => {
  const page = await open();
  await settled(page, "good");
  for (const [count, view] of ["camera", "pictures", "about"].entries()) {
    await page.click(`nav a[href="#${view}"]`);
    assert.ok(await page.isHidden("#drop-cue"));
    await drag(page, ["dragEnter", "dragOver"]);
    await page.waitForSelector("#drop-cue", { state: "visible" });
    await accessible(page, `dragging over ${view}`);
    // As when the mouse leaves the window: what drags for tests does not tell the page of that.
    await page.evaluate(() => document.body.dispatchEvent(new DragEvent("dragleave", { bubbles: true })));
    await page.waitForSelector("#drop-cue", { state: "hidden" });
    await drag(page, ["dragEnter", "dragOver", "drop"]);
    await page.waitForSelector(`#results > li:nth-child(${count + 1}) .label`);
    assert.ok(await page.isVisible("#pictures"));
    assert.ok(await page.isHidden("#drop-cue"));
  }
  assert.equal(await isOpened(page), false);
});

test("a drop before the app is ready, or where it failed, opens no file", async () => {
  /** @type {(() => void)[]} */
  const waiting = [];
  const early = await open({ view: "#about" });
  await early.route("**/model.onnx", (route) => void waiting.push(() => void route.continue()));
  // Past the files that the service worker keeps.
  await early.evaluate(async () => {
    for (const one of await navigator.serviceWorker.getRegistrations()) await one.unregister();
  });
  await early.reload();
  await early.waitForSelector('#status[data-kind="busy"]');
  await drag(early, ["dragEnter", "dragOver", "drop"]);
  assert.equal(await isOpened(early), false);
  assert.equal(await early.getAttribute("#status", "data-kind"), "busy");
  assert.ok(await early.isHidden("#drop-cue"));
  for (const go of waiting) go();
  await settled(early, "good");

  const failed = await open({ changed: new Map([["golden.json", Buffer.from("{}")]]) });
  await settled(failed, "bad");
  await drag(failed, ["dragEnter", "dragOver", "drop"]);
  assert.equal(await isOpened(failed), false);
  assert.ok(await failed.isHidden("#drop-cue"));

  // The control: without the app, the browser opens the file.
  const bare = await open({ changed: new Map([["app.js", Buffer.from("")]]) });
  await drag(bare, ["dragEnter", "dragOver", "drop"]);
  assert.equal(await isOpened(bare), true);
});
