from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from edgecnn.errors import (
    CalibrationError,
    EdgeError,
    ParityFailError,
    ParityInconclusiveError,
    RowError,
    UselessModelError,
    WorkspaceError,
)
from edgecnn.files import write_json
from edgecnn.recipe.sections import Limits
from edgecnn.verify import exit_error
from edgecnn.verify.foreign.facts import Foreign, Hint
from edgecnn.verify.gate.criteria import judge, limits_in_force
from edgecnn.verify.gate.judgement import Counts, Paired
from edgecnn.verify.gate.tightest import least_drop
from edgecnn.verify.recording import read_report
from edgecnn.verify.results import Evaluated, ParityReport
from verify.synthetic import GUESSES, make_report, make_row


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
    error = exit_error(report)
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
    assert type(exit_error(report)) is kind
    assert report.to_dict()["write_error"]["remedy"] == "free some"


def _numbers_of(report: ParityReport) -> tuple[str, str]:
    error = exit_error(report)
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
    error = exit_error(make_report("FAIL", "PASS"))
    assert "toy-int8.tflite does not follow" in str(error)
    assert "see the report" in str(error)


def test_too_few_images_says_how_many_and_whether_there_are_more() -> None:
    report = make_report("INCONCLUSIVE")
    assert "add images to the test split" in str(exit_error(report))
    spare = Evaluated(
        dataset="toys",
        images=600,
        available=10_000,
        seed=0,
        images_sha256="",
        reference_sha256="",
        model_sha256="",
    )
    message = str(exit_error(make_report("INCONCLUSIVE", evaluated=spare)))
    assert "use more of the 10,000 test images" in message
    assert "--images 1175" in message


def test_a_number_that_is_too_uncertain_is_no_remedy() -> None:
    limits = Limits(max_drop=2, min_agreement=95, max_class_drop=8)
    report = make_report(rows=(make_row("tflite-fp16", 9, limits=limits),))
    message = str(exit_error(report))
    assert "add images to the test split: how many would decide is too uncertain" in message
    more = dataclasses.replace(report.evaluated, available=10_000)
    message = str(exit_error(dataclasses.replace(report, evaluated=more)))
    assert "use all of the 10,000 test images, without --images" in message


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "ERROR", "INCONCLUSIVE"])
def test_a_float_model_that_guesses_comes_before_every_verdict(verdict: str) -> None:
    # Whatever a file does, it follows a model that knows nothing.
    report = make_report(verdict, float_model=GUESSES)
    error = exit_error(report)
    assert isinstance(error, UselessModelError)
    assert (report.verdict, report.rows[0].verdict) == ("ERROR", verdict)
    assert "right on 210 of 600 images (35.0 %)" in str(error.observed)
    allowed = dataclasses.replace(report, limits={**report.limits, "min_accuracy": 0.0})
    assert allowed.verdict == verdict
    assert not isinstance(exit_error(allowed), UselessModelError)


def test_a_model_that_guesses_comes_before_reports_that_were_not_written() -> None:
    report = make_report("PASS", float_model=GUESSES, write_error=UNWRITTEN)
    assert isinstance(exit_error(report), UselessModelError)


def test_what_may_be_wrong_with_how_a_reference_is_fed_is_told_first() -> None:
    hint = Hint(kind="input", text="It may be fed 0..255.", images=9, before=0.1, after=0.9)
    foreign = Foreign(
        reference="f.h5", reference_sha256="", reference_runtime="", reference_range="0..1",
        reference_normalizes=False, reference_kind="logits", input_range="0..1", read={},
        images="all", hints=(hint,),
    )  # fmt: skip
    error = exit_error(make_report("PASS", float_model=GUESSES, foreign=foreign))
    assert error is not None
    assert error.remedy.startswith("perhaps it is how it is fed or read: It may be fed 0..255.")
    assert "[limits]" not in error.remedy
    # That nothing explains it is no explanation.
    none = dataclasses.replace(hint, kind="guessing", text="No other range explains it.")
    foreign = dataclasses.replace(foreign, hints=(none,))
    error = exit_error(make_report("PASS", float_model=GUESSES, foreign=foreign))
    assert error is not None
    assert error.remedy.startswith("check the order of the labels")


def test_an_earlier_report_reads_back_without_what_it_did_not_ask(tmp_path: Path) -> None:
    values = make_report("PASS", "INCONCLUSIVE").to_dict()
    del values["float_model"]
    for name in ("low", "high", "uncertain"):
        del values["rows"][1]["needed"][name]
    write_json(tmp_path / "parity.json", values)
    report = read_report(tmp_path / "parity.json")
    assert report.float_model is None
    assert report.verdict == "INCONCLUSIVE"
    assert isinstance(exit_error(report), ParityInconclusiveError)
    assert [one.name for one in report.rows[0].judgement.criteria] == [  # type: ignore[union-attr]
        "accuracy_drop", "disagreement", "class_drop"
    ]  # fmt: skip


LEAST = Limits(max_drop=50, min_agreement=20, max_class_drop=100, min_accuracy=80)


def least_report(*wrong: int, **changes: Any) -> ParityReport:
    """Return a report that asks for 80 % right; each artifact gets some of 600 wrong."""
    rows = tuple(make_row(f"tflite-{number}", number, limits=LEAST) for number in wrong)
    return make_report(
        rows=rows, limits=limits_in_force(LEAST, groups=True, corruptions=True), **changes
    )


def test_a_file_below_the_least_accuracy_fails_and_is_not_said_to_differ() -> None:
    report = least_report(30, 115, 200)
    assert [row.verdict for row in report.rows] == ["PASS", "INCONCLUSIVE", "FAIL"]
    error = exit_error(report)
    assert isinstance(error, ParityFailError)
    assert "toy-200.tflite is right too seldom" in error.problem
    assert "Accuracy: 66.67 %, 95 % interval" in str(error.observed)
    assert "at least 80.00: missed" in str(error.observed)
    assert str(error.expected).endswith("accuracy at least 80 %")
    assert "--min-accuracy, or [limits] in the recipe" in error.remedy
    open_ = exit_error(least_report(115))
    assert isinstance(open_, ParityInconclusiveError)
    assert "too few to tell whether toy-115.tflite is right often enough" in open_.problem


def test_a_file_that_misses_more_than_that_does_not_follow_its_model() -> None:
    limits = LEAST.model_copy(update={"max_drop": 1})
    report = make_report(rows=(make_row("tflite-int8", 200, limits=limits),))
    assert "does not follow the float model" in str(exit_error(report))


def test_a_report_with_a_least_accuracy_reads_back(tmp_path: Path) -> None:
    report = least_report(30, 115, float_model=GUESSES)
    write_json(tmp_path / "parity.json", report.to_dict())
    assert read_report(tmp_path / "parity.json") == report
    values = json.loads((tmp_path / "parity.json").read_text())
    assert values["float_model"]["outcome"] == "guessing"
    assert values["rows"][0]["judgement"]["criteria"][3]["name"] == "accuracy"


def test_a_report_reads_back_as_it_was(tmp_path: Path) -> None:
    report = make_report()
    write_json(tmp_path / "parity.json", report.to_dict())
    assert read_report(tmp_path / "parity.json") == report


def test_a_report_of_edgecnn_0_2_is_read(tmp_path: Path) -> None:
    report = make_report()
    values = report.to_dict() | {"schema": 1}
    for name in ("near_ties", "unlabelled", "decidable"):
        del values[name]
    for row in values["rows"]:
        for name in ("clear_disagreements", "unlabelled", "tightest"):
            del row[name]
        if row["judgement"]:
            del row["judgement"]["equality"], row["judgement"]["by_equality"]
            for criterion in row["judgement"]["criteria"]:
                del criterion["images"], criterion["by_equality"]
    write_json(tmp_path / "parity.json", values)
    found = read_report(tmp_path / "parity.json")
    assert [row.verdict for row in found.rows] == [row.verdict for row in report.rows]
    # What is shown of it again has today's layout.
    assert found.to_dict()["schema"] == 2
    assert (found.near_ties, found.unlabelled, found.decidable) == (None, None, None)


def test_json_holds_what_a_reader_would_otherwise_compute() -> None:
    values = json.loads(json.dumps(make_report().to_dict(), allow_nan=False))
    assert values["schema"] == 2
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


def test_the_remedy_names_the_tightest_limits_and_what_helps_besides() -> None:
    error = exit_error(make_report("INCONCLUSIVE"))
    assert isinstance(error, ParityInconclusiveError)
    assert "600 images show 1 points and 99 % agreement at best" in error.remedy
    assert "--unlabelled FOLDER" in error.remedy


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
    error = exit_error(dataclasses.replace(report, rows=(report.rows[0], failed)))
    assert isinstance(error, ParityFailError)
    assert ("edgecnn convert BUILD --repair" in error.remedy) == mends
    assert "--explain" in error.remedy


def test_what_few_images_can_show_at_best_is_said_and_stands_in_the_manual() -> None:
    manual = Path(__file__).parents[2] / "toolchain/docs/getting-started.md"
    rows = re.findall(
        r"^\| [\d,]+ \| (\d+) \| ([\d.]+) \| (\d+) \|$", manual.read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) == 6
    for images, drop, agreement in rows:
        assert least_drop(int(images)) == float(drop)
        same = Paired(images=int(images), lost=0, gained=0)
        counts = Counts(overall=same, disagreements=0, right=int(images), classes=(same,))
        limits: dict[str, Any] = {"max_drop": float(drop), "max_class_drop": 95.0}
        for wanted, verdict in ((int(agreement), "PASS"), (int(agreement) + 1, "INCONCLUSIVE")):
            if wanted < 100:
                asked = Limits(min_agreement=wanted, **limits)
                assert judge(counts, asked).verdict == verdict, (images, wanted)
        stricter = Limits(max_drop=float(drop) - 0.5, min_agreement=5.0, max_class_drop=95.0)
        assert judge(counts, stricter).verdict == "INCONCLUSIVE"
