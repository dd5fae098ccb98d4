"""What the commands print fits a terminal of 80 columns, names whole."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.table import Table

from edgecnn.cli.tables import checks_table, print_repairs, variants_table
from edgecnn.commands.doctor import Check

FILE = "seed_cnn-int8-dynamic.tflite"


def lines(table: Table) -> list[str]:
    buffer = io.StringIO()
    Console(file=buffer, width=80, highlight=False).print(table)
    found = buffer.getvalue().splitlines()
    assert max(map(len, found)) <= 80
    return found


def test_conversions_show_names_sizes_and_reasons() -> None:
    rows: list[dict[str, Any]] = [
        {
            "variant": "tflite-int8-dynamic", "status": "made", "file": FILE, "bytes": 1_690_000,
            "min_runtime": {"tflite": "2.17.0"}, "reason": None,
        },
        {
            "variant": "onnx-fp16", "status": "refused", "file": None, "bytes": None,
            "min_runtime": {}, "reason": "[red]tflite-runtime cannot[/red] load ONNX files " * 3,
        },
    ]  # fmt: skip
    shown = lines(variants_table(rows))
    assert any("tflite-int8-dynamic 1.69 MB" in line and "made" in line for line in shown)
    assert any(line.strip() == FILE for line in shown)
    assert any("tflite >= 2.17.0" in line for line in shown)
    words = " ".join(" ".join(shown).split())
    assert "refused [red]tflite-runtime cannot[/red]" in words


def test_checks_show_what_was_found_and_the_whole_fix() -> None:
    fix = "install it: pip install 'a-package-with-a-long-name>=1.2.3'"
    check = Check(name="TFLite runtime", state="bad", found="not installed", fix=fix)
    shown = lines(checks_table([check]))
    assert "bad" in " ".join(shown)
    assert "a-package-with-a-long-name" in "".join("".join(shown).split())


def test_a_repair_that_was_not_needed_is_told_too() -> None:
    repair = {
        "outcome": "not needed",
        "split": "validation",
        "images": 240,
        "tried": [{"what": "as it was made", "result": "agreement 99.17 %: PASS", "holds": True}],
    }
    made: dict[str, Any] = {"variant": "tflite-int8", "status": "made", "repair": repair}
    rows: list[dict[str, Any]] = [
        {"variant": "tflite-fp32", "status": "made"},
        made,
        {**made, "variant": "onnx-int8", "status": "failed"},  # it does not run, says its row
    ]
    buffer = io.StringIO()
    print_repairs(Console(file=buffer, width=80), rows)
    assert buffer.getvalue().splitlines() == [
        "tflite-int8 needs no repair on 240 validation images (agreement 99.17 %: PASS)"
    ]
