"""The page of a training: self-contained, escaped, and not too large."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser

import numpy as np
import pytest

from edgecnn.build.shares import ShareOf
from edgecnn.data import Dataset, Images
from edgecnn.data.quality.labels import LabelDoubt
from edgecnn.report.thumbnails import BUDGET_BYTES
from edgecnn.train.backbones.learning_curve import CurvePoint, LearningCurve
from edgecnn.train.history import Epoch
from edgecnn.train.report.page import render_training
from edgecnn.train.report.results import CrossValidated, TrainingReport, training_report

NAMES = ("<b>ant</b>", "bee & fly", "cat")


def images(count: int, seed: int, side: int = 16) -> Images:
    generator = np.random.default_rng(seed)
    return Images(
        pixels=generator.integers(0, 256, (count, side, side, 3)).astype(np.uint8),
        labels=np.arange(count, dtype=np.int64) % 3,
        ids=tuple(f"<i>{seed}</i>/{index}.png" for index in range(count)),
    )


def reported(
    *, checked: bool = True, epochs: int = 3, test: int = 60, side: int = 16
) -> tuple[TrainingReport, Dataset]:
    dataset = Dataset(
        name="folder",
        class_names=NAMES,
        train=images(30, 1, side),
        validation=images(12, 2, side),
        test=images(test, 3, side),
    )
    scores = np.random.default_rng(4).dirichlet([0.5] * 3, test).astype(np.float32)
    learnt = ShareOf.of(40, 42)
    assert learnt is not None
    points = tuple(
        CurvePoint(photos=count, accuracy=right)
        for count, right in ((8, 0.5), (16, 0.6), (33, 0.7))
    )
    doubt = LabelDoubt(index=1, given=1, suggested=0, given_score=0.01, suggested_score=0.95)
    found = training_report(
        dataset,
        scores,
        learnt,
        model="insects",
        kind="linear" if checked else "from scratch",
        parameters=1234,
        backbone=checked,
        tunable=checked,
        train_images=(14, 14, 14),
        history=[
            Epoch(
                epoch=at, lr=0.1, loss=1 / at, accuracy=0.5, val_loss=None if at == 2 else 1.0,
                val_accuracy=0.4, images_per_second=1.0, seconds=1.0,
            )
            for at in range(1, epochs + 1)
        ],
        checked=CrossValidated(
            right=30,
            photos=42,
            random=33,
            curve=LearningCurve(points=points, gain=0.06, low=0.02, high=0.09),
            doubts=(doubt, doubt, doubt),
        )
        if checked
        else None,
    )  # fmt: skip
    return found, dataset


def page(found: TrainingReport, dataset: Dataset) -> str:
    learnt = dataset.train.joined(dataset.validation)
    return render_training(found, dataset.test.pixels, learnt.pixels)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_it_says_the_essence_and_shows_each_part() -> None:
    found, dataset = reported()
    text = page(found, dataset)
    for part in (
        "What to try first", "Learning curve", "Training curves", "Recall of each class",
        "Confusion matrix", "Calibration", "Worst mistakes", "Least certain", "Doubtful labels",
    ):  # fmt: skip
        assert f"<h2>{part}</h2>" in text
    assert found.findings[0].step.replace('"', "&#34;") in text
    assert "a split at random" in text
    assert found.essence()["next step"].startswith(found.findings[0].kind)


def test_from_scratch_there_is_no_learning_curve_and_of_one_epoch_no_curve() -> None:
    found, dataset = reported(checked=False, epochs=1)
    text = page(found, dataset)
    for part in ("Learning curve", "Training curves", "Doubtful labels"):
        assert f"<h2>{part}</h2>" not in text


def test_names_are_escaped_and_nothing_is_fetched() -> None:
    text = page(*reported())
    tags = Tags()
    tags.feed(text)
    kinds = {tag for tag, _ in tags.found}
    assert not kinds & {"script", "i", "iframe", "object"}
    sources = [attrs["src"] or "" for tag, attrs in tags.found if tag == "img"]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    links = [attrs.get("href") or "" for tag, attrs in tags.found if tag in ("a", "link")]
    assert all(link.startswith(("#", "data:")) for link in links)


def test_pictures_stay_within_the_budget() -> None:
    text = page(*reported(test=90, side=96))
    tags = Tags()
    tags.feed(text)
    sources = [attrs["src"] or "" for tag, attrs in tags.found if tag == "img"]
    assert sum(map(len, sources)) <= BUDGET_BYTES
    assert len(text) < 3_000_000


def test_the_record_is_json_and_counts_what_the_scores_say() -> None:
    found, _ = reported()
    record = json.loads(json.dumps(found.to_dict()))
    assert record["accuracy"]["images"] == 60
    assert record["accuracy"]["count"] + len(record["mistakes"]) == 60
    assert sum(one["images"] for one in record["calibration"]) == 60
    assert record["cross_validation"]["share"] == pytest.approx(30 / 42)
    assert record["random_split"]["share"] == pytest.approx(33 / 42)
    margins = [one["score"] - one["second_score"] for one in record["uncertain"]]
    assert margins == sorted(margins)
    assert {one["label"] for one in record["doubtful_labels"]} == {"bee & fly"}


def test_a_page_of_a_thousand_classes_lists_the_lowest_and_the_most_frequent_mistakes() -> None:
    report, dataset = reported()
    names = tuple(f"<b>class</b> {number}" for number in range(1000))
    (one, *_) = [one for one in report.classes if one.recall is not None]
    report = dataclasses.replace(
        report,
        class_names=names,
        classes=tuple(
            dataclasses.replace(one, index=number, name=name) for number, name in enumerate(names)
        ),
        confusion=tuple((number, (number + 1) % 1000, 1000 - number) for number in range(1000)),
        train_images=(3,) * 1000,
    )
    html = render_training(report, dataset.test.pixels, dataset.train.pixels)
    assert "<b>class" not in html
    assert len(html) < 1_000_000
    assert "60 of 1,000 classes; training.json has all of them" in html
    assert "The 20 most frequent of 1,000 kinds of mistake" in html
