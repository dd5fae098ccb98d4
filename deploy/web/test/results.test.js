/** CSV: what a spreadsheet must not run, what a reader must get back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { toCsv } from "../results.js";

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
  assert.deepEqual(csv.split("\r\n"), [
    "file,label,score,label_1,score_1,label_2,score_2,label_3,score_3,milliseconds,error",
    "one.jpg,cat,0.7500,cat,0.7500,'-dog,0.2500,,,1.2500,",
    "two.jpg,unknown,0.7500,cat,0.7500,'-dog,0.2500,,,2.0000,",
    'bad.jpg,,,,,,,,,,"damaged, or not"',
    "",
  ]);
});

for (const start of ["=", "+", "-", "@", "\t", "\r", "\n"]) {
  test(`a file name that begins with ${JSON.stringify(start)} is no formula`, () => {
    const name = `${start}HYPERLINK("x")`;
    const csv = toCsv([{ file: name, decision: null, milliseconds: null, error: "" }], "unknown");
    const cell = csv.slice(csv.indexOf("\r\n") + 2);
    assert.ok(cell.startsWith(`"'${start}HYPERLINK(""x"")",`), cell);
  });
}
