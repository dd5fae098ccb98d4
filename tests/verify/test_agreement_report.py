"""What is told of near-ties, equality, pictures without labels and decidable limits, everywhere."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.criteria import judge, with_equality
from edgecnn.verify.gate.judgement import Agreement, Changed, Counts, Equality
from edgecnn.verify.gate.tightest import tightest_at_best, tightest_kept
from edgecnn.verify.near_ties import NearTies
from edgecnn.verify.report.junit import junit_xml
from edgecnn.verify.report.markdown import markdown_summary
from edgecnn.verify.report.page import render_report
from edgecnn.verify.report.table import render_table
from edgecnn.verify.results import ArtifactRow, ParityReport
from edgecnn.verify.unlabelled import UnlabelledAgreement, UnlabelledFacts
from html_page import HtmlPage
from verify.synthetic import make_report, make_row

CLEAR = NearTies(
    images=600, rule="clear", reason="as asked", noise_changed=23, margin=0.4, clear=540
)
EQUAL = Equality(
    holds=True,
    reason="no score differs by more than 0.01 % on 60 evaluation images",
    images=60,
    probes=256,
    difference=1e-5,
    margin=0.05,
    move=1e-6,
)


def with_clear(row: ArtifactRow, changed: int, limits: Limits) -> ArtifactRow:
    """Return a row whose agreement was judged on 540 clear answers, of which some changed."""
    assert row.metrics is not None
    judged = Changed.alone(540, changed)
    agreement = Agreement(
        labelled=judged,
        unlabelled=None,
        together=judged,
        whole=Changed.alone(600, row.metrics.disagreements),
    )
    counts = Counts.of(row.metrics, agreement, clear_only=True)
    judgement = judge(counts, limits)
    open_verdict = judgement.verdict == "INCONCLUSIVE"
    return dataclasses.replace(
        row,
        judgement=judgement,
        needed=None,
        clear_disagreements=changed,
        tightest=tightest_kept(counts) if open_verdict else None,
    )


@pytest.fixture
def report() -> ParityReport:
    """An int8 file with near-ties, a float file that is equal, and one that is undecided."""
    limits = Limits(max_drop=5, min_agreement=95, agreement_on="clear", max_class_drop=20)
    int8 = with_clear(make_row("tflite-int8", 12, limits=limits), 3, limits)
    narrow = Limits(max_drop=0.1, min_agreement=99.9, agreement_on="clear", max_class_drop=20)
    plain = make_row("tflite-fp32", 0, limits=narrow)
    assert plain.judgement is not None
    equal = dataclasses.replace(plain, judgement=with_equality(plain.judgement, EQUAL), needed=None)
    undecided = with_clear(make_row("onnx-int8", 1, limits=narrow), 1, narrow)
    return make_report(
        rows=(equal, int8, undecided),
        near_ties=CLEAR,
        decidable=tightest_at_best(600, clear=540),
        limits={"max_drop": 0.1, "min_agreement": 99.9, "max_class_drop": 20.0},
    )


def texts(report: ParityReport) -> dict[str, str]:
    """Return what each form of the report says, with single spaces."""
    console = Console(file=io.StringIO(), width=80)
    console.print(render_table(report))
    pixels = np.zeros((600, 4, 4, 3), np.uint8)
    found = {
        "page": HtmlPage(render_report(report, pixels)).text,
        "table": console.file.getvalue(),  # type: ignore[attr-defined]  # a StringIO
        "markdown": markdown_summary(report).replace("\\", ""),
        "junit": junit_xml(report).decode(),
    }
    return {name: " ".join(text.split()) for name, text in found.items()}


@pytest.mark.parametrize("form", ["page", "table", "markdown", "junit"])
def test_near_ties_are_told_beside_the_changed_answers(form: str, report: ParityReport) -> None:
    text = texts(report)[form]
    assert "One grey level of noise changes 3.83 % of the float model's own answers" in text
    assert "540 of 600 are clear, and agreement is judged on those" in text
    assert "It changes 2.00 % of all answers and 0.56 % of the clear ones." in text


@pytest.mark.parametrize("form", ["page", "table", "markdown"])
def test_equality_is_called_that(form: str, report: ParityReport) -> None:
    assert "by equality" in texts(report)[form]


def test_a_pass_by_equality_says_why(report: ParityReport) -> None:
    found = texts(report)
    for form in ("page", "markdown", "junit"):
        assert "PASS by equality: its scores are the float model" in found[form]
        assert "No score differs by more than 0.01 % on 60 evaluation images." in found[form]
    assert "undecided by equality" not in found["page"]
    assert "met by equality" in found["page"]


@pytest.mark.parametrize("form", ["page", "table", "markdown"])
def test_the_tightest_limits_are_told(form: str, report: ParityReport) -> None:
    text = texts(report)[form]
    assert "if no answer changes: max_drop = 1, min_agreement = 99." in text
    assert 'agreement_on = "clear" it would pass.' in text.replace("&quot;", '"').replace(
        "&#34;", '"'
    )


def test_json_tells_all_of_it(report: ParityReport) -> None:
    values = report.to_dict()
    equal, int8, undecided = values["rows"]
    assert equal["verdict"] == "PASS"
    assert equal["judgement"]["by_equality"]
    assert equal["judgement"]["equality"]["reason"] == EQUAL.reason
    assert [one["by_equality"] for one in equal["judgement"]["criteria"]] == [True, True, False]
    assert int8["judgement"]["criteria"][1]["about"] == "clear answers"
    assert int8["judgement"]["criteria"][1]["images"] == 540
    assert int8["clear_disagreements"] == 3
    assert int8["metrics"]["agreement"] == pytest.approx(0.98)
    assert values["near_ties"]["noise_changed"] == 23
    assert undecided["tightest"]["max_drop"] > 0.1


def test_why_all_answers_count_is_told() -> None:
    plain = dataclasses.replace(CLEAR, rule="all", reason="only 70.0 % are clear")
    found = texts(make_report("PASS", near_ties=plain))
    for text in found.values():
        assert "Agreement is judged on all: only 70.0 % are clear." in text


def test_labelled_and_unlabelled_pictures_are_told_apart() -> None:
    row = make_row("tflite-int8", 6, limits=Limits(max_drop=5, max_class_drop=20))
    agreement = UnlabelledAgreement(
        pictures=90, changed=9, groups=60, share=0.1, low=0.05, high=0.2,
        labelled_share=0.01, labelled_low=0.005, labelled_high=0.02, most_drop=0.03,
    )  # fmt: skip
    facts = UnlabelledFacts(
        folder="<b>desk</b>",
        pictures=90,
        groups=60,
        copies=4,
        left_out={"also training images": 7},
        images_sha256="9" * 64,
    )
    rows = (dataclasses.replace(row, unlabelled=agreement),)
    found = texts(make_report(rows=rows, unlabelled=facts))
    for form, text in found.items():
        assert "90 pictures without labels" in text, form
        assert "60 groups of copies" in text
        assert "4 of them are copies of evaluation images" in text
        assert "left out: 7 also training images" in text
        assert "10.00 % without labels (95 % interval 5.00 to 20.00" in text
        assert "1.00 % with labels (0.50 to 2.00)" in text
        assert "accuracy cannot fall by more than 3.00 points" in text


def test_a_folder_s_name_is_no_markup() -> None:
    facts = UnlabelledFacts(
        folder="<script>x</script>", pictures=1, groups=1, copies=0, left_out={}, images_sha256=""
    )
    report = make_report("PASS", unlabelled=facts)
    html = render_report(report, np.zeros((600, 4, 4, 3), np.uint8))
    assert "<script>" not in html
    assert "<script>" not in markdown_summary(report)
