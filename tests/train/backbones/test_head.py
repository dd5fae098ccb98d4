"""The linear classifier on features."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.train.backbones.head import STRENGTHS, fit_head


def clouds(
    counts: list[int], *, width: int = 20, seed: int = 0, distance: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = np.random.default_rng(99).normal(0, distance, (len(counts), width))
    features = centres[labels] + generator.normal(0, 1, (len(labels), width)) + 5
    return features.astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_it_tells_apart_what_lies_apart_and_says_how_well(classes: int) -> None:
    features, labels = clouds([40] * classes)
    head = fit_head([features], labels, classes=classes, widths=[20])
    others, their = clouds([100] * classes, seed=1)
    reached = (head.probabilities(others).argmax(axis=1) == their).mean()
    told = head.tried[head.strength][1]
    assert reached > 0.9
    assert abs(reached - told) < 0.08
    assert np.allclose(head.probabilities(others).sum(axis=1), 1, atol=1e-5)
    assert set(head.tried) == set(STRENGTHS)


def test_each_photo_was_left_out_by_what_judges_it() -> None:
    # Labels by chance: whoever learnt from a photo would know its class.
    generator = np.random.default_rng(0)
    features = generator.normal(0, 1, (60, 300)).astype(np.float32)
    labels = np.arange(60, dtype=np.int64) % 2
    head = fit_head([features, features[:, ::-1]], labels, classes=2, widths=[300])
    assert head.held_out is not None
    assert (head.held_out.argmax(axis=1) == labels).mean() < 0.75
    assert (head.probabilities(features).argmax(axis=1) == labels).mean() > 0.9


def test_photos_of_one_group_are_in_one_fold() -> None:
    # Ten photos of each of twelve objects, whose classes are by chance.
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 10)
    labels = (np.repeat(generator.permutation(12) % 2, 10)).astype(np.int64)
    features = (generator.normal(0, 1, (12, 50))[groups] * 3).astype(np.float32)
    features += generator.normal(0, 0.1, features.shape).astype(np.float32)
    apart = fit_head([features], labels, classes=2, widths=[50])
    together = fit_head([features], labels, classes=2, widths=[50], groups=groups)
    assert apart.tried[apart.strength][1] == 1.0
    assert together.tried[together.strength][1] < 0.8


def test_parts_of_the_features_count_alike_however_large_their_numbers() -> None:
    telling, labels = clouds([30, 30], width=10)
    noise = np.random.default_rng(3).normal(0, 1000, (60, 400)).astype(np.float32)
    features = np.concatenate([telling, noise], axis=1)
    head = fit_head([features], labels, classes=2, widths=[10, 400])
    assert head.tried[head.strength][1] > 0.85


def test_a_class_without_photos_is_never_the_answer() -> None:
    features, labels = clouds([20, 20])
    head = fit_head([features], labels * 2, classes=3, widths=[20])
    assert set(head.probabilities(features).argmax(axis=1)) == {0, 2}
    assert head.probabilities(features)[:, 1].max() < 1e-6


@pytest.mark.parametrize("counts", [[1, 1], [1, 20], [3]])
def test_too_few_photos_for_a_choice_still_give_a_classifier(counts: list[int]) -> None:
    features, labels = clouds([*counts, 2][:2] if len(counts) == 1 else counts)
    head = fit_head([features], labels, classes=2, widths=[20])
    assert head.probabilities(features).shape == (len(labels), 2)


def test_the_same_photos_give_the_same_weights() -> None:
    features, labels = clouds([25, 30, 20])
    one, other = (fit_head([features], labels, classes=3, widths=[20]) for _ in range(2))
    assert np.array_equal(one.kernel, other.kernel)
    assert np.array_equal(one.bias, other.bias)


def test_class_weights_move_the_border_to_the_larger_class() -> None:
    features, labels = clouds([200, 10], distance=0.4)
    weights = np.array([1.0, 10.0], np.float32)
    plain = fit_head([features], labels, classes=2, widths=[20])
    weighted = fit_head([features], labels, classes=2, widths=[20], class_weights=weights)
    found = [(one.probabilities(features).argmax(axis=1) == 1).sum() for one in (plain, weighted)]
    assert found[1] > found[0]
