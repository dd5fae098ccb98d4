from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from edgecnn.errors import WorkspaceError
from edgecnn.verify.report.junit import junit_xml, write_junit
from verify.synthetic import make_report


def _cases(document: bytes) -> dict[str, ET.Element]:
    suite = ET.fromstring(document).find("testsuite")
    assert suite is not None
    return {case.attrib["name"]: case for case in suite}


def test_each_verdict_has_its_element() -> None:
    cases = _cases(junit_xml(make_report()))
    assert [child.tag for child in cases["tflite-fp32 (toy-fp32.tflite)"]] == ["system-out"]
    (failure,) = cases["tflite-int8 (toy-int8.tflite)"]
    assert (failure.tag, failure.attrib["type"]) == ("failure", "parity")
    assert "Accuracy drop: 33.33 points" in (failure.text or "")
    (undecided,) = cases["tflite-fp16 (toy-fp16.tflite)"]
    assert (undecided.tag, undecided.attrib["type"]) == ("failure", "inconclusive")
    assert "would decide" in undecided.attrib["message"]
    (error,) = cases["onnx-int8 (toy-int8.onnx)"]
    assert (error.tag, error.attrib["type"]) == ("error", "CalibrationError")
    assert "remedy:   convert again" in (error.text or "")
    (skipped,) = cases["onnx-fp16"]
    assert (skipped.tag, skipped.attrib["message"]) == (
        "skipped",
        "It was not made: opset too new.",
    )


def test_counts_are_those_of_the_cases() -> None:
    root = ET.fromstring(junit_xml(make_report()))
    suite = root.find("testsuite")
    assert suite is not None
    expected = {"tests": "5", "failures": "2", "errors": "1", "skipped": "1"}
    for element in (root, suite):
        assert {name: element.attrib[name] for name in expected} == expected


def test_times_are_those_measured_and_add_up() -> None:
    report = make_report("PASS", "FAIL")
    rows = tuple(replace(row, seconds=s) for row, s in zip(report.rows, (1.25, 0.5), strict=True))
    suite = ET.fromstring(junit_xml(replace(report, rows=rows))).find("testsuite")
    assert suite is not None
    assert [case.attrib["time"] for case in suite] == ["1.250", "0.500"]
    assert suite.attrib["time"] == "1.750"


def test_any_class_name_gives_well_formed_xml() -> None:
    names = ('<![CDATA[ ]]> & "\x00\x1b', "\ud800 lone", "\u00e9\U0001f600")
    document = junit_xml(make_report(class_names=names, model="a<b>\x01"))
    messages = [element.attrib.get("message", "") for element in ET.fromstring(document).iter()]
    assert any('<![CDATA[ ]]> & "\ufffd\ufffd' in message for message in messages)


def test_writes_the_file_whole_or_not_at_all(tmp_path: Path) -> None:
    report = make_report("PASS")
    write_junit(tmp_path / "parity.xml", report)
    assert (tmp_path / "parity.xml").read_bytes() == junit_xml(report)
    with pytest.raises(WorkspaceError, match="--junit FILE"):
        write_junit(tmp_path / "missing" / "parity.xml", report)
