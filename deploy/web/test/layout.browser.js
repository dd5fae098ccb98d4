/** Where things lie in Chromium's window: on small phones, on phones on their side, in large text. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible, files, open, settled } from "./chromium.js";

/** @typedef {import("playwright-core").Page} Page */

// Two, as in a phone: then there is a button for the next one, too.
const CAMERAS = [
  "--use-fake-device-for-media-stream=device-count=2", "--use-fake-ui-for-media-stream",
];
const LARGE_TEXT = "--blink-settings=defaultFontSize=32";
const SIZES = /** @type {const} */ ([[320, 568], [393, 851], [667, 375], [851, 393]]);
const LONG = "a label of very many words ".repeat(9);

/** The files with another description of the model.
 * @type {(differing: (contract: any) => object) => Map<string, Buffer>} */
const changed = (differing) => {
  const contract = JSON.parse(String(files.get("model/contract.json")));
  const whole = { ...contract, ...differing(contract) };
  return new Map([["model/contract.json", Buffer.from(JSON.stringify(whole))]]);
};
/** @type {Record<string, Map<string, Buffer>>} */
const ANSWERS = {
  "a label": new Map(),
  unknown: changed(() => ({ reject_below: 1 })),
  "a long label": changed(({ labels }) => ({
    labels: labels.map((/** @type {string} */ one) => `${one}, ${LONG}`),
  })),
};

/** Check that elements lie in the window, and above the views' names where those are at its end.
 * @type {(page: Page, ids: string[], state: string) => Promise<void>} */
async function inWindow(page, ids, state) {
  const found = await page.evaluate((ids) => {
    const box = (/** @type {string} */ id) => document.getElementById(id)?.getBoundingClientRect().toJSON();
    const nav = box("nav");
    const end = getComputedStyle(document.getElementById("nav") ?? document.body).position === "fixed"
      ? nav.top : innerHeight;
    return { end, width: innerWidth, boxes: ids.map((id) => ({ id, ...box(id) })) };
  }, ids);
  for (const { id, left, top, right, bottom } of found.boxes) {
    assert.ok(right > left && bottom > top, `${state}: #${id} is not shown`);
    const place = `${state}: #${id} from ${left}, ${top} to ${right}, ${bottom}; the end is ${found.end}`;
    assert.ok(left >= 0 && top >= 0 && right <= found.width && bottom <= found.end, place);
  }
}

/** As where a newer version waits.
 * @type {(page: Page, shown: boolean) => Promise<void>} */
const showOffer = (page, shown) =>
  page.$eval("#update", (offer, shown) => void (/** @type {HTMLElement} */ (offer).hidden = !shown), shown);

const RUNNING = ["stage", "answer", "answer-bars", "rate", "camera-stop", "camera-switch"];

for (const [name, differing] of Object.entries(ANSWERS)) {
  test(`the picture, its answer and the buttons are seen at once: ${name}`, async () => {
    const page = await open({ args: CAMERAS, changed: differing });
    await settled(page, "good");
    for (const [width, height] of SIZES) {
      const state = `${name}, ${width} x ${height}`;
      await page.setViewportSize({ width, height });
      await inWindow(page, ["camera-start"], state);
      await page.click("#camera-start");
      await page.waitForSelector('#answer-card[data-of="now"]');
      await page.waitForSelector("#camera-switch:not([hidden])");
      await page.evaluate(() => scrollTo(0, 0));
      assert.equal(await page.isVisible("#answer-below"), name === "unknown");
      await inWindow(page, RUNNING, state);
      await accessible(page, state);
      await showOffer(page, true);
      await inWindow(page, [...RUNNING, "update-apply"], `${state}, a newer version`);
      await showOffer(page, false);
      await page.click("#camera-stop");
      await page.evaluate(() => scrollTo(0, 0));
    }
  });
}

test("what inWindow() looks for is found where it is planted", async () => {
  const page = await open();
  await settled(page, "good");
  await inWindow(page, ["camera-start"], "before");
  await page.evaluate(() => document.getElementById("stage")?.style.setProperty("margin-top", "620px"));
  await assert.rejects(inWindow(page, ["camera-start"], "too low"), /#camera-start from/);
  await assert.rejects(inWindow(page, ["camera-stop"], "hidden"), /is not shown/);
});

test("text twice as large: all three views can be reached, nothing hangs over", async () => {
  const page = await open({ args: [...CAMERAS, LARGE_TEXT] });
  await settled(page, "good");
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).fontSize), "32px");
  for (const [width, height] of SIZES) {
    await page.setViewportSize({ width, height });
    for (const view of ["camera", "pictures", "about"]) {
      const state = `${view}, ${width} x ${height}, large text`;
      await page.click(`nav a[href="#${view}"]`);
      const cut = await page.$$eval("nav a", (links) => links.filter((link) => {
        const { left, right, bottom } = link.getBoundingClientRect();
        return left < 0 || right > innerWidth || bottom > innerHeight || link.scrollWidth > link.clientWidth;
      }).map((link) => link.textContent));
      assert.deepEqual(cut, [], state);
      await accessible(page, state);
    }
  }
});
