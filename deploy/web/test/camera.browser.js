/** Cameras in Chromium: several of them, and what the last answer becomes without one. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { text } from "../texts.js";
import { accessible, files, open, settled } from "./chromium.js";

/** @typedef {import("playwright-core").Page} Page */

/** @type {(count: number) => string[]} */
const cameras = (count) => [
  `--use-fake-device-for-media-stream=device-count=${count}`, "--use-fake-ui-for-media-stream",
];

/** The camera that is used, by its name; empty while there is none.
 * @type {(page: Page) => Promise<string>} */
const used = (page) => page.$eval("#video", (video) =>
  /** @type {any} */ (video).srcObject?.getVideoTracks()[0].label ?? "");

/** @type {(page: Page) => Promise<string | undefined>} */
const focused = (page) => page.evaluate(() => document.activeElement?.id);

/** @type {(page: Page, before: string) => Promise<string>} */
async function next(page, before) {
  await page.focus("#camera-switch");
  await page.keyboard.press("Enter");
  for (let wait = 0; wait < 50 && ["", before].includes(await used(page)); wait++) {
    await page.waitForTimeout(100);
  }
  await page.waitForSelector("#video:not([hidden])");
  return used(page);
}

test("switch camera: one after the other, then the first again; the button keeps the focus", async () => {
  const page = await open({ args: cameras(3) });
  await settled(page, "good");
  await page.click("#camera-start");
  await page.waitForSelector("#camera-switch:not([hidden])");
  const seen = [await used(page)];
  for (let count = 0; count < 3; count++) {
    seen.push(await next(page, String(seen.at(-1))));
    assert.equal(await focused(page), "camera-switch");
  }
  assert.equal(new Set(seen).size, 3, seen.join(", "));
  assert.equal(seen[3], seen[0]);
});

test("switch camera: to one that is gone, any other is taken", async () => {
  const page = await open({
    args: cameras(2),
    script: `const list = MediaDevices.prototype.enumerateDevices;
      MediaDevices.prototype.enumerateDevices = async function () {
        const all = await list.call(this);
        const gone = { kind: "videoinput", deviceId: "unplugged", label: "gone" };
        return [...all.filter((one) => one.label.includes("device_0")), gone];
      };`,
  });
  await settled(page, "good");
  await page.click("#camera-start");
  await page.waitForSelector("#camera-switch:not([hidden])");
  const stream = () => page.$eval("#video", (video) => /** @type {any} */ (video).srcObject?.id ?? "");
  const before = await stream();
  await page.click("#camera-switch");
  for (let wait = 0; wait < 50 && ["", before].includes(await stream()); wait++) {
    await page.waitForTimeout(100);
  }
  assert.ok(!["", before].includes(await stream()));
  await page.waitForSelector("#video:not([hidden])");
});

test("one camera alone cannot be switched", async () => {
  const page = await open();
  await settled(page, "good");
  await page.click("#camera-start");
  await page.waitForSelector("#answer-bars li");
  assert.ok(await page.isHidden("#camera-switch"));
});

test("an answer of the past is called so, and is quieter", async () => {
  const page = await open();
  await settled(page, "good");
  const colour = (/** @type {string} */ id) => page.$eval(id, (one) => getComputedStyle(one).color);
  assert.equal(await page.textContent("#answer"), text("camera.empty"));
  assert.ok(await page.isHidden("#answer-last"));
  await page.click("#camera-start");
  await page.waitForSelector("#answer-bars li");
  assert.ok(await page.isHidden("#answer-last"));
  const loud = await colour("#answer-bars .name");
  await page.click("#camera-stop");
  assert.ok(await page.isVisible("#answer-last"));
  assert.equal(await page.textContent("#answer-last"), text("camera.last"));
  assert.notEqual(await colour("#answer-bars .name"), loud);
  assert.equal(await page.textContent("#spoken"), "");
  await accessible(page, "last answer");
  await page.waitForTimeout(500); // an inference that still ran would have ended
  assert.ok(await page.isVisible("#answer-last"));
  await page.click("#camera-start");
  await page.waitForSelector('#answer-card[data-of="now"]');
  assert.ok(await page.isHidden("#answer-last"));
  assert.equal(await colour("#answer-bars .name"), loud);
});

/** The files in which no answer reaches the limit. */
const strict = new Map([["model/contract.json", Buffer.from(JSON.stringify({
  ...JSON.parse(String(files.get("model/contract.json"))), reject_below: 1,
}))]]);

test("a screen reader hears a label with its probability, and unknown without one", async () => {
  for (const changed of [new Map(), strict]) {
    const page = await open({ changed });
    await settled(page, "good");
    await page.click("#camera-start");
    await page.waitForSelector("#spoken:not(:empty)", { state: "attached" });
    const spoken = String(await page.textContent("#spoken"));
    if (changed === strict) assert.equal(spoken, text("result.unknown"));
    else assert.match(spoken, /^\w+, <?\d+.%$/);
  }
});
