from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from edgecnn.errors import (
    CalibrationError,
    EdgeError,
    ParityFailError,
    ParityInconclusiveError,
    WorkspaceError,
)
from edgecnn.row_error import RowError
from edgecnn.verify.report_files import read_report
from edgecnn.verify.results import Evaluated, ParityReport
from edgecnn.workspace import write_json
from verify.synthetic import make_report


@pytest.mark.parametrize(
    ("verdicts", "overall", "kind"),
    [
        (["PASS"], "PASS", None),
        (["PASS", "NOT MADE"], "PASS", None),
        (["PASS", "INCONCLUSIVE"], "INCONCLUSIVE", ParityInconclusiveError),
        (["INCONCLUSIVE", "ERROR", "PASS"], "ERROR", CalibrationError),
        (["ERROR", "FAIL"], "FAIL", ParityFailError),
        (["INCONCLUSIVE", "FAIL"], "FAIL", ParityFailError),
    ],
)
def test_the_gravest_row_decides(
    verdicts: list[str], overall: str, kind: type[EdgeError] | None
) -> None:
    report = make_report(*verdicts)
    error = report.exit_error()
    assert report.verdict == overall
    assert type(error) is (type(None) if kind is None else kind)


UNWRITTEN = RowError.of(
    WorkspaceError("cannot write x", observed="no space", expected="space", remedy="free some")
)


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        ("PASS", WorkspaceError),
        ("FAIL", ParityFailError),
        ("INCONCLUSIVE", ParityInconclusiveError),
        ("ERROR", CalibrationError),
    ],
)
def test_reports_that_could_not_be_written_never_hide_a_verdict(
    verdict: str, kind: type[EdgeError]
) -> None:
    report = make_report(verdict, write_error=UNWRITTEN)
    assert report.verdict == verdict
    assert type(report.exit_error()) is kind
    assert report.to_dict()["write_error"]["remedy"] == "free some"


def _numbers_of(report: ParityReport) -> tuple[str, str]:
    error = report.exit_error()
    assert error is not None
    return str(error.observed), str(error.expected)


def test_the_error_has_the_numbers_and_the_limits() -> None:
    observed, expected = _numbers_of(make_report("FAIL", "PASS"))
    assert "toy-int8.tflite, Accuracy drop: 33.33 points" in observed
    assert "limit 2.00: missed" in observed
    assert expected.startswith("accuracy drop at most 2 points, agreement at least 95 %")
    observed, expected = _numbers_of(make_report("INCONCLUSIVE"))
    assert "toy-fp16.tflite, Accuracy drop: 1.17 points" in observed
    assert "missed" not in observed
    assert "class drop at most 8 points" in expected


def test_the_error_names_the_first_few_numbers_of_many() -> None:
    observed, _ = _numbers_of(make_report("FAIL", "FAIL"))
    assert observed.count("missed") == 2
    assert observed.endswith("and 4 more")


def test_the_error_names_the_files() -> None:
    error = make_report("FAIL", "PASS").exit_error()
    assert "toy-int8.tflite does not follow" in str(error)
    assert "see the report" in str(error)


def test_too_few_images_says_how_many_and_whether_there_are_more() -> None:
    report = make_report("INCONCLUSIVE")
    assert "add images to the test split" in str(report.exit_error())
    spare = Evaluated(
        dataset="toys",
        images=600,
        available=10_000,
        seed=0,
        images_sha256="",
        reference_sha256="",
        model_sha256="",
    )
    message = str(make_report("INCONCLUSIVE", evaluated=spare).exit_error())
    assert "use more of the 10,000 test images" in message
    assert "--images 1175" in message


def test_a_report_reads_back_as_it_was(tmp_path: Path) -> None:
    report = make_report()
    write_json(tmp_path / "parity.json", report.to_dict())
    assert read_report(tmp_path / "parity.json") == report


def test_json_holds_what_a_reader_would_otherwise_compute() -> None:
    values = json.loads(json.dumps(make_report().to_dict(), allow_nan=False))
    assert values["schema"] == 1
    assert values["verdict"] == "FAIL"
    passed, failed = values["rows"][:2]
    assert passed["verdict"] == "PASS"
    assert passed["metrics"]["agreement"] == 1.0
    assert failed["metrics"]["accuracy_drop"] == pytest.approx(1 / 3)
    assert failed["metrics"]["classes"][0]["recall"] == pytest.approx(0.665)
    assert failed["metrics"]["flips"][0]["id"] == "test/0"
    assert len(failed["metrics"]["flips"]) == 200


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 99}', '{"schema": 1, "rows": 3}', "\xff"]
)
def test_refuses_a_damaged_or_foreign_report(tmp_path: Path, text: str) -> None:
    path = tmp_path / "parity.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(WorkspaceError, match="edgecnn verify"):
        read_report(path)


def test_refuses_a_missing_report(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError):
        read_report(tmp_path / "parity.json")


def test_an_error_comes_back_as_its_own_class() -> None:
    error = CalibrationError("a problem", observed=1, expected=2, remedy="a remedy")
    again = RowError.of(error).to_error()
    assert type(again) is CalibrationError
    assert str(again) == str(error)


def test_an_unjudged_row_has_no_criteria() -> None:
    with pytest.raises(ValueError, match="was not judged"):
        make_report("ERROR").rows[0].criterion("class_drop")


@pytest.mark.parametrize(
    ("variant", "mends"),
    [
        ("tflite-int8", True),
        ("onnx-int8", True),
        ("tflite-int8-mixed", False),
        ("onnx-fp16", False),
    ],
)
def test_a_failure_names_the_repair_where_there_is_one(variant: str, mends: bool) -> None:
    report = make_report("PASS", "FAIL")
    failed = dataclasses.replace(report.rows[1], variant=variant)
    error = dataclasses.replace(report, rows=(report.rows[0], failed)).exit_error()
    assert isinstance(error, ParityFailError)
    assert ("edgecnn convert BUILD --repair" in error.remedy) == mends
    assert "--explain" in error.remedy
