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

    // A newer version, seen by its words.
    served.set("texts.js", Buffer.from(String(files.get("texts.js")).replace("About this app", "Newer")));
    const worker = String(files.get("service-worker.js")).replace('VERSION = "test"', 'VERSION = "next"');
    served.set("service-worker.js", Buffer.from(worker));
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
    for (let wait = 0; wait < 100; wait++) {
      if ((await page.textContent("#about-title").catch(() => "")) === "Newer") break;
      await page.waitForTimeout(100);
    }
    assert.equal(await page.textContent("#about-title"), "Newer");
    await settled(page, "good");
    await offlineSays(page, text("about.offline.ready"));
    assert.deepEqual(await cacheNames(page), ["another app's", `edgecnn ${address} next`]);

    // Without the server, also by an address with a query.
    server.close();
    await assert.rejects(fetch(address));
    await page.goto(`${address}?from=home#about`);
    await settled(page, "good");
    assert.equal(await page.textContent("#about-title"), "Newer");
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
