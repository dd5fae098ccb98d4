/** CSV: what a spreadsheet must not run, what a reader must get back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { printable, toCsv } from "../results.js";

const DECISION = {
  index: 0,
  score: 0.75,
  ranked: [
    { label: "cat", score: 0.75, index: 0 },
    { label: "-dog", score: 0.25, index: 1 },
  ],
};

test("one line for each picture, CRLF, numbers with four digits", () => {
  const csv = toCsv(
    [
      { file: "one.jpg", decision: DECISION, milliseconds: 1.25, error: "" },
      { file: "two.jpg", decision: { ...DECISION, index: null }, milliseconds: 2, error: "" },
      { file: "bad.jpg", decision: null, milliseconds: null, error: "damaged, or not" },
    ],
    "unknown",
  );
  assert.ok(csv.startsWith("\ufeff")); // so that Excel reads UTF-8
  assert.deepEqual(csv.slice(1).split("\r\n"), [
    "file,label,score,label_1,score_1,label_2,score_2,label_3,score_3,milliseconds,error",
    "one.jpg,cat,0.7500,cat,0.7500,'-dog,0.2500,,,1.2500,",
    "two.jpg,unknown,0.7500,cat,0.7500,'-dog,0.2500,,,2.0000,",
    'bad.jpg,,,,,,,,,,"damaged, or not"',
    "",
  ]);
});

test("five classes of a picture have five columns each", () => {
  const ranked = [..."abcde"].map((label, index) => ({ label, score: 0.2, index }));
  const decision = { index: 0, score: 0.2, ranked };
  const csv = toCsv([{ file: "one.jpg", decision, milliseconds: 1, error: "" }], "unknown");
  const [header, line] = csv.slice(1).split("\r\n");
  assert.ok(header?.endsWith("label_5,score_5,milliseconds,error"));
  assert.ok(line?.endsWith("e,0.2000,1.0000,"));
});

for (const start of ["=", "+", "-", "@", "\t", "\r", "\n"]) {
  test(`a file name that begins with ${JSON.stringify(start)} is no formula`, () => {
    const name = `${start}HYPERLINK("x")`;
    const csv = toCsv([{ file: name, decision: null, milliseconds: null, error: "" }], "unknown");
    const cell = csv.slice(csv.indexOf("\r\n") + 2);
    assert.ok(cell.startsWith(`"'${start}HYPERLINK(""x"")",`), cell);
  });
}

test("a file name can neither break its line nor turn its end around", () => {
  assert.equal(printable("a\nb\r\tc\u0000\u007f\u0085"), "a\ufffdb\ufffd\ufffdc\ufffd\ufffd\ufffd");
  assert.equal(printable("cat\u202egnp.exe\u2066\u200f\u2028"), "cat\ufffdgnp.exe\ufffd\ufffd\ufffd");
  const fine = "Größe 猫 😀 قط e\u0301 👩\u200d🔬.jpg";
  assert.equal(printable(fine), fine);
});
