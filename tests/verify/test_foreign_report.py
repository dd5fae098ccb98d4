"""How hints and what is not known are shown, wherever a report is read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from edgecnn.verify import exit_error
from edgecnn.verify.foreign.facts import Foreign, Hint
from edgecnn.verify.recording import read_report, write_reports
from edgecnn.verify.report.junit import junit_xml
from edgecnn.verify.report.page import render_report
from edgecnn.verify.report.table import hint_lines, render_table
from edgecnn.verify.results import ParityReport
from verify.synthetic import make_report

HINT = Hint(
    kind="input",
    text="other.tflite may be fed otherwise: with <0..1> it would agree on 99.0 %.",
    images=200,
    before=0.1,
    after=0.99,
    option="--input-range 0..1",
)
ABOUT = Hint(kind="guessing", text="float.h5 is guessing.", images=600, before=0.3)
PIXELS = np.zeros((600, 4, 4, 3), np.uint8)


@pytest.fixture
def report() -> ParityReport:
    foreign = Foreign(
        reference="models/<float>.h5",
        reference_sha256="ab" * 32,
        reference_runtime="tensorflow 2.21.0",
        reference_range="0..255",
        reference_normalizes=True,
        reference_kind="logits",
        input_range="0..255",
        read={"other.tflite": "int8 NHWC input 4 x 4 x 3 (scale 1, zero point -128)"},
        images="all of it",
        unseen_labels=2,
        hints=(ABOUT,),
    )
    plain = make_report("FAIL", foreign=foreign)
    return dataclasses.replace(plain, rows=(dataclasses.replace(plain.rows[0], hints=(HINT,)),))


def test_the_page_shows_hints_notes_and_how_files_were_read(report: ParityReport) -> None:
    page = render_report(report, PIXELS)
    assert "<b>Hint</b> float.h5 is guessing." in page
    assert "with &lt;0..1&gt; it would agree on 99.0 %" in page
    assert "It is not known which images these files were trained and calibrated on" in page
    assert "There are no images of 2 labels" in page
    assert "models/&lt;float&gt;.h5: pixels as 0..255, which it normalizes itself; logits" in page
    assert "int8 NHWC input 4 x 4 x 3" in page
    assert "the float model that was named as its reference" in page


def test_a_page_of_our_own_files_has_none_of_it() -> None:
    page = render_report(make_report(), PIXELS)
    assert "Hint" not in page
    assert "It is not known" not in page
    assert "the float model it was converted from" in page
    assert hint_lines(make_report()) == []


def test_the_terminal_shows_hints_and_notes(report: ParityReport) -> None:
    caption = str(render_table(report).caption)
    assert f"hint: {ABOUT.text}\nhint: {HINT.text}\nnote: It is not known" in caption


def test_junit_has_the_hints(report: ParityReport) -> None:
    text = junit_xml(report).decode()
    assert "Hint: float.h5 is guessing.\nHint: other.tflite may be fed otherwise" in text


def test_the_command_ends_with_the_hint(report: ParityReport) -> None:
    error = exit_error(report)
    assert error is not None
    assert error.remedy == f"perhaps it is how the files are fed or read: {ABOUT.text}"
    assert report.foreign is not None
    plain = dataclasses.replace(
        report,
        foreign=dataclasses.replace(report.foreign, hints=()),
        rows=(dataclasses.replace(report.rows[0], hints=()),),
    )
    without = exit_error(plain)
    assert without is not None
    assert "recipe" not in without.remedy  # there is none


def test_it_reads_back_the_same(report: ParityReport, tmp_path: Path) -> None:
    write_reports(tmp_path / "parity.json", tmp_path / "report.html", report, PIXELS)
    assert read_report(tmp_path / "parity.json") == report
    values = json.loads((tmp_path / "parity.json").read_text())
    assert values["foreign"]["calibration"] == "not known"
    # A file that was written before there were such fields.
    del values["foreign"], values["rows"][0]["hints"]
    (tmp_path / "parity.json").write_text(json.dumps(values))
    older = read_report(tmp_path / "parity.json")
    assert (older.foreign, older.rows[0].hints) == (None, ())
