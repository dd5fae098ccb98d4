"""Many classes: what is said of single ones, of the five best scores, and how tables are cut."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import top_k_accuracy_score

from card.test_markdown import results
from edgecnn.build.answers import in_top
from edgecnn.card.markdown import card
from edgecnn.package.proven import find_proven
from edgecnn.recipe.sections import Limits
from edgecnn.report.matrix import most_confused
from edgecnn.verify.gate.classes import (
    judge_classes,
    largest_undecided_p,
    many_classes,
    worst_class,
)
from edgecnn.verify.gate.criteria import ALPHA, judge
from edgecnn.verify.gate.judgement import Counts, Paired
from edgecnn.verify.gate.sequential import Available, judge_sequence, verdict_so_far
from edgecnn.verify.gate.tightest import tightest_kept
from edgecnn.verify.metrics import Metrics, measure
from edgecnn.verify.recording import read_report, write_reports
from edgecnn.verify.report.markdown import markdown_summary
from edgecnn.verify.report.page import render_report
from edgecnn.verify.report.table import render_table
from edgecnn.verify.report.wording import single_classes_sentence
from edgecnn.verify.results import ArtifactRow, ParityReport
from html_page import HtmlPage
from package.judged_build import judged_build
from verify.synthetic import make_report, one_hot

LIMIT = 0.05


def healthy(classes: int, images: int, seed: int) -> tuple[Paired, ...]:
    """Return classes of a file that changes 3 % of its answers and loses half a point, evenly."""
    rng = np.random.default_rng(seed)
    lost = rng.binomial(images, 0.016, classes)
    gained = rng.binomial(images - lost, 0.011)
    return tuple(
        Paired(images=images, lost=int(down), gained=int(up))
        for down, up in zip(lost, gained, strict=True)
    )


def test_the_rule_for_few_classes_goes_over_into_the_one_for_many() -> None:
    assert largest_undecided_p(20) == 1
    assert largest_undecided_p(21) == pytest.approx(0.476, abs=1e-3)  # p = 1/2 is at the limit
    assert largest_undecided_p(1000) == 0.01


@pytest.mark.parametrize("images", [1, 10, 50])
def test_chance_alone_leaves_no_class_of_a_thousand_undecided(images: int) -> None:
    for seed in range(5):
        judged = judge_classes(healthy(1000, images, seed), LIMIT, alpha=ALPHA)
        assert {one.outcome for one in judged} == {"met"}
        # The rule for few classes would leave these undecided, in each sample.
        assert sum(one.by_chance for one in judged) > 5


def test_a_class_that_is_lost_among_a_thousand_is_missed() -> None:
    classes = (*healthy(999, 50, 0), Paired(images=50, lost=25, gained=0))
    judged = judge_classes(classes, LIMIT, alpha=ALPHA)
    assert judged[-1].outcome == "missed"
    assert worst_class(judged, LIMIT, method="").class_index == 999


def test_a_class_that_loses_more_than_chance_explains_is_undecided() -> None:
    classes = (*healthy(999, 50, 0), Paired(images=50, lost=12, gained=0))
    judged = judge_classes(classes, LIMIT, alpha=ALPHA)
    assert judged[-1].outcome == "undecided"
    worst = worst_class(judged, LIMIT, method="")
    assert (worst.outcome, worst.class_index, worst.about) == ("undecided", 999, None)


def test_twenty_classes_are_judged_as_few_are() -> None:
    fine = Paired(images=1000, lost=0, gained=0)
    one = Paired(images=40, lost=3, gained=0)
    few = judge_classes((one, *[fine] * 19), LIMIT, alpha=ALPHA)
    assert few[0].outcome == "undecided"
    assert many_classes(few, LIMIT, alpha=ALPHA) is None
    many = judge_classes((one, *[fine] * 99), LIMIT, alpha=ALPHA)
    assert (many[0].outcome, many[0].by_chance) == ("met", True)


def test_says_from_where_on_the_loss_of_a_class_is_sure() -> None:
    judged = judge_classes(healthy(1000, 50, 0), LIMIT, alpha=ALPHA)
    found = many_classes(judged, LIMIT, alpha=ALPHA)
    assert found is not None
    assert found.shown_from is not None
    lost = round(50 * found.shown_from)
    for count, outcome in ((lost, "missed"), (lost - 1, "undecided")):
        classes = (*healthy(999, 50, 0), Paired(images=50, lost=count, gained=0))
        assert judge_classes(classes, LIMIT, alpha=ALPHA)[-1].outcome == outcome


def test_one_image_a_class_shows_no_loss_of_a_class() -> None:
    judged = judge_classes(healthy(1000, 1, 0), LIMIT, alpha=ALPHA)
    found = many_classes(judged, LIMIT, alpha=ALPHA)
    assert found is not None
    assert (found.present, found.images, found.shown_from) == (1000, 1, None)
    assert found.beyond == found.by_chance > 0


def test_a_thousand_classes_are_judged_within_seconds() -> None:
    begin = time.process_time()
    judge_classes(healthy(1000, 50, 9), LIMIT, alpha=ALPHA)
    assert time.process_time() - begin < 3


def _counts(classes: tuple[Paired, ...]) -> Counts:
    total = Paired(
        images=sum(one.images for one in classes),
        lost=sum(one.lost for one in classes),
        gained=sum(one.gained for one in classes),
    )
    return Counts(
        overall=total,
        disagreements=total.lost + total.gained,
        right=total.images - total.lost,
        classes=classes,
    )


def test_a_file_with_many_images_of_many_classes_passes() -> None:
    counts = _counts(healthy(1000, 10, 3))
    found = judge(counts, Limits())
    assert found.verdict == "PASS"
    assert tightest_kept(counts).max_class_drop is not None


def test_looks_at_one_image_a_class_come_to_a_verdict_at_the_last_one() -> None:
    classes = [Paired(images=1, lost=int(i == 7), gained=0) for i in range(1000)]
    absent = Paired(images=0, lost=0, gained=0)
    looks = [
        _counts(tuple(one if i < seen else absent for i, one in enumerate(classes)))
        for seen in (500, 1000)
    ]
    available = Available(images=1000, classes=(1,) * 1000)
    limits = Limits(max_drop=3)
    assert verdict_so_far(looks[:1], limits, available) == "INCONCLUSIVE"
    found = judge_sequence(looks, limits, available)
    assert found.verdict == "PASS"
    assert found.classes[7].by_chance


def test_top_five_accuracy_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.random((400, 30)), rng.integers(0, 30, 400)
    for top in (1, 2, 5):
        wanted = top_k_accuracy_score(labels, scores, k=top, labels=range(30))
        assert in_top(scores, labels, top=top).mean() == wanted


def test_of_equal_scores_the_lower_indices_are_in_the_top_five() -> None:
    scores = np.full((30, 30), 1 / 30, np.float32)
    assert in_top(scores, np.arange(30)).tolist() == [True] * 5 + [False] * 25


def _measured(classes: int) -> Metrics:
    rng = np.random.default_rng(2)
    labels = np.arange(1000) % classes
    reference = one_hot(labels.tolist(), classes, top=0.5)
    artifact = reference + rng.normal(0, 0.16, reference.shape).astype(np.float32)
    return measure(reference, artifact, labels, [f"{i}.png" for i in range(1000)])


def test_few_classes_have_no_top_five() -> None:
    assert _measured(20).top5 is None
    assert _measured(21).top5 is not None


@pytest.fixture(scope="module")
def report() -> ParityReport:
    metrics = _measured(1000)
    row = ArtifactRow(
        variant="tflite-int8",
        file="many-int8.tflite",
        bytes=99,
        metrics=metrics,
        mcnemar_p=1.0,
        judgement=judge(Counts.of(metrics), Limits(max_drop=60, min_agreement=50)),
        seconds=1.0,
    )
    names = tuple(f"a <long> name of a class, the one with number {i}" for i in range(1000))
    return make_report(rows=(row,), class_names=names)


def test_a_report_of_a_thousand_classes_reads_back(report: ParityReport, tmp_path: Path) -> None:
    parity, page = tmp_path / "parity.json", tmp_path / "report.html"
    write_reports(parity, page, report, np.zeros((1000, 8, 8, 3), np.uint8))
    assert read_report(parity) == report
    top5 = json.loads(parity.read_text())["rows"][0]["metrics"]["top5"]
    assert top5["reference_right"] == 1000 > top5["right"] == top5["kept"] > 0


def test_a_page_of_a_thousand_classes_is_cut_and_says_so(report: ParityReport) -> None:
    html = render_report(report, np.zeros((1000, 8, 8, 3), np.uint8))
    page = HtmlPage(html)
    assert len(html.encode()) < 1_000_000
    (row,) = report.rows
    assert row.metrics is not None
    losing = sum(one.lost > one.gained for one in row.metrics.classes)
    assert f"{losing} of 1,000 classes have less recall; the 60 that lose most" in page.words
    assert "1,000 classes are too many for a confusion matrix" in page.words
    assert "parity.json has all of them" in page.words
    assert "Top 5 agreement" in page.words
    assert "With 1 image a class, no loss of a single class can be shown" in page.words
    assert "100 % interval" not in page.words  # no interval has this level


def test_a_page_without_a_loss_has_no_table_of_unchanged_classes() -> None:
    labels = np.arange(1000)
    scores = one_hot(labels.tolist(), 1000)
    metrics = measure(scores, scores, labels, [str(i) for i in range(1000)])
    judgement = judge(Counts.of(metrics), Limits())
    row = ArtifactRow(variant="v", file="x", metrics=metrics, mcnemar_p=1.0, judgement=judgement)
    whole = make_report(rows=(row,), class_names=tuple(map(str, range(1000))))
    page = HtmlPage(render_report(whole, np.zeros((1000, 8, 8, 3), np.uint8)))
    assert "None of 1,000 classes has less recall." in page.words
    assert not [table for table in page.all("table") if table.get("class") == "classes"]


def test_classes_without_images_are_counted() -> None:
    labels = np.arange(100) % 10
    scores = one_hot(labels.tolist(), 1000)
    metrics = measure(scores, scores, labels, [str(i) for i in range(100)])
    judgement = judge(Counts.of(metrics), Limits())
    row = ArtifactRow(variant="v", file="x", metrics=metrics, mcnemar_p=1.0, judgement=judgement)
    whole = make_report(rows=(row,), class_names=tuple(map(str, range(1000))))
    assert single_classes_sentence(whole) == (
        "990 classes have no image: nothing is known of them."
    )


def test_the_terminal_says_top_five_and_what_is_chance(report: ParityReport) -> None:
    buffer = io.StringIO()
    Console(file=buffer, width=80, highlight=False).print(render_table(report))
    said = " ".join(buffer.getvalue().split())
    assert max(map(len, buffer.getvalue().splitlines())) <= 80
    assert "Top 5: the right class is among its five best on" in said
    assert "as the worst of so many do by chance" in said
    assert "100.0 chance" in said
    assert "Top 5" in markdown_summary(report)


def test_kinds_of_mistake_are_listed_by_their_number() -> None:
    cells = ((0, 0, 50), (0, 1, 2), (1, 0, 7), (2, 1, 2))
    assert most_confused(cells) == [(1, 0, 7), (0, 1, 2), (2, 1, 2)]


def test_a_build_with_a_class_without_test_images_can_be_packaged(tmp_path: Path) -> None:
    workspace = judged_build(tmp_path / "build", tflite_int8="PASS")
    parity = workspace.path(workspace.PARITY)
    found = json.loads(parity.read_text())
    found["rows"][0]["metrics"]["classes"][1]["recall"] = None
    parity.write_text(json.dumps(found))
    (file,) = find_proven(workspace.folder, workspace, ("tflite-int8",)).files
    assert len(file.verdict["recall"]) == 2
    assert file.verdict["lowest_recall"]["name"] in file.verdict["recall"]


def test_a_card_of_a_thousand_classes_is_cut_and_says_so() -> None:
    names = [f"class {i}" for i in range(1000)]
    recall = dict.fromkeys(names, 0.9) | {"class 7": 0.5, "class 8": None}
    confusion = [[i, (i + 1) % 1000, 1 + i % 9] for i in range(1000)]
    top5 = {"reference_right": 990, "right": 980, "kept": 985}
    rows = [
        {**row, "recall": recall, "confusion": confusion, "top5": top5}
        for row in results()["artifacts"]
    ]
    text = card(
        {
            **results(),
            "class_names": names,
            "float": {**results()["float"], "recall": recall, "images": 1000},
            "artifacts": rows,
        }
    )
    assert len(text) < 20_000
    assert "class 0, class 1" in text
    assert "980 more" in text
    assert "The 20 of 1,000 classes that the float model recognizes worst" in text
    assert "the 20 most frequent of 1,000 kinds of mistake" in text
    assert "98.50 %" in text
