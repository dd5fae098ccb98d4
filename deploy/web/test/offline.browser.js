/** Offline use in Chromium: a newer version is offered, and other apps' files are left alone. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { text } from "../texts.js";
import { accessible, files, launch, settled } from "./chromium.js";
import { serve } from "./served.js";

/** @typedef {import("playwright-core").Page} Page */

/** @type {(page: Page, words: string) => Promise<void>} */
async function offlineSays(page, words) {
  for (let wait = 0; wait < 100; wait++) {
    if ((await page.textContent("#about-offline").catch(() => "")) === words) return;
    await page.waitForTimeout(100);
  }
  assert.equal(await page.textContent("#about-offline"), words);
}

/** @type {(page: Page) => Promise<string[]>} */
const cacheNames = (page) => page.evaluate(async () => (await caches.keys()).sort());

/** Put a newer version, seen by its words, in the place of what is served.
 * @type {(served: Map<string, Buffer>) => void} */
function makeNewer(served) {
  served.set("texts.js", Buffer.from(String(files.get("texts.js")).replace("About this app", "Newer")));
  const worker = String(files.get("service-worker.js")).replace('VERSION = "test"', 'VERSION = "next"');
  served.set("service-worker.js", Buffer.from(worker));
}

/** @type {(page: Page) => Promise<void>} */
async function becomesNewer(page) {
  for (let wait = 0; wait < 100; wait++) {
    if ((await page.textContent("#about-title").catch(() => "")) === "Newer") break;
    await page.waitForTimeout(100);
  }
  assert.equal(await page.textContent("#about-title"), "Newer");
  await settled(page, "good");
}

test("the newer version waits until it is wanted, then replaces the older one", async () => {
  const served = new Map(files);
  const server = await serve(served);
  try {
    const page = await (await (await launch()).newContext()).newPage();
    const address = `http://localhost:${server.port}/`;
    await page.goto(`${address}#about`);
    await settled(page, "good");
    await offlineSays(page, text("about.offline.ready"));
    await page.evaluate(() => caches.open("another app's"));
    assert.deepEqual(await cacheNames(page), ["another app's", `edgecnn ${address} test`]);
    const kept = await page.evaluate(async () => {
      const names = (await caches.keys()).filter((name) => name.startsWith("edgecnn"));
      const requests = await (await caches.open(String(names[0]))).keys();
      return requests.map((request) => new URL(request.url).pathname.slice(1)).sort();
    });
    const wanted = [...files.keys()].filter((name) => name !== "service-worker.js").sort();
    assert.deepEqual(kept, wanted);

    makeNewer(served);
    await page.reload();
    await settled(page, "good");
    assert.equal(await page.textContent("#about-title"), "About this app");
    for (const view of ["camera", "pictures", "about"]) {
      await page.click(`nav a[href="#${view}"]`);
      await page.waitForSelector("#update-apply", { state: "visible" });
      for (const size of [{ width: 320, height: 568 }, { width: 851, height: 393 }]) {
        await page.setViewportSize(size);
        await accessible(page, `update offered, ${view}`);
      }
    }
    await page.click("#update-apply");
    await becomesNewer(page);
    await offlineSays(page, text("about.offline.ready"));
    assert.deepEqual(await cacheNames(page), ["another app's", `edgecnn ${address} next`]);

    // Without the server, also by an address with a query.
    server.close();
    await assert.rejects(fetch(address));
    for (const way of ["?from=home#about", "index.html?x=1#about"]) {
      await page.goto(`${address}${way}`);
      await settled(page, "good");
      assert.equal(await page.textContent("#about-title"), "Newer");
    }
    const style = await page.evaluate(async () => (await fetch("app.css?x")).text());
    assert.equal(style, String(files.get("app.css")));
  } finally {
    server.close();
  }
});

test("a newer version is of the server's files, also where the browser may keep older ones", async () => {
  const served = new Map(files);
  const server = await serve(served, { "Cache-Control": "max-age=3600" });
  try {
    const page = await (await (await launch()).newContext()).newPage();
    await page.goto(`http://localhost:${server.port}/#about`);
    await settled(page, "good");
    await offlineSays(page, text("about.offline.ready"));
    makeNewer(served);
    await page.reload();
    await page.waitForSelector("#update:not([hidden])");
    await page.click("#update-apply");
    await becomesNewer(page);
  } finally {
    server.close();
  }
});

test("a tab is offered the newer version that another tab has put in charge", async () => {
  const served = new Map(files);
  const server = await serve(served);
  try {
    const context = await (await launch()).newContext();
    const pages = [];
    for (const name of ["first", "second", "third"]) {
      const page = await context.newPage();
      await page.goto(`http://localhost:${server.port}/#about`);
      await settled(page, "good");
      await offlineSays(page, text("about.offline.ready"));
      assert.ok(await page.isHidden("#update"), name); // nor by the very first worker
      pages.push(page);
    }
    const [first, second, third] = /** @type {[Page, Page, Page]} */ (pages);
    makeNewer(served);
    await first.evaluate(async () => (await navigator.serviceWorker.ready).update());
    for (const page of pages) await page.waitForSelector("#update:not([hidden])");
    // One tab has hidden its offer, as if it had come before the tab could see it.
    await third.evaluate(() => document.getElementById("update")?.setAttribute("hidden", ""));
    await first.click("#update-apply");
    await becomesNewer(first);
    for (const page of [second, third]) {
      await page.waitForSelector("#update:not([hidden])");
      assert.equal(await page.textContent("#about-title"), "About this app"); // not unasked
      await page.click("#update-apply");
      await becomesNewer(page);
      assert.ok(await page.isHidden("#update"));
    }
  } finally {
    server.close();
  }
});

test("where a file is missing, nothing is kept, and the app says which it is", async () => {
  const served = new Map(files);
  const server = await serve(served);
  served.delete("icons/icon-192.png"); // the page does without, the list of files does not
  try {
    const page = await (await (await launch()).newContext()).newPage();
    await page.goto(`http://localhost:${server.port}/#about`);
    await settled(page, "good");
    await page.waitForSelector("#about-offline");
    await offlineSays(page, text("about.offline.failed", { reason: "icons/icon-192.png: HTTP status 404" }));
    assert.deepEqual(await cacheNames(page), []);
  } finally {
    server.close();
  }
});
