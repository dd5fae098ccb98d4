/** Picture files before they are decoded: cut ones are refused, and nothing changes their colours. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { asStored } from "../containers.js";
import { fixture, jsonFixture, NO_FIXTURES } from "./fixtures.js";

/** @typedef {{plain: string, file: string, coloured: boolean}} Case */

/** @type {(bytes: Uint8Array<ArrayBuffer>) => Promise<Buffer>} */
const stored = async (bytes) => Buffer.from(await (await asStored(new Blob([bytes]))).arrayBuffer());
/** @type {(name: string) => Uint8Array<ArrayBuffer>} */
const read = (name) => new Uint8Array(fixture(name));
/** @type {(bytes: Uint8Array<ArrayBuffer>) => Promise<void>} */
const refused = (bytes) => assert.rejects(stored(bytes), { code: "damaged" }, `${bytes.length} bytes`);
/** @type {() => Case[]} */
const cases = () => jsonFixture("containers.json");

test("a whole file stays as it is, whatever follows it", { skip: NO_FIXTURES }, async () => {
  for (const { file, coloured } of cases()) {
    const bytes = read(file);
    if (!coloured) assert.ok((await stored(bytes)).equals(bytes), file);
    const longer = new Uint8Array([...bytes, 1, 2, 3]);
    await stored(longer);
  }
});

test("a profile and a gamma are taken out, and nothing else", { skip: NO_FIXTURES }, async () => {
  const coloured = cases().filter((one) => one.coloured);
  assert.equal(coloured.length, 4);
  for (const { plain, file } of coloured) {
    const found = await stored(read(file));
    if (!file.endsWith("WEBP")) {
      assert.ok(!read(file).every((byte, at) => byte === read(plain)[at]), `${file} has one`);
      assert.ok(found.equals(read(plain)), file);
      continue;
    }
    // Of the same length, the profile under another name, and its flag not set.
    const before = Buffer.from(read(file));
    assert.deepEqual([before.toString("latin1", 30, 34), Number(before[20]) & 0x20], ["ICCP", 0x20]);
    before.write("xxxx", 30);
    before[20] = Number(before[20]) & ~0x20;
    assert.ok(found.equals(before), file);
  }
});

test("a file that was cut anywhere is refused", { skip: NO_FIXTURES }, async () => {
  for (const { file } of cases()) {
    const bytes = read(file);
    // GIF: of its last bytes, the first picture needs none.
    const whole = file.endsWith("GIF") ? bytes.length - 1 : bytes.length;
    for (let length = 12; length < whole; length++) await refused(bytes.slice(0, length));
    await stored(bytes.slice(0, whole));
  }
});

test("a PNG with a changed byte is refused", { skip: NO_FIXTURES }, async () => {
  const bytes = read("plain.PNG");
  for (let at = 8; at < bytes.length; at += 7) {
    const changed = bytes.slice();
    changed[at] = Number(changed[at]) ^ 0x10;
    await refused(changed);
  }
});

test("what it does not know is left to the browser", async () => {
  for (const text of ["", "no picture", "RIFF....AVI ", "\0\0\0\x1cftypavif"]) {
    const file = new Blob([text]);
    assert.equal(await asStored(file), file);
  }
});
