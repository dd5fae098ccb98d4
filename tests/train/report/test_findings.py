"""Kinds of error, each by the signs that it stands for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.build.answers import class_answers
from edgecnn.build.shares import ShareOf
from edgecnn.data.quality.labels import LabelDoubt
from edgecnn.train.backbones.learning_curve import CurvePoint, LearningCurve
from edgecnn.train.history import Epoch
from edgecnn.train.report.findings import Signs, findings_of


def share(right: int, images: int) -> ShareOf:
    found = ShareOf.of(right, images)
    assert found is not None
    return found


def curve(gain: float, low: float) -> LearningCurve:
    points = tuple(CurvePoint(photos=count, accuracy=0.8) for count in (20, 40, 80))
    return LearningCurve(points=points, gain=gain, low=low, high=2 * gain - low)


def epochs(losses: list[float]) -> list[Epoch]:
    return [
        Epoch(
            epoch=at, lr=0.1, loss=loss, accuracy=0.5, val_loss=None, val_accuracy=None,
            images_per_second=1.0, seconds=1.0,
        )
        for at, loss in enumerate(losses, 1)
    ]  # fmt: skip


def doubts(count: int, lead: float) -> list[LabelDoubt]:
    return [
        LabelDoubt(index=at, given=0, suggested=1, given_score=0.05, suggested_score=0.05 + lead)
        for at in range(count)
    ]


def signs(recalls: tuple[int, ...] = (90, 90, 90), learnt: int = 930) -> Signs:
    """Three classes of 100 test images, 1,000 of each learnt from, by a network from scratch."""
    cells = [(at, at, right) for at, right in enumerate(recalls)]
    cells += [(at, (at + 1) % 3, 100 - right) for at, right in enumerate(recalls) if right < 100]
    return Signs(
        kind="from scratch",
        backbone=False,
        tunable=False,
        side=96,
        accuracy=share(sum(recalls), 300),
        learnt=share(learnt, 1000),
        classes=class_answers(tuple(sorted(cells)), ["ant", "bee", "cat"]),
        train_images=(1000, 1000, 1000),
        curve=None,
        doubts=[],
        history=[],
    )


def kinds(given: Signs) -> list[str]:
    return [one.kind for one in findings_of(given)]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    found = findings_of(signs((97, 97, 97), 980))
    assert [one.kind for one in found] == ["none stands out"]
    assert "edgecnn evaluate" in found[0].step
    assert found[0].points is None


def test_few_photos_are_the_finding_where_they_show_nothing_else() -> None:
    few = signs((97, 97, 97), 980)
    found = findings_of(replace(few, train_images=(8, 6, 40)))
    assert [one.kind for one in found] == ["too little data"]
    assert "6 photos of the smallest class" in found[0].evidence
    assert found[0].step.startswith("add photos")
    assert kinds(replace(few, train_images=(10, 12, 40))) == ["none stands out"]


def test_label_noise_takes_labels_that_another_class_leads_by_far() -> None:
    given = replace(signs((97, 97, 97), 980), doubts=doubts(30, 0.9))
    (found,) = findings_of(given)
    assert found.kind == "label noise"
    assert found.points == pytest.approx(0.01)
    assert kinds(replace(given, doubts=doubts(30, 0.3))) == ["none stands out"]
    assert kinds(replace(given, doubts=doubts(2, 0.9))) == ["none stands out"]


def test_imbalance_is_a_class_with_few_photos_that_is_recognized_less_often() -> None:
    given = replace(signs((60, 97, 97), 980), train_images=(100, 1000, 1000))
    found = [one for one in findings_of(given) if one.kind == "imbalance"]
    assert found[0].step == "add photos of ant"
    assert found[0].points == pytest.approx((0.97 - 0.6) / 3)
    # As many photos as others, or recognized as often: it is something else.
    assert "imbalance" not in kinds(signs((60, 97, 97), 980))
    well = replace(signs((97, 97, 97), 980), train_images=(100, 1000, 1000))
    assert "imbalance" not in kinds(well)


def test_too_little_data_is_a_curve_that_still_rises() -> None:
    linear = replace(signs((80, 80, 80), 1000), kind="linear", backbone=True)
    (found,) = findings_of(replace(linear, curve=curve(0.04, 0.02)))
    assert (found.kind, found.points) == ("too little data", 0.04)
    assert kinds(replace(linear, curve=curve(0.04, -0.01))) == ["none stands out"]


def test_of_a_flat_curve_a_linear_head_underfits() -> None:
    linear = replace(signs((80, 80, 80), 1000), kind="linear", backbone=True)
    (found,) = findings_of(replace(linear, curve=curve(0.002, 0.001)))
    assert found.kind == "underfitting"
    assert found.step.startswith("a larger image_size")
    # Only what can be done is advised: larger images where the network takes them, fine-tuning
    # where it can be and was not.
    flat = replace(linear, curve=curve(0.002, 0.001))
    (found,) = findings_of(replace(flat, tunable=True))
    assert "image_size" in found.step
    assert 'fine_tune = "always"' in found.step
    (found,) = findings_of(replace(flat, tunable=True, side=224))
    assert "image_size" not in found.step
    assert 'fine_tune = "always"' in found.step
    (found,) = findings_of(replace(flat, side=224))
    assert "image_size" not in found.step
    assert "fine_tune" not in found.step


def test_from_scratch_a_gap_is_too_little_data_where_there_is_little() -> None:
    given = signs((70, 70, 70), 990)
    assert kinds(given) == ["overfitting"]
    few = replace(given, train_images=(60, 60, 60))
    (found,) = findings_of(few)
    assert found.kind == "too little data"
    assert "efficientnet_lite0" in found.step
    (small,) = findings_of(replace(few, side=32))
    assert "add photos" in small.step


def test_underfitting_is_what_it_learnt_from_answered_wrongly() -> None:
    given = signs((70, 70, 70), 720)
    (found,) = findings_of(given)
    assert found.kind == "underfitting"
    assert found.points == pytest.approx(0.28)
    falling = replace(given, history=epochs([1 / at for at in range(1, 11)]))
    assert findings_of(falling)[0].step == "more epochs"
    flat = replace(given, history=epochs([1.0] * 10))
    assert findings_of(flat)[0].step != "more epochs"


def test_what_is_worth_most_comes_first() -> None:
    linear = replace(signs((80, 80, 80), 1000), kind="linear", backbone=True)
    noisy = replace(linear, curve=curve(0.03, 0.01), doubts=doubts(300, 0.9))
    assert kinds(noisy) == ["label noise", "too little data"]
    assert kinds(replace(noisy, doubts=doubts(30, 0.9))) == ["too little data", "label noise"]
