"""What changed since an earlier verification, and what of it is a regression."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from edgecnn.commands.verify import earlier
from edgecnn.errors import (
    DataError,
    EdgeError,
    ParityFailError,
    ParityInconclusiveError,
    ParityRegressionError,
    WorkspaceError,
)
from edgecnn.recipe.sections import Limits
from edgecnn.verify import exit_error
from edgecnn.verify.baseline import compare
from edgecnn.verify.changes import Baseline, Change
from edgecnn.verify.gate.criteria import judge
from edgecnn.verify.gate.judgement import Counts
from edgecnn.verify.gate.sequential import Looked
from edgecnn.verify.metrics import measure
from edgecnn.verify.recording import read_report, write_reports
from edgecnn.verify.report.junit import junit_xml
from edgecnn.verify.report.markdown import markdown_summary
from edgecnn.verify.report.page import render_report
from edgecnn.verify.report.wording import (
    baseline_headline,
    basis_sentence,
    change_sentence,
    changed,
    worse_than,
)
from edgecnn.verify.results import ArtifactRow, ParityReport
from edgecnn.verify.statistics.intervals import tango_interval
from verify.synthetic import make_report, make_row, one_hot

LIMITS = Limits(max_drop=2, min_agreement=95, max_class_drop=8)
WIDE = Limits(max_drop=90, min_agreement=1, max_class_drop=100)
Ints = npt.NDArray[np.int64]


def row_of(reference: Ints, decisions: Ints, labels: Ints, variant: str = "x") -> ArtifactRow:
    metrics = measure(
        one_hot(reference.tolist()),
        one_hot(decisions.tolist(), top=0.7),
        labels,
        [f"test/{i}" for i in range(len(labels))],
    )
    return ArtifactRow(
        variant=variant, file="x", metrics=metrics, judgement=judge(Counts.of(metrics), WIDE)
    )


def of_rows(*rows: ArtifactRow, **changes: object) -> ParityReport:
    return make_report(rows=rows, **changes)


def only(baseline: Baseline) -> Change:
    (change,) = baseline.changes
    return change


decisions = st.lists(st.integers(0, 2), min_size=40, max_size=40).map(np.array)


@given(labels=decisions, reference=decisions, old=decisions, new=decisions)
@settings(max_examples=60, deadline=None)
def test_two_artifacts_are_paired_by_what_their_reports_tell(
    labels: Ints, reference: Ints, old: Ints, new: Ints
) -> None:
    before = of_rows(row_of(reference, old, labels))
    change = only(compare(of_rows(row_of(reference, new, labels)), before, source="b"))
    lost = int(((old == labels) & (new != labels)).sum())
    gained = int(((old != labels) & (new == labels)).sum())
    drop = tango_interval(lost, gained, len(labels), 0.95)
    assert change.accuracy is not None
    assert (change.accuracy.low, change.accuracy.high) == (-drop.high, -drop.low)
    assert change.accuracy.now - change.accuracy.before == pytest.approx((gained - lost) / 40)
    apart = int(((new != reference) & (old == reference)).sum())
    closer = int(((new == reference) & (old != reference)).sum())
    drop = tango_interval(apart, closer, len(labels), 0.95)
    assert change.agreement is not None
    assert (change.agreement.low, change.agreement.high) == (-drop.high, -drop.low)


def test_the_same_artifacts_are_no_regression() -> None:
    report = make_report("PASS", "FAIL", "INCONCLUSIVE", "NOT MADE")
    baseline = compare(report, report, source="b.json")
    assert baseline.paired
    assert not baseline.regressions
    assert not changed(baseline)
    assert baseline_headline(baseline) == "Nothing got worse since b.json."
    assert "image by image" in basis_sentence(baseline)
    assert {change_sentence(one) for one in baseline.changes[:3]} == {"the same file"}


def test_a_loss_beyond_chance_is_a_regression() -> None:
    before = of_rows(make_row("tflite-int8", 2, limits=LIMITS))
    now = of_rows(make_row("tflite-int8", 12, limits=WIDE))
    baseline = compare(now, before, source="b.json")
    change = only(baseline)
    assert change.regressions == ("accuracy", "agreement")
    assert change.accuracy is not None
    assert change.accuracy.high < 0
    assert "99.67 % before, now 98.00 %" in change_sentence(change)
    assert "worse beyond chance" in worse_than(baseline)
    # The other way round it is progress.
    assert not compare(before, now, source="b.json").regressions


def test_a_loss_that_chance_explains_is_shown_only() -> None:
    before = of_rows(make_row("tflite-int8", 2, limits=LIMITS))
    baseline = compare(of_rows(make_row("tflite-int8", 6, limits=WIDE)), before, source="b")
    assert not baseline.regressions
    assert [one.variant for one in changed(baseline)] == ["tflite-int8"]
    assert "worse" not in change_sentence(only(baseline))


def test_other_images_ask_for_a_larger_difference() -> None:
    before = of_rows(make_row("tflite-int8", 2, limits=LIMITS))
    other = replace(before.evaluated, images_sha256="99" * 32)
    now = of_rows(make_row("tflite-int8", 12, limits=WIDE), evaluated=other)
    baseline = compare(now, before, source="b.json")
    assert not baseline.paired
    assert "independent samples" in basis_sentence(baseline)
    change = only(baseline)
    assert change.accuracy is not None
    paired = only(compare(replace(now, evaluated=before.evaluated), before, source="b")).accuracy
    assert paired is not None
    assert change.accuracy.high - change.accuracy.low > paired.high - paired.low
    far = of_rows(make_row("tflite-int8", 60, limits=WIDE), evaluated=other)
    assert "accuracy" in only(compare(far, before, source="b")).regressions


def test_another_float_model_or_images_that_were_added_are_not_paired() -> None:
    report = make_report("PASS")
    other = replace(report.evaluated, reference_sha256="99" * 32, model_sha256="98" * 32)
    baseline = compare(replace(report, evaluated=other), report, source="b")
    assert not baseline.paired
    assert not baseline.same_model
    assert "the float model changed" in basis_sentence(baseline)
    looked = replace(report.rows[0], looked=Looked(looks=3, images=300, available=600))
    decided = replace(report, rows=(looked,))
    assert not compare(decided, report, source="b").paired
    assert "as many as each verdict needed" in basis_sentence(compare(decided, decided, source="b"))


def test_verdicts_that_got_worse_and_artifacts_that_are_missing() -> None:
    before = make_report("PASS", "FAIL", "NOT MADE")
    now = make_report("PASS", "INCONCLUSIVE")
    by_name = {one.variant: one for one in compare(now, before, source="b").changes}
    assert by_name["tflite-fp32"].regressions == ()
    assert by_name["tflite-fp16"].regressions == ()  # new
    assert change_sentence(by_name["tflite-fp16"]) == "new: INCONCLUSIVE"
    assert by_name["tflite-int8"].regressions == ("missing",)
    assert change_sentence(by_name["tflite-int8"]) == "missing; it was FAIL"
    assert by_name["onnx-fp16"].regressions == ()  # it was not there before either
    worse = replace(before.rows[1], variant="tflite-fp32")
    change = compare(of_rows(worse), before, source="b").changes[0]
    assert change.regressions[0] == "verdict"
    assert change_sentence(change).startswith("PASS before, now FAIL; accuracy 100.00 % before")


def renamed(row: ArtifactRow, variant: str) -> ArtifactRow:
    return replace(row, variant=variant)


def test_a_file_that_a_repair_replaced_is_compared_with_the_one_in_its_place() -> None:
    passed, failed, _ = make_report("PASS", "FAIL", "NOT MADE").rows
    not_made = ArtifactRow(variant="tflite-int8", file=None, reason="tflite-int8-mixed is there")
    mixed = renamed(passed, "tflite-int8-mixed")
    plain, repaired = of_rows(failed), of_rows(not_made, mixed)
    change = only(compare(repaired, plain, source="b"))
    assert change.variant == "tflite-int8-mixed"
    assert change.regressions == ()
    assert change_sentence(change).startswith("in the place of tflite-int8; FAIL before, now PASS")
    # Back again, it is a regression, and it is the int8 file's.
    change = only(compare(plain, repaired, source="b"))
    assert change.variant == "tflite-int8"
    assert change.regressions == ("verdict", "accuracy", "agreement")
    assert change_sentence(change).startswith("in the place of tflite-int8-mixed; PASS before")
    # The same repair twice; and a mixed file that is worse.
    same = only(compare(repaired, repaired, source="b"))
    assert same.replaces is None
    assert changed(compare(repaired, repaired, source="b")) == []
    worse = of_rows(not_made, renamed(failed, "tflite-int8-mixed"))
    assert only(compare(worse, repaired, source="b")).regressions[0] == "verdict"
    # What was not made, with nothing in its place, is missed as before.
    assert only(compare(of_rows(not_made), plain, source="b")).regressions == ("verdict",)
    # Files made elsewhere may be called so without any repair.
    both = of_rows(failed, mixed)
    assert [one.variant for one in compare(both, both, source="b").changes] == [
        "tflite-int8",
        "tflite-int8-mixed",
    ]


def test_files_that_were_not_asked_for_are_not_missing() -> None:
    before = make_report("PASS", "FAIL")
    some = of_rows(before.rows[0])
    assert only(compare(some, before, source="b", some=True)).variant == "tflite-fp32"
    assert compare(some, before, source="b").regressions


def test_an_error_tells_the_first_few_regressions() -> None:
    (row,) = make_report("PASS").rows
    before = of_rows(*(renamed(row, f"v{number}") for number in range(5)))
    now = of_rows(renamed(row, "v0"))
    assert worse_than(compare(now, before, source="b")) == (
        "v1, missing; it was PASS; v2, missing; it was PASS; v3, missing; it was PASS; and 1 more"
    )
    assert "more" not in worse_than(compare(of_rows(*before.rows[:2]), before, source="b"))


def test_a_verdict_that_is_open_for_want_of_images_is_no_regression() -> None:
    before = make_report("PASS")
    limits = Limits(max_drop=0.1, min_agreement=95, max_class_drop=50)
    few = make_row("tflite-fp32", 0, images=150, limits=limits)
    assert few.verdict == "INCONCLUSIVE"
    assert not compare(of_rows(few), before, source="b").regressions
    as_many = make_row("tflite-fp32", 0, images=600, limits=limits)
    assert as_many.verdict == "INCONCLUSIVE"
    assert compare(of_rows(as_many), before, source="b").regressions


def test_a_new_limit_makes_no_file_worse() -> None:
    # The earlier verification asked for no least accuracy; 97 % is asked for now, of 580 of 600.
    before = of_rows(make_row("tflite-int8", 20, limits=WIDE))
    least = WIDE.model_copy(update={"min_accuracy": 97})
    now = of_rows(make_row("tflite-int8", 20, limits=least))
    change = only(compare(now, before, source="b"))
    assert (change.verdict_before, change.verdict, change.regressions) == (
        "PASS", "INCONCLUSIVE", ()
    )  # fmt: skip
    # With the same limit in both, a verdict that got worse is a regression.
    earlier_one = of_rows(make_row("tflite-int8", 2, limits=least))
    assert only(compare(now, earlier_one, source="b")).regressions[0] == "verdict"
    # And so is a loss that an older criterion sees, whatever the new one says.
    lost = of_rows(make_row("tflite-int8", 580, limits=least))
    assert "verdict" in only(compare(lost, before, source="b")).regressions


def test_another_size_is_told_and_no_regression() -> None:
    report = make_report("PASS")
    larger = replace(report.rows[0], bytes=99_000, sha256="ff" * 32)
    baseline = compare(replace(report, rows=(larger,)), report, source="b")
    assert change_sentence(only(baseline)) == "size 12.3 kB before, now 99.0 kB"
    nearly = replace(report.rows[0], bytes=12_346, sha256="ff" * 32)
    baseline = compare(replace(report, rows=(nearly,)), report, source="b")
    assert change_sentence(only(baseline)) == "size 12,345 bytes before, now 12,346 bytes"
    assert not baseline.regressions
    same = replace(report.rows[0], sha256="ff" * 32)
    baseline = compare(replace(report, rows=(same,)), report, source="b")
    assert change_sentence(only(baseline)) == "another file, with the same answers"


@pytest.mark.parametrize("name", ["", "none.json", "x" * 300])
def test_a_baseline_that_is_not_there_is_not_to_be_made_again(tmp_path: Path, name: str) -> None:
    with pytest.raises(WorkspaceError, match="names no earlier verification") as caught:
        earlier(tmp_path / name)
    assert "edgecnn verify " not in caught.value.remedy


def test_another_classifier_is_refused() -> None:
    with pytest.raises(DataError, match="another classifier"):
        compare(make_report("PASS"), make_report("PASS", class_names=("a", "b", "c")), source="b")


@pytest.mark.parametrize(
    ("verdicts", "kind"),
    [
        (["PASS"], ParityRegressionError),
        (["INCONCLUSIVE"], ParityRegressionError),
        (["FAIL"], ParityFailError),
    ],
)
def test_a_regression_ends_a_command_unless_something_is_graver(
    verdicts: list[str], kind: type[EdgeError]
) -> None:
    report = make_report(*verdicts)
    before = of_rows(*report.rows, replace(report.rows[0], variant="onnx-fp32"))
    compared = replace(report, baseline=compare(report, before, source="b.json"))
    error = exit_error(compared)
    assert type(error) is kind
    if kind is ParityRegressionError:
        assert "Worse than in b.json: onnx-fp32" in str(error)
        assert "missing" in str(error.observed)
    assert type(exit_error(replace(report, baseline=None))) in (
        type(None), ParityFailError, ParityInconclusiveError,
    )  # fmt: skip


def test_chance_alone_is_a_regression_in_at_most_2_5_percent() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(300) % 3
    runs, wrong = 150, 0

    def artifact(variant: str) -> ArtifactRow:
        flipped = rng.random(300) < 0.05
        return row_of(labels, np.where(flipped, (labels + 1) % 3, labels), labels, variant)

    for _ in range(runs):
        before, now = (of_rows(artifact("a"), artifact("b")) for _ in range(2))
        # Verdicts have limits here that nothing comes near.
        wrong += bool(compare(now, before, source="b").regressions)
    assert wrong <= binom.ppf(0.999, runs, 0.025)


@pytest.fixture
def regressed() -> ParityReport:
    before = of_rows(make_row("tflite-int8", 2, limits=LIMITS), make_report("PASS").rows[0])
    now = of_rows(make_row("tflite-int8", 12, limits=WIDE), make_report("PASS").rows[0])
    return replace(now, baseline=compare(now, before, source="old <b>.json"))


def test_page_summary_and_junit_tell_it(regressed: ParityReport) -> None:
    pixels = np.zeros((600, 8, 8, 3), np.uint8)
    page = render_report(regressed, pixels)
    assert "Worse than in old &lt;b&gt;.json: tflite-int8." in page
    assert "worse beyond chance" in page
    summary = markdown_summary(regressed)
    assert "### ❌ Worse than in old \\<b\\>.json: tflite-int8." in summary
    assert "| `tflite-int8` | ❌ accuracy 99.67 % before" in summary
    suite = ET.fromstring(junit_xml(regressed)).find("testsuite")
    assert suite is not None
    cases = {case.attrib["name"]: case for case in suite}
    assert suite.attrib["tests"] == str(len(cases)) == "4"
    assert suite.attrib["failures"] == "1"
    (failure,) = cases["tflite-int8 since the baseline"]
    assert (failure.tag, failure.attrib["type"]) == ("failure", "regression")
    (output,) = cases["tflite-fp32 since the baseline"]
    assert output.text == "the same file"


def test_it_reads_back(regressed: ParityReport, tmp_path: Path) -> None:
    pixels = np.zeros((600, 8, 8, 3), np.uint8)
    write_reports(tmp_path / "p.json", tmp_path / "r.html", regressed, pixels)
    assert read_report(tmp_path / "p.json") == regressed
