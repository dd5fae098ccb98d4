/** The app in Chromium: the camera and its states, what stops the app, accessibility. */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { text } from "../texts.js";
import { accessible, files, FIXTURES, INSECURE_HOST, launch, open, PHONE, settled } from "./chromium.js";

/** @typedef {import("playwright-core").Page} Page */

const REFUSING = `const make = createImageBitmap;
  globalThis.createImageBitmap = async (source, options) => {
    if (options?.imageOrientation === "from-image") throw new TypeError("no valid enum value");
    return make(source, options);
  };`;

/** @type {(page: Page) => Promise<string>} */
const cameraMessage = async (page) => String(await page.textContent("#camera-message"));

test("camera: classifies frame after frame, pauses, stops, and says that it was lost", async () => {
  const page = await open();
  await settled(page, "good");
  assert.equal(await cameraMessage(page), text("camera.off"));
  await page.click("#camera-start");
  await page.waitForSelector("#answer-bars li:nth-child(3)");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "camera-stop");
  await page.waitForTimeout(1500);
  assert.match(String(await page.textContent("#latency")), /^\d+\.\d ms$/);
  assert.match(String(await page.textContent("#rate")), /^[1-9]\d* per second$/);
  assert.notEqual(await page.textContent("#spoken"), "");
  await accessible(page, "camera on");
  // Another view: the camera is given back, and taken again on return.
  const live = () => page.$eval("#video", (video) =>
    /** @type {any} */ (video).srcObject?.getTracks()[0].readyState ?? "none");
  assert.equal(await live(), "live");
  await page.click('nav a[href="#about"]');
  assert.equal(await live(), "none");
  await page.click('nav a[href="#camera"]');
  await page.waitForSelector("#video:not([hidden])");
  assert.equal(await live(), "live");
  /** @type {(hidden: boolean) => Promise<void>} */
  const hide = (hidden) => page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  await hide(true);
  assert.equal(await live(), "none");
  assert.equal(await cameraMessage(page), text("camera.paused"));
  await hide(false);
  await page.waitForSelector("#video:not([hidden])");
  await page.evaluate(() => {
    const video = /** @type {HTMLVideoElement} */ (document.getElementById("video"));
    /** @type {MediaStream} */ (video.srcObject).getTracks()[0]?.dispatchEvent(new Event("ended"));
  });
  assert.equal(await cameraMessage(page), text("error.camera-lost"));
  await accessible(page, "camera lost");
  await page.click("#camera-start");
  await page.waitForSelector("#video:not([hidden])");
  await page.click("#camera-stop");
  assert.equal(await cameraMessage(page), text("camera.off"));
  assert.equal(await page.evaluate(() => document.activeElement?.id), "camera-start");
});

test("camera: none, denied, not offered, and an address that is not secure", async () => {
  const none = await open({ args: ["--use-fake-ui-for-media-stream"] });
  await settled(none, "good");
  await none.click("#camera-start");
  await none.waitForSelector('#camera-message[data-problem="true"]');
  assert.equal(await cameraMessage(none), text("error.camera-none"));
  await accessible(none, "no camera");

  const denied = await open({ args: ["--use-fake-device-for-media-stream", "--deny-permission-prompts"] });
  await settled(denied, "good");
  await denied.click("#camera-start");
  await denied.waitForSelector('#camera-message[data-problem="true"]');
  assert.equal(await cameraMessage(denied), text("error.camera-denied"));
  await accessible(denied, "camera denied");

  const insecure = await open({ host: INSECURE_HOST });
  await settled(insecure, "good");
  assert.equal(await insecure.evaluate(() => isSecureContext), false);
  assert.equal(await cameraMessage(insecure), text("error.camera-insecure"));
  assert.ok(await insecure.isDisabled("#camera-start"));
  await accessible(insecure, "insecure");
  await insecure.click('nav a[href="#about"]');
  assert.equal(await insecure.textContent("#about-offline"), text("about.offline.insecure"));
});

test("about: the self-test, the model, the claims, offline use", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open({ view: "#about", context: { colorScheme } });
    await settled(page, "good");
    assert.match(String(await page.textContent("#status")), /passed: 13 of 13/);
    const claims = await page.$$eval("#claims .mark", (all) => all.map((one) => one.textContent));
    assert.deepEqual(claims, [text("privacy.checked"), text("privacy.unchecked")]);
    const offline = text("about.offline.ready");
    for (let wait = 0; wait < 50; wait++) {
      if ((await page.textContent("#about-offline")) === offline) break;
      await page.waitForTimeout(100);
    }
    assert.equal(await page.textContent("#about-offline"), offline);
    await page.click("#licences > summary");
    await page.click("#licences > details > summary");
    await page.waitForTimeout(200);
    assert.equal(await page.textContent("#licences > details pre"), "The text of a licence.");
    assert.equal(await page.locator("#licences > details").count(), 1);
    await accessible(page, `about, ${colorScheme}`);
    await page.click('nav a[href="#pictures"]');
    await accessible(page, `pictures, ${colorScheme}`);
    await page.click('nav a[href="#camera"]');
    await accessible(page, `camera off, ${colorScheme}`);
  }
});

test("nothing is classified when the self-test fails, or a file is missing or damaged", async () => {
  const golden = JSON.parse(String(files.get("golden.json")));
  golden.images[0].top = (golden.images[0].top + 1) % 10;
  const contract = JSON.parse(String(files.get("model/contract.json")));
  const json = (/** @type {unknown} */ value) => Buffer.from(JSON.stringify(value));
  /** @type {[string, Buffer, import("../texts.js").TextKey][]} */
  const cases = [
    ["golden.json", json(golden), "error.selftest"],
    ["golden.json", Buffer.from("{}"), "error.golden"],
    ["model/contract.json", json({ ...contract, version: 2 }), "error.contract"],
    ["model/contract.json", json({ ...contract, sha256: "0".repeat(64) }), "error.digest"],
    ["vendor/ort-wasm-simd-threaded.wasm", Buffer.from("no"), "error.runtime"],
  ];
  for (const [name, content, key] of cases) {
    const page = await open({ changed: new Map([[name, content]]) });
    await settled(page, "bad");
    assert.equal(await page.textContent("#failure-text"), text(key), name);
    assert.ok(await page.isDisabled("#camera-start"));
    assert.ok(await page.isDisabled("#choose"));
    assert.ok(await page.isHidden("#camera"));
    await accessible(page, key);
  }
  const noisy = await open({
    script: `const read = CanvasRenderingContext2D.prototype.getImageData;
      CanvasRenderingContext2D.prototype.getImageData = function (...args) {
        const image = read.apply(this, args); image.data[0] ^= 1; return image; };`,
  });
  await settled(noisy, "bad");
  assert.match(String(await noisy.textContent("#failure-detail")), /changes the pixels/);
});

test("without modules: a folder that was opened, an old browser, no JavaScript", async () => {
  const folder = join(FIXTURES, "opened");
  for (const [name, content] of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  const page = await (await (await launch()).newContext(PHONE)).newPage();
  await page.goto(pathToFileURL(join(folder, "index.html")).href);
  assert.ok(await page.isVisible("#start"));
  assert.match(await page.innerText("#start"), /classifier\.html/);
  assert.ok(await page.isHidden("#app"));

  const old = await open({ script: "delete globalThis.WebAssembly;" });
  await old.waitForSelector("#start-old:not([hidden])");
  assert.match(await old.innerText("#start"), /too old/);
  assert.ok(await old.isHidden("#app"));
  await accessible(old, "old browser");

  // As before Chrome 112, Firefox 111, Safari 16: that value is no good, so no picture could be read.
  const refusing = await open({ script: REFUSING });
  await refusing.waitForSelector("#start-old:not([hidden])");
  assert.match(await refusing.innerText("#start"), /Missing here: createImageBitmap with imageOrientation/);
  assert.ok(await refusing.isHidden("#app"));

  const off = await open({ context: { javaScriptEnabled: false } });
  assert.match(await off.innerText("#start"), /JavaScript is switched off/);
});

test("the start's test of pixels reads a picture as pictures are read", async () => {
  const page = await open();
  await settled(page, "good");
  /** @type {() => Promise<boolean>} */
  const readsTruePixels = async () =>
    (await import(new URL("pixels.js", location.href).href)).readsTruePixels();
  assert.equal(await page.evaluate(readsTruePixels), true);
  await page.evaluate(REFUSING);
  await assert.rejects(page.evaluate(readsTruePixels), /no valid enum value/);
});

test("by keyboard alone: skip link, views, a button", async () => {
  const page = await open();
  await settled(page, "good");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "camera-start");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#answer-bars li");
  await page.keyboard.press("Enter"); // the focus has gone on to Stop
  assert.equal(await cameraMessage(page), text("camera.off"));
});

test("after the skip link, a reload shows the same view; an address of it alone, the first", async () => {
  const page = await open({ view: "#pictures" });
  await settled(page, "good");
  await page.focus("#skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
  await page.reload();
  await settled(page, "good");
  assert.ok(await page.isVisible("#pictures"));
  const kept = await open({ view: "#main" });
  await settled(kept, "good");
  assert.ok(await kept.isVisible("#camera"));
  assert.equal(await kept.getAttribute('nav a[href="#camera"]', "aria-current"), "page");
});

test("what accessible() looks for is found where it is planted", async () => {
  const page = await open();
  await settled(page, "good");
  await accessible(page, "before");
  await page.evaluate(() => document.getElementById("main")?.append(document.createElement("img")));
  await assert.rejects(accessible(page, "an image without a text"), /image-alt/);
  await page.evaluate(() => document.querySelector("#main > img")?.remove());
  await page.evaluate(() => document.getElementById("camera-start")?.style.setProperty("min-height", "20px"));
  await page.evaluate(() => document.getElementById("camera-start")?.style.setProperty("padding", "0"));
  await assert.rejects(accessible(page, "a small button"), /camera-start is/);
});
