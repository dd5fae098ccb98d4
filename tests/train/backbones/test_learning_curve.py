"""The learning curve of a linear classifier on features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.train.backbones.head import fit_head, held_out_scores
from edgecnn.train.backbones.learning_curve import LearningCurve, learning_curve

WIDTHS = (24,)


def features(
    count: int, spread: float, seed: int = 0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Three classes around centres of their own, in 24 dimensions."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(0, 1, (3, 24))
    labels = np.arange(count, dtype=np.int64) % 3
    made = centres[labels] + generator.normal(0, spread, (count, 24))
    return made.astype(np.float32), labels


def curve_of(count: int, spread: float, groups: bool = False) -> LearningCurve | None:
    made, labels = features(count, spread)
    kept = np.arange(count) // 6 if groups else None
    head = fit_head([made], labels, classes=3, widths=WIDTHS, groups=kept)
    return learning_curve([made], labels, head, widths=WIDTHS, groups=kept)


def test_accuracy_rises_with_photos_and_the_gain_is_what_twice_as_many_bring() -> None:
    found = curve_of(150, 2.2)
    assert found is not None
    photos = [one.photos for one in found.points]
    assert photos == pytest.approx([30, 60, 120], abs=3)
    assert found.points[0].accuracy < found.points[-1].accuracy
    assert found.low <= found.gain <= found.high
    gains = []
    for seed in range(6):
        few, few_labels = features(120, 2.2, 10 + seed)
        many, many_labels = features(240, 2.2, 20 + seed)
        test, truth = features(3000, 2.2, 30 + seed)
        accuracies = [
            float(
                (
                    fit_head([x], y, classes=3, widths=WIDTHS).probabilities(test).argmax(1)
                    == truth
                ).mean()
            )
            for x, y in ((few, few_labels), (many, many_labels))
        ]
        gains.append(accuracies[1] - accuracies[0])
    assert np.mean(gains) == pytest.approx(found.gain, abs=0.05)


def test_where_all_are_right_nothing_is_gained() -> None:
    found = curve_of(150, 0.05)
    assert found is not None
    assert found.points[-1].accuracy == 1
    assert found.gain == pytest.approx(0, abs=0.01)


def test_the_same_photos_give_the_same_curve_also_in_groups() -> None:
    assert curve_of(90, 1.5, groups=True) == curve_of(90, 1.5, groups=True)


def test_too_few_photos_have_none() -> None:
    assert curve_of(30, 1.0) is None


def test_photos_left_out_at_random_are_answered_by_what_did_not_learn_from_them() -> None:
    made, labels = features(90, 1.0)
    noise = np.random.default_rng(1).normal(0, 1, made.shape).astype(np.float32)
    head = fit_head([noise], labels, classes=3, widths=WIDTHS)
    scores = held_out_scores([noise], labels, head, widths=WIDTHS)
    assert scores.shape == (90, 3)
    assert scores.sum(axis=1) == pytest.approx(np.ones(90), abs=1e-5)
    assert (scores.argmax(axis=1) == labels).mean() < 0.6  # noise tells nothing
