from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from edgecnn.verify.report.table import render_table, rows_for_table
from edgecnn.verify.results import ParityReport
from verify.synthetic import make_report


def _text(report: ParityReport, width: int = 80) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=width, highlight=False).print(render_table(report))
    return buffer.getvalue()


def test_fits_80_columns_without_cutting_anything() -> None:
    text = _text(make_report())
    assert max(len(line) for line in text.splitlines()) <= 80
    for whole in (
        "INCONCLUSIVE",
        "NOT MADE",
        "toy-fp16.tflite",
        "tflite-fp16",
        "[",
        "opset too new",
    ):
        assert whole in text
    assert "\u2026" not in text


def test_a_long_file_name_is_folded_and_no_number_is_cut() -> None:
    report = make_report("INCONCLUSIVE", "FAIL")
    file = "the_leaves_of_every_tree_in_the_park-int8-dynamic.tflite"
    rows = tuple(replace(row, variant="tflite-int8-dynamic", file=file) for row in report.rows)
    text = _text(replace(report, rows=rows))
    assert max(len(line) for line in text.splitlines()) <= 80
    for whole in ("INCONCLUSIVE", "[29.68, 37.20]", "98.83"):
        assert whole in text
    assert file in "".join(line.split("  ")[0].strip() for line in text.splitlines())
    assert "\u2026" not in text


def test_each_row_tells_what_was_found() -> None:
    fail = rows_for_table(make_report("FAIL"))[0]
    assert (fail.variant, fail.file, fail.verdict) == ("tflite-int8", "toy-int8.tflite", "FAIL")
    assert (fail.reference_accuracy, fail.accuracy, fail.agreement) == ("100.00", "66.67", "66.67")
    assert fail.drop == "33.33"
    assert fail.drop_interval.startswith("[29.")
    assert fail.worst_class_change == "\u221233.5"
    assert fail.note == ""


def test_what_was_not_judged_has_a_note_in_place_of_numbers() -> None:
    error, not_made = rows_for_table(make_report("ERROR", "NOT MADE"))
    assert (error.verdict, error.note) == ("ERROR", "calibrated on <test> images")
    assert (not_made.size, not_made.note) == ("\u2013", "opset too new")


def test_a_note_that_several_share_is_told_once() -> None:
    report = make_report("INCONCLUSIVE", "INCONCLUSIVE")
    rows = (replace(report.rows[0], variant="onnx-fp32"), report.rows[1])
    words = " ".join(_text(replace(report, rows=rows)).split())
    assert words.count("images would decide") == 1
    assert "onnx-fp32, tflite-fp16: About" in words


def test_markup_in_names_is_shown_not_obeyed() -> None:
    names = ("[red]x[/red]", "[/b]", "z")
    assert "[red]x" in _text(make_report("PASS", class_names=names)).replace("\n", "")


def test_long_class_names_are_shortened() -> None:
    names = ("staffordshire bullterrier", "b", "c")
    (row,) = rows_for_table(make_report("PASS", class_names=names))
    assert row.worst_class == "staffordsh\u2026"
