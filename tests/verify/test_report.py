from __future__ import annotations

import itertools
import re

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.recipe.sections import Limits
from edgecnn.report.thumbnails import BUDGET_BYTES
from edgecnn.verify.gate.criteria import judge
from edgecnn.verify.gate.judgement import Counts
from edgecnn.verify.metrics import measure
from edgecnn.verify.report.page import headline, render_report
from edgecnn.verify.results import ArtifactRow
from html_page import HtmlPage, assert_self_contained
from verify.synthetic import make_report, one_hot
from verify.test_layer_table import explained


def _pixels(n: int = 600, side: int = 8, channels: int = 3) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, side, side, channels), dtype=np.uint8)


@pytest.fixture(scope="module")
def page() -> HtmlPage:
    return HtmlPage(render_report(make_report(), _pixels()))


def test_the_verdict_comes_first(page: HtmlPage) -> None:
    lines = [line.strip() for line in page.text.splitlines() if line.strip()]
    assert lines[0] == "FAIL: parity of toy"
    assert lines[2] == "FAIL"
    assert lines[3] == (
        "1 of 4 artifacts classifies as the float model does; 1 does not, 1 could not be judged, "
        "1 is undecided."
    )


def test_nothing_is_loaded_from_anywhere_and_nothing_runs() -> None:
    html = render_report(make_report(), _pixels())
    assert_self_contained(html)
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    assert "url(" not in html


def test_names_are_escaped() -> None:
    names = ("<script>alert(1)</script>", '"><img src=x>', "{{ 7 * 7 }}")
    page = HtmlPage(render_report(make_report(class_names=names, model="<i>&"), _pixels()))
    assert not page.all("script")
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert all((image["src"] or "").startswith("data:image/png;") for image in page.all("img"))


def test_every_artifact_has_its_part_and_the_summary_points_to_it(page: HtmlPage) -> None:
    parts = [article["id"] for article in page.all("article")]
    links = [link["href"] or "" for link in page.all("a")]
    # Once in the contents, and once in the summary.
    assert [f"#{part}" for part in parts] * 2 == [one for one in links if "artifact-" in one]
    assert len(parts) == 5
    for text in ("calibrated on <test> images", "Remedy: convert again", "opset too new"):
        assert text in page.text


def test_intervals_are_drawn_against_their_limits(page: HtmlPage) -> None:
    labels = [svg.get("aria-label") or "" for svg in page.all("svg")]
    drops = [label for label in labels if label.startswith("Accuracy drop: ")]
    assert len(drops) == 2 * 3
    assert any("limit 2.00: missed" in label for label in drops)
    limits = [line for line in page.all("line") if line.get("class") == "limit"]
    assert len(limits) == 3 * 4


def test_shows_recall_confusion_and_flips(page: HtmlPage) -> None:
    bars = [rect for rect in page.all("rect") if rect.get("class") == "after"]
    assert len(bars) == 3 * 3
    matrices = [table for table in page.all("table") if table.get("class") == "matrix"]
    # The float model's once, above all artifacts; then each artifact's own.
    assert len(matrices) == 1 + 3
    captions = [part["aria-label"] or "" for part in page.of_class("div", "scroll")]
    assert captions.count("Confusion matrix of float model") == 1
    assert sum(one.startswith("Confusion matrix of ") for one in captions) == 4
    images = page.all("img")
    assert len(images) == 24 + 7
    assert images[0]["alt"] == "test/0"
    assert "200 images, 24 shown" in re.sub(r"\s+", " ", page.text)


def test_tells_where_the_numbers_come_from(page: HtmlPage) -> None:
    for text in ("ab" * 32, "01" * 32, "02" * 32, "03" * 32, "2026-01-02T03:04:05Z", "python 3.11"):
        assert text in page.text


def test_one_good_artifact_is_said_in_one_sentence() -> None:
    page = HtmlPage(render_report(make_report("PASS"), _pixels()))
    assert "The artifact classifies as its float model does." in page.text
    assert not page.all("img")


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["PASS"], "The artifact classifies as its float model does."),
        (["FAIL", "NOT MADE"], "The artifact does not classify as its float model does."),
        (["ERROR"], "The artifact could not be judged."),
        (
            ["INCONCLUSIVE"],
            "Whether the artifact classifies as its float model does is undecided.",
        ),
        (["NOT MADE"], "No artifact was made."),
        (["PASS", "PASS"], "All 2 artifacts classify as their float model does."),
        (
            ["FAIL", "FAIL", "PASS"],
            "1 of 3 artifacts classifies as the float model does; 2 do not.",
        ),
        (
            ["FAIL", "INCONCLUSIVE"],
            "0 of 2 artifacts classify as the float model does; 1 does not, 1 is undecided.",
        ),
    ],
)
def test_the_headline_counts_what_there_is(verdicts: list[str], said: str) -> None:
    assert headline(make_report(*verdicts)) == said


def _many(classes: int, side: int, rows: int) -> tuple[list[ArtifactRow], npt.NDArray[np.uint8]]:
    labels = np.arange(2000) % classes
    moved = np.where(np.arange(2000) % 3 == 0, (labels + 1) % classes, labels)
    before = one_hot(labels.tolist(), classes)
    after = one_hot(moved.tolist(), classes)
    metrics = measure(before, after, labels, [f"test/{i}" for i in range(2000)])
    judgement = judge(Counts.of(metrics), Limits())
    row = ArtifactRow(
        variant="tflite-int8", file="x", metrics=metrics, mcnemar_p=0.0, judgement=judgement
    )
    # One picture 2,000 times: drawing as many at this size would take most of the test's time.
    return [row] * rows, np.broadcast_to(_pixels(1, side), (2000, side, side, 3))


def test_stays_under_3_megabytes_with_many_large_images() -> None:
    rows, pixels = _many(classes=10, side=200, rows=8)
    names = tuple(f"class {i}" for i in range(10))
    html = render_report(make_report(rows=tuple(rows), class_names=names), pixels)
    assert len(html.encode()) < 3_000_000
    pictures = sum(len(image["src"] or "") for image in HtmlPage(html).all("img"))
    assert BUDGET_BYTES / 2 < pictures <= BUDGET_BYTES


def test_many_classes_show_the_worst_and_no_matrix() -> None:
    rows, pixels = _many(classes=100, side=8, rows=6)
    names = tuple(f"class {i}" for i in range(100))
    html = render_report(make_report(rows=tuple(rows), class_names=names), pixels)
    page = HtmlPage(html)
    assert "classes have less recall" in page.text
    assert not [table for table in page.all("table") if table.get("class") == "matrix"]
    assert "kinds of mistake whose number changed" in page.text
    assert len(html.encode()) < 3_000_000


def test_a_class_without_images_says_so() -> None:
    labels = np.array([0, 1] * 200)
    scores = one_hot(labels.tolist())
    metrics = measure(scores, scores, labels, [str(i) for i in range(400)])
    judgement = judge(Counts.of(metrics), Limits())
    row = ArtifactRow(variant="v", file="x", metrics=metrics, mcnemar_p=1.0, judgement=judgement)
    page = HtmlPage(render_report(make_report(rows=(row,)), _pixels(400)))
    assert "not among the evaluation images" in page.text


def test_greyscale_images_and_single_pixels_are_shown() -> None:
    page = HtmlPage(render_report(make_report("FAIL"), _pixels(600, 1, 1)))
    assert len(page.all("img")) == 24


def test_layers_are_drawn_and_what_files_call_them_is_escaped() -> None:
    shown = explained(unmatched=("<b>odd</b>",))
    page = HtmlPage(render_report(shown, _pixels()))
    (row,) = shown.rows
    assert row.layers is not None
    assert row.layers.diagnosis in page.text
    assert "<b>odd</b>" in page.text
    assert len(page.all("polyline")) == 2
    # The limit is a line at its own height.
    limits = [one for one in page.all("line") if one["class"] == "limit" and one["x2"] == "100%"]
    assert [one["y1"] for one in limits] == ["80.0%"]
    assert [one["cy"] for one in page.all("circle") if one["class"] == "low"] == [
        "99.8%", "94.0%", "88.0%",
    ]  # fmt: skip
    (bar,) = [one for one in page.all("rect") if one["class"] == "cut"]
    assert bar["height"] == "52.25%"
    assert "1.23 %" in page.text


def test_layers_that_could_not_be_compared_are_a_sentence() -> None:
    page = HtmlPage(render_report(explained(layers=(), reason="there is no float file"), _pixels()))
    assert "The layers were not compared: there is no float file." in page.text
    assert page.all("polyline") == []


def test_the_page_opens_with_the_answer_and_the_next_step(page: HtmlPage) -> None:
    (said,) = page.of_class("p", "answer")
    text = re.sub(r"\s+", " ", page.text)
    assert said
    assert (
        "Passed: tflite-fp32; failed: tflite-int8; could not be judged: onnx-int8; "
        "undecided: tflite-fp16; not made: onnx-fp16; next: see the report for what changed"
    ) in text


def test_what_passed_is_folded_and_what_failed_is_open(page: HtmlPage) -> None:
    folds = page.of_class("details", "fold")
    judged = [row for row in make_report().rows if row.metrics is not None]
    assert ["open" in one for one in folds] == [row.verdict != "PASS" for row in judged]
    assert {row.verdict for row in judged} == {"PASS", "FAIL", "INCONCLUSIVE"}
    # On paper nothing is folded.
    assert "::details-content" in render_report(make_report(), _pixels())


def test_every_link_has_its_end_and_every_word_of_the_glossary_is_one_sentence() -> None:
    for report in (make_report(), explained()):
        html = render_report(report, _pixels())
        page = HtmlPage(html)
        ends = set(re.findall(r' id="([^"]+)"', html))
        links = [(one["href"] or "").removeprefix("#") for one in page.all("a")]
        assert set(links) <= ends
        assert {"verdicts", "glossary", "reading", "provenance"} <= set(links)
        assert {"term-interval", "term-p", "term-mcnemar", "term-holm", "term-margin"} <= set(links)
        meanings = re.findall(r"<dt id=.term-[^>]*>([^<]+)</dt><dd>([^<]+)</dd>", html)
        assert len(meanings) > 20
        assert all(re.fullmatch(r"[^.]+(\.\d[^.]*)?\.", said) for _, said in meanings)
        assert [word for word, _ in meanings] == sorted(
            (word for word, _ in meanings), key=str.casefold
        )


def test_headings_leave_out_no_level(page: HtmlPage) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
