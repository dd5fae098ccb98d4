/** Rules that the single file and the Content-Security-Policy rely on, and the texts. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { errorText, percentText, TEXTS, text } from "../texts.js";

const FOLDER = new URL("..", import.meta.url).pathname;
const CLASSIC = ["service-worker.js", "start-check.js"];
const IMPORT = /^import \{ (\w+(?:, \w+)*) \} from "\.\/([a-z]+\.js)";$/;

/** @type {(name: string) => string} */
const read = (name) => readFileSync(join(FOLDER, name), "utf-8");
const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".js"));
const modules = scripts.filter((name) => !CLASSIC.includes(name));

/** The modules, each after those it imports.
 * @type {() => string[]} */
function inOrder() {
  /** @type {string[]} */
  const ordered = [];
  /** @type {(name: string, path: string[]) => void} */
  const visit = (name, path) => {
    assert.ok(!path.includes(name), `imports go round: ${[...path, name].join(" ")}`);
    if (ordered.includes(name)) return;
    for (const line of read(name).split("\n")) {
      const target = IMPORT.exec(line)?.[2];
      if (target) visit(target, [...path, name]);
    }
    ordered.push(name);
  };
  visit("app.js", []);
  return ordered;
}

test("every module is used, imports and exports keep to the few forms", () => {
  assert.deepEqual(inOrder().sort(), [...modules].sort());
  for (const name of modules) {
    for (const line of read(name).split("\n")) {
      if (line.startsWith("import")) assert.match(line, IMPORT, name);
      if (line.startsWith("export")) {
        assert.match(line, /^export (async function|function|class|const) \w/, name);
      }
    }
  }
});

test("the modules put one after the other are one module", () => {
  const whole = inOrder()
    .map((name) => read(name).replaceAll(/^import .*\n/gm, "").replaceAll(/^export /gm, ""))
    .join("\n");
  const folder = mkdtempSync(join(tmpdir(), "edgecnn-web-"));
  try {
    const file = join(folder, "whole.mjs");
    const check = () => spawnSync(process.execPath, ["--check", file], { encoding: "utf-8" });
    writeFileSync(file, whole);
    assert.equal(check().stderr, "");
    // The control: a name that is declared twice is found.
    writeFileSync(file, `${whole}\nconst TEXTS = 1;\n`);
    assert.match(check().stderr, /TEXTS/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("no address of another origin, no eval, no inline script or style", () => {
  for (const name of [...scripts, "index.html", "app.css"]) {
    const source = read(name);
    assert.doesNotMatch(source, /(https?|wss?):\/\//, name);
    assert.doesNotMatch(source, /\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML/, name);
    assert.doesNotMatch(source, /localStorage|sessionStorage|indexedDB|document\.cookie/, name);
    assert.doesNotMatch(source, /sendBeacon|XMLHttpRequest|WebSocket|RTCPeer|new Worker/, name);
  }
  const page = read("index.html");
  assert.doesNotMatch(page, /\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)/);
  const fetching = modules.filter((name) => /\bfetch\(/.test(read(name)));
  assert.deepEqual(fetching, ["resources.js"]);
});

test("every text that is asked for exists, and every text is asked for", () => {
  const sources = [...modules, "index.html"].map(read).join("\n").replaceAll(/^ {2}"[a-z.-]+":/gm, "");
  for (const [, key = ""] of sources.matchAll(/data-text="([^"]+)"/g)) {
    assert.ok(key in TEXTS, `no text ${key}`);
  }
  const codes = [...read("errors.js").matchAll(/"([a-z-]+)"/g)].map(([, code = ""]) => code);
  assert.ok(codes.length > 10);
  for (const code of codes) assert.ok(`error.${code}` in TEXTS, `no text for ${code}`);
  for (const key of Object.keys(TEXTS)) {
    const isOfCode = codes.includes(key.replace("error.", "")) || key === "error.unexpected";
    assert.ok(isOfCode || sources.includes(`"${key}"`), `${key} is not used`);
  }
});

test("texts are filled in, and a value that is missing is an error", () => {
  assert.equal(text("start.ready", { passed: 3, total: 4 }), "Ready. Self-test passed: 3 of 4.");
  assert.throws(() => text("start.ready", { passed: 3 }), RangeError);
  assert.equal(errorText(new TypeError("x")), text("error.unexpected", { reason: "TypeError: x" }));
  assert.equal(errorText({ code: "damaged" }), TEXTS["error.damaged"]);
  assert.equal(errorText({ code: 8, toString: () => "y" }), text("error.unexpected", { reason: "y" }));
});

test("100 % is only what is certain, 0 % only what is ruled out, and no line ends before %", () => {
  assert.equal(percentText(0.9999), "99\u00a0%");
  assert.equal(percentText(1), "100\u00a0%");
  assert.equal(percentText(Math.fround(0.29)), "29\u00a0%");
  assert.equal(percentText(Math.fround(0.01)), "1\u00a0%");
  assert.equal(percentText(Math.fround(0.0099)), "<1\u00a0%");
  assert.equal(percentText(1e-30), "<1\u00a0%");
  assert.equal(percentText(0), "0\u00a0%");
});

test("every element that a module looks up is in the page", () => {
  const page = read("index.html");
  const wanted = modules.flatMap((name) => [...read(name).matchAll(/element\("([a-z-]+)"/g)]);
  assert.ok(wanted.length > 20);
  for (const [, id] of wanted) assert.ok(page.includes(`id="${id}"`), `no element ${id}`);
});
