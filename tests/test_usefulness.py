"""Whether a float model beats guessing: exact, by the largest class, and silent where it cannot."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from edgecnn.build.reference import Reference
from edgecnn.build.usefulness import ALPHA, AgainstGuessing, against_guessing, float_model_of


def found(images: int, right: int, largest: int) -> AgainstGuessing:
    return AgainstGuessing(images=images, right=right, largest_class="cat", largest_images=largest)


@pytest.mark.parametrize(
    ("images", "right", "largest"),
    [(200, 30, 20), (200, 29, 20), (50, 40, 30), (1000, 720, 700), (7, 7, 4), (90, 90, 89)],
)
def test_the_p_is_that_of_the_exact_binomial_test(images: int, right: int, largest: int) -> None:
    expected = binomtest(right, images, largest / images, alternative="greater").pvalue
    one = found(images, right, largest)
    assert one.p == pytest.approx(expected)
    assert (one.outcome == "better") == (expected <= 0.025)


@pytest.mark.parametrize(("images", "largest"), [(40, 4), (200, 20), (200, 140), (1000, 340)])
def test_a_model_that_guesses_is_taken_for_more_in_at_most_2_5_percent(
    images: int, largest: int
) -> None:
    least = found(images, 0, largest).least_right
    assert least is not None
    assert found(images, least, largest).outcome == "better"
    assert found(images, least - 1, largest).outcome == "guessing"
    chance = binom.sf(least - 1, images, largest / images)
    assert 0.005 < chance <= ALPHA


def test_the_largest_class_counts_and_not_how_many_there_are() -> None:
    labels = np.array([0] * 90 + [1] * 5 + [2] * 5)
    always = against_guessing(np.zeros(100, np.int64), labels, ("cat", "dog", "owl"))
    assert (always.right, always.largest_class, always.largest_images) == (90, "cat", 90)
    assert always.outcome == "guessing"  # of three classes, and right on 90 %
    assert against_guessing(labels, labels, ("cat", "dog", "owl")).outcome == "better"
    error = always.error(None)
    assert error is not None
    assert error.exit_code == 41
    assert "right on 90 of 100 images (90.0 %)" in str(error.observed)
    assert "always to answer cat is right on 90" in str(error.observed)
    assert "at least 96 of them" in str(error.expected)
    for what in ("order of the labels", "input range", "preprocessing", "training"):
        assert what in error.remedy
    assert "min_accuracy = 0 under [limits]" in error.remedy
    foreign = always.error(None, recipe=False)
    assert foreign is not None
    assert "[limits]" not in foreign.remedy
    assert "--min-accuracy 0" in foreign.remedy


@pytest.mark.parametrize(
    ("images", "largest", "says"),
    [
        (3, 1, "3 evaluation images are too few to tell"),  # (1/3)^3 = 3.7 %
        (5, 3, "5 evaluation images are too few to tell"),
        (100, 99, "100 evaluation images are too few to tell"),
        (40, 40, "all 40 evaluation images are of one class, cat"),
        (0, 0, "no evaluation image has a label"),
    ],
)
@pytest.mark.parametrize("right", [0, 1])
def test_where_nothing_could_be_significant_it_is_a_warning(
    images: int, largest: int, says: str, right: int
) -> None:
    one = found(images, right * images, largest)
    assert one.outcome == "too few"
    assert one.error(None) is None
    (note,) = one.notes(None)
    assert says in note
    json.dumps(one.to_dict(), allow_nan=False)


def test_the_fewest_images_of_three_classes_that_could_be_significant() -> None:
    assert found(6, 6, 2).outcome == "better"  # (1/3)^6
    assert found(6, 0, 2).outcome == "guessing"


def test_images_without_a_label_do_not_count() -> None:
    labels = np.array([-1, 0, 1, -1])
    one = against_guessing(np.array([0, 0, 1, 1]), labels, ("a", "b"))
    assert (one.images, one.right, one.largest_images) == (2, 2, 1)
    nothing = against_guessing(np.array([0, 1]), np.array([-1, -1]), ("a", "b"))
    assert (nothing.images, nothing.largest_class) == (0, "")


def test_a_least_accuracy_takes_the_place_of_the_test() -> None:
    one = found(200, 25, 20)
    assert one.error(None) is not None
    for least in (0, 5.0, 80.0):
        assert one.error(least) is None
    (zero,) = one.notes(0)
    assert "no better than guessing (10.0 %)" in zero
    below, guessing = one.notes(80.0)
    assert "right on 12.50 % of 200 images, below the 80 %" in below
    assert "no better than guessing" in guessing
    assert one.notes(None) == []  # it is an error then


def test_a_model_that_is_good_enough_needs_no_words() -> None:
    one = found(200, 190, 20)
    for least in (None, 0, 80.0):
        assert one.error(least) is None
        assert one.notes(least) == []
    (below,) = one.notes(99.0)
    assert "below the 99 %" in below


def test_a_reference_is_counted_with_all_its_images() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    reference = Reference(
        scores=np.eye(2, dtype=np.float32)[[0, 1, 1, 1, 0]],
        labels=labels,
        ids=[str(one) for one in labels],
        images_sha256="a" * 64,
        model_sha256="b" * 64,
        class_names=["cat", "dog"],
    )
    one = float_model_of(reference)
    assert dataclasses.asdict(one) == {
        "images": 5, "right": 3, "largest_class": "dog", "largest_images": 3
    }  # fmt: skip
    values = one.to_dict()
    assert (values["accuracy"], values["guessing"], values["outcome"]) == (0.6, 0.6, "too few")
