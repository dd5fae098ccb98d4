from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.errors import WorkspaceError
from edgecnn.verify.gate.sequential import Looked
from edgecnn.verify.report.markdown import markdown_summary, write_markdown
from verify.synthetic import make_report


def test_every_artifact_has_its_line_and_what_is_not_well_its_sentence() -> None:
    text = markdown_summary(make_report())
    assert text.startswith("## ❌ Parity of toy: FAIL\n")
    assert "1 of 5" not in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split(" | ")[1] for row in rows] == [
        "✅ PASS", "❌ FAIL", "❔ INCONCLUSIVE", "❌ ERROR", "\u2013 NOT MADE",
    ]  # fmt: skip
    header = next(line for line in text.splitlines() if line.startswith("| artifact"))
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in [header, *rows]} == {8}
    assert "| 66.67 % | 33.33 (" in rows[1]
    assert "**tflite-int8**: It does not follow the float model: accuracy falls by 33.33" in text
    assert "**tflite-fp16**: 600 images are too few" in text
    assert "**onnx-int8**: It could not be judged: calibrated on \\<test\\> images." in text
    assert "**tflite-fp32**" not in text
    assert "Limits: accuracy drop at most 2 points" in text
    assert "  - Accuracy drop: 33.33 points, 95 % interval" in text


def test_names_are_shown_and_not_obeyed() -> None:
    names = ("![x](http://e.vil/)", "a|b\n# c", "@you www.e.vil <img src=x>")
    report = make_report("FAIL", "INCONCLUSIVE", class_names=names, model="*m*")
    text = markdown_summary(report)
    assert "\\*m\\*" in text
    for raw in ("![", " [x", "http://", "\n# c", " @you", "www.e", "<img"):
        assert raw not in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}


def test_images_until_decided_and_devices_are_named() -> None:
    report = make_report("PASS", device="ssh://pi@host")
    looked = replace(report.rows[0], looked=Looked(looks=3, images=300, available=600))
    text = markdown_summary(replace(report, rows=(looked,)))
    assert "Up to 600 test images of toys, for each artifact until its verdict is sure." in text
    assert "ssh\\://pi\\@host, P" in text


def test_it_is_written_whole_or_the_reason_is_told(tmp_path: Path) -> None:
    report = make_report("PASS")
    write_markdown(tmp_path / "summary.md", report)
    assert (tmp_path / "summary.md").read_text("utf-8") == markdown_summary(report)
    with pytest.raises(WorkspaceError, match="--markdown FILE"):
        write_markdown(tmp_path, report)
