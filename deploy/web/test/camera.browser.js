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

/** The app's files with another resize rule; the self-test's images are fed as they are.
 * @type {(resize: string) => Map<string, Buffer>} */
function withRule(resize) {
  const golden = JSON.parse(String(files.get("golden.json")));
  golden.images = golden.images.filter((/** @type {any} */ one) => one.scores);
  golden.images.push({ height: 1, width: 1, channels: 3, pixels: "AAAA",
    prepared: Buffer.alloc(32 * 32 * 3).toString("base64") });
  for (const one of golden.images) if (one.scores) delete one.prepared;
  const contract = { ...JSON.parse(String(files.get("model/contract.json"))), resize };
  const json = (/** @type {unknown} */ value) => Buffer.from(JSON.stringify(value));
  return new Map([["golden.json", json(golden)], ["model/contract.json", json(contract)]]);
}

test("the stage shows what the model sees, by the fit of its resize rule", async () => {
  for (const [resize, fit, zoom, words] of /** @type {[string, string, string, string][]} */ ([
    ["centre-crop-nearest-1", "cover", "matrix(1, 0, 0, 1, 0, 0)", text("about.fit.crop")],
    ["centre-crop-0.5-bilinear-1", "cover", "matrix(2, 0, 0, 2, 0, 0)", text("about.fit.fraction", { percent: "50\u00a0%" })],
    ["stretch-bilinear-1", "fill", "matrix(1, 0, 0, 1, 0, 0)", text("about.fit.stretch")],
    ["pad-bilinear-antialias-1", "contain", "matrix(1, 0, 0, 1, 0, 0)", text("about.fit.pad")],
  ])) {
    const page = await open({ changed: withRule(resize) });
    await settled(page, "good");
    await page.click("#camera-start");
    await page.waitForSelector("#answer-bars li");
    const style = await page.$eval("#video", (one) => {
      const { objectFit, transform } = getComputedStyle(one);
      return [objectFit, transform];
    });
    assert.deepEqual(style, [fit, zoom], resize);
    assert.equal(await page.textContent("#about-fit"), words);
    if (fit === "contain") await accessible(page, resize);
    await page.context().close();
  }
});

test("of a frame, what the resize rule reads is read, and nothing else", async () => {
  const page = await open();
  await settled(page, "good");
  const found = await page.evaluate(async () => {
    const load = (/** @type {string} */ name) => import(new URL(name, location.href).href);
    const [{ FrameReader }, { prepare, pixelsInMemory }, { parseResize }] = await Promise.all(
      ["pixels.js", "preprocess.js", "contract.js"].map(load),
    );
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [320, 180];
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    for (let at = 0; at < 320 * 180; at += 64) {
      context.fillStyle = `rgb(${at % 251} ${(at >> 3) % 256} ${(at * 7) % 253})`;
      context.fillRect((at / 64) % 30 * 11, Math.floor(at / 64 / 30) * 6, 11, 6);
    }
    const video = document.createElement("video");
    video.srcObject = canvas.captureStream(0);
    video.muted = true;
    await video.play();
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [320, 180];
    const all = /** @type {CanvasRenderingContext2D} */ (whole.getContext("2d", { willReadFrequently: true }));
    all.drawImage(video, 0, 0);
    const { data } = all.getImageData(0, 0, 320, 180);
    const outcomes = [];
    for (const fit of ["centre-crop", "centre-crop-0.875", "centre-crop-0.2", "stretch", "pad"]) {
      for (const filter of ["box-average", "nearest", "bilinear", "bilinear-antialias"]) {
        const input = { height: 48, width: 64, channels: 3, resize: parseResize(`${fit}-${filter}-1`) };
        const reader = new FrameReader(input);
        const one = prepare(reader.read(video), input);
        const other = prepare(pixelsInMemory(data, 180, 320, 4), input);
        const { width, height } = reader.context.canvas;
        const same = one.every((/** @type {number} */ value, /** @type {number} */ at) => value === other[at]);
        outcomes.push([`${fit}-${filter}`, same, new Set(one).size > 20, width * height]);
      }
    }
    return outcomes;
  });
  assert.equal(found.length, 20);
  for (const [name, same, varied] of found) assert.ok(same && varied, String(name));
  const areas = new Map(found.map(([name, , , area]) => [name, Number(area)]));
  assert.equal(areas.get("stretch-bilinear"), 320 * 180);
  assert.equal(areas.get("centre-crop-bilinear"), 240 * 180);
  assert.equal(areas.get("centre-crop-0.2-bilinear"), 48 * 36);
  const read = Number(areas.get("centre-crop-0.2-bilinear-antialias"));
  assert.ok(read > 48 * 36 && read < 56 * 44, `${read} pixels`); // the triangles reach over the edges
});
