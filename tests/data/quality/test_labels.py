"""Labels that are likely wrong, by confident learning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn.data.quality.labels import confident_doubts, label_doubts


def test_the_confident_joint_by_hand() -> None:
    # Thresholds: of class 0 the mean of .9 .8 .1 = .6, of class 1 the mean of .35 .7 = .525.
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.65, 0.35], [0.3, 0.7]])
    found = confident_doubts(scores, np.array([0, 0, 0, 1, 1]))
    assert [(one.index, one.given, one.suggested) for one in found] == [(2, 0, 1), (3, 1, 0)]
    assert (found[0].given_score, found[0].suggested_score) == (0.1, 0.9)


def test_a_class_that_is_hard_is_not_taken_for_errors() -> None:
    # The model is never sure of class 1: below the confidence that class 0 has, none is doubted.
    scores = np.array([[0.95, 0.05]] * 5 + [[0.55, 0.45]] * 5)
    assert confident_doubts(scores, np.array([0] * 5 + [1] * 5)) == []


def test_a_class_without_photos_is_nobodys_true_one() -> None:
    scores = np.array([[0.5, 0.1, 0.4], [0.2, 0.3, 0.5]])
    assert confident_doubts(scores, np.array([0, 1])) == []


def blobs(flipped: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], set[int]]:
    """Return 40 photos of each of 3 classes, some with the label of the next class."""
    rng = np.random.default_rng(0)
    true = np.repeat(np.arange(3), 40)
    features = rng.normal(size=(120, 8)).astype(np.float32)
    features[np.arange(120), true] += 9
    wrong = rng.choice(120, flipped, replace=False)
    labels = true.copy()
    labels[wrong] = (true[wrong] + 1) % 3
    return features, labels.astype(np.int64), set(wrong.tolist())


def test_labels_that_were_exchanged_are_found_and_named() -> None:
    features, labels, wrong = blobs(9)
    found = label_doubts(features, labels, np.arange(120), classes=3)
    # One lies so far out that its probability misses the mean: the rule leaves it alone.
    assert {one.index for one in found} <= wrong
    assert len(found) >= 8
    assert all(one.suggested == (one.given - 1) % 3 for one in found)
    margins = [one.suggested_score - one.given_score for one in found]
    assert margins == sorted(margins, reverse=True)


def test_a_copy_does_not_vouch_for_a_wrong_label() -> None:
    features, labels, _ = blobs(0)
    # One photo of class 0, four times in the folder of class 1.
    copies = np.concatenate([features, np.repeat(features[:1], 4, axis=0)])
    known = np.concatenate([labels, np.full(4, 1)])
    groups = np.concatenate([np.arange(120), np.full(4, 500)])
    found = label_doubts(copies, known, groups, classes=3)
    assert {120, 121, 122, 123} <= {one.index for one in found}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_photos_give_the_same_doubts(seed: int) -> None:
    features, labels, _ = blobs(5)
    once, again = (
        label_doubts(features, labels, np.arange(120), classes=3, seed=seed) for _ in range(2)
    )
    assert once == again
