"""Folds that keep groups together, and by how much a random split flatters."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data.quality.cross_validation import grouped_folds, out_of_fold_scores
from edgecnn.data.quality.split_effect import SplitEffect, split_effect


@given(
    members=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=5, max_size=120),
    seed=st.integers(0, 1000),
)
@settings(max_examples=100, deadline=None)
def test_no_group_is_divided_among_folds(members: list[tuple[int, int]], seed: int) -> None:
    labels, groups = np.array(members, np.int64).T
    folds = grouped_folds(labels, groups, seed=seed)
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1
    assert ((folds >= 0) & (folds < 5)).all()


def test_what_does_not_flatter_is_not_said_to() -> None:
    effect = SplitEffect(
        random=0.824, random_deviation=0.01, grouped=0.844, grouped_deviation=0.02,
        difference_error=0.014, photos=90, groups=56, folds=5, seeds=5, backbone="B",
    )  # fmt: skip
    assert "a random split flatters does not show here: \N{MINUS SIGN}2.0 points" in effect.sentence
    better = dataclasses.replace(effect, random=0.9)
    assert "a random split flatters by 5.6 points" in better.sentence


def test_folds_are_even_in_each_class() -> None:
    labels = np.repeat(np.arange(3), [100, 50, 25])
    folds = grouped_folds(labels, np.arange(175) // 2, seed=3)
    for label, count in enumerate((100, 50, 25)):
        sizes = np.bincount(folds[labels == label], minlength=5)
        assert abs(sizes - count / 5).max() <= 2


def test_a_class_that_the_other_folds_lack_scores_nothing() -> None:
    features = np.eye(4, dtype=np.float32)
    labels = np.array([0, 0, 1, 2])
    scores = out_of_fold_scores(features, labels, np.array([0, 1, 1, 0]), 3)
    assert scores[3, 2] == 0
    assert np.allclose(scores.sum(axis=1), 1)
    alone = out_of_fold_scores(features, np.array([0, 0, 0, 1]), np.array([0, 0, 0, 1]), 2)
    assert alone[3].tolist() == [1, 0]


def objects(
    of_object: float,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return photos of 20 objects in each of 2 classes, 6 of each, and their labels and objects."""
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(2, dtype=np.int64), 120)
    of = np.repeat(np.arange(40, dtype=np.int64), 6)
    features = rng.normal(size=(240, 12)) + of_object * rng.normal(size=(40, 12))[of]
    features[:, 0] += labels  # what all objects of a class have in common
    return features.astype(np.float32), labels, of


def test_photos_of_one_object_on_both_sides_flatter() -> None:
    features, labels, of = objects(2.0)
    found = split_effect(features, labels, of, backbone="a stand-in", classes=2)
    assert found.flattery > 0.1
    assert found.flattery > 4 * found.difference_error
    assert (found.photos, found.groups, found.folds, found.seeds) == (240, 40, 5, 5)
    assert "a stand-in" in found.sentence
    assert found.random_deviation > 0


def test_groups_that_mean_nothing_change_nothing() -> None:
    features, labels, _ = objects(0.0)
    apart = np.random.default_rng(2).permutation(120) // 6
    found = split_effect(
        features, labels, np.concatenate([apart, apart + 100]), backbone="x", classes=2
    )
    assert abs(found.flattery) < 0.05
