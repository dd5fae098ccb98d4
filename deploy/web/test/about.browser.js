/** What About says of a model with many classes, in Chromium. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { text } from "../texts.js";
import { accessible, files, open, settled } from "./chromium.js";

test("the names of more than twenty classes wait to be opened", async () => {
  for (const [count, closed] of /** @type {[number, boolean][]} */ ([[20, false], [21, true], [1000, true]])) {
    const contract = JSON.parse(String(files.get("model/contract.json")));
    contract.labels = Array.from({ length: count }, (_, index) => `a class with the number ${index}`);
    const changed = new Map([["model/contract.json", Buffer.from(JSON.stringify(contract))]]);
    const page = await open({ changed, view: "#about" });
    await settled(page, "bad"); // the model has ten; what is shown of them is all that matters here
    const last = `number ${count - 1}`;
    assert.equal((await page.innerText("#about-classes")).includes(last), !closed);
    await accessible(page, `${count} classes`);
    if (!closed) continue;
    assert.equal(await page.innerText("#about-classes summary"), text("about.classes.many", { count }));
    const height = () => page.evaluate(() => document.documentElement.scrollHeight);
    const before = await height();
    assert.ok(before < 3000, `${before} pixels`);
    await page.click("#about-classes summary");
    assert.ok((await page.innerText("#about-classes")).includes(last));
    assert.ok((await height()) > before);
    await accessible(page, `${count} classes, opened`);
  }
});
test("what is not proven of the model is said at the start, and in full in About", async () => {
  const said = "not proven: 60 images of <b>toys</b> are too few to tell";
  for (const notProven of [undefined, said]) {
    const contract = JSON.parse(String(files.get("model/contract.json")));
    if (notProven !== undefined) contract.not_proven = notProven;
    const changed = new Map([["model/contract.json", Buffer.from(JSON.stringify(contract))]]);
    const page = await open({ changed, view: "#about" });
    await settled(page, notProven === undefined ? "good" : "unproven");
    assert.equal(await page.innerText("#about-proof"), notProven ?? text("about.proof.pass"));
    const status = await page.innerText("#status");
    assert.equal(status.includes("Not proven"), notProven !== undefined, status);
    await accessible(page, `proof: ${notProven}`);
  }
});
