from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.build.reference import Reference, images_digest
from edgecnn.data import Dataset, Images
from edgecnn.errors import DataError, ScoreError
from edgecnn.verify.evaluation import balanced_subset, choose_evaluation
from verify.synthetic import NAMES, one_hot


def _images(split: str, labels: list[int]) -> Images:
    rng = np.random.default_rng(len(split))
    return Images(
        pixels=rng.integers(0, 256, (len(labels), 4, 4, 1), dtype=np.uint8),
        labels=np.array(labels, np.int64),
        ids=tuple(f"{split}/{i}" for i in range(len(labels))),
    )


def _pair(labels: list[int]) -> tuple[Dataset, Reference]:
    test = _images("test", labels)
    dataset = Dataset(
        name="toys",
        class_names=NAMES,
        train=_images("train", [0, 1, 2]),
        validation=_images("validation", [0, 1, 2]),
        test=test,
    )
    reference = Reference(
        scores=one_hot(labels),
        labels=test.labels,
        ids=test.ids,
        images_sha256=images_digest(test.pixels),
        model_sha256="ab" * 32,
        class_names=NAMES,
    )
    return dataset, reference


LABELS = [0, 1, 2] * 20


def test_uses_all_test_images_by_default() -> None:
    dataset, reference = _pair(LABELS)
    chosen = choose_evaluation(dataset, reference)
    assert chosen.images is dataset.test
    assert chosen.seed is None
    assert (chosen.scores == reference.scores).all()


def test_asking_for_more_than_there_are_gives_all() -> None:
    dataset, reference = _pair(LABELS)
    assert len(choose_evaluation(dataset, reference, images=1000).images) == 60


def test_a_subset_keeps_images_and_scores_together() -> None:
    dataset, reference = _pair(LABELS)
    chosen = choose_evaluation(dataset, reference, images=7, seed=3)
    assert chosen.seed == 3
    assert len(chosen.images) == len(chosen.scores) == 7
    assert len(chosen.test) == 60
    positions = [dataset.test.ids.index(name) for name in chosen.images.ids]
    assert positions == sorted(positions)
    for row, position in enumerate(positions):
        assert (chosen.images.pixels[row] == dataset.test.pixels[position]).all()
        assert (chosen.scores[row] == reference.scores[position]).all()


def test_a_subset_is_balanced_and_repeatable() -> None:
    labels, ids = np.array(LABELS), [f"test/{i}" for i in range(60)]
    first = balanced_subset(labels, ids, 31, seed=1)
    counts = np.bincount(labels[first], minlength=3)
    assert counts.sum() == 31
    assert counts.max() - counts.min() <= 1
    assert (first == balanced_subset(labels, ids, 31, seed=1)).all()
    assert not np.array_equal(first, balanced_subset(labels, ids, 31, seed=2))


def test_a_small_class_gives_all_it_has() -> None:
    labels = np.array([0] * 2 + [1] * 30 + [2] * 30)
    chosen = balanced_subset(labels, [str(i) for i in range(62)], 22, seed=0)
    assert np.bincount(labels[chosen]).tolist() == [2, 10, 10]


def test_a_larger_subset_contains_the_smaller_one() -> None:
    labels, ids = np.array(LABELS), [f"test/{i}" for i in range(60)]
    small, large = (set(balanced_subset(labels, ids, n, seed=0).tolist()) for n in (12, 30))
    assert small < large


@pytest.mark.parametrize(
    "change",
    [
        {"images_sha256": "00" * 32},
        {"labels": np.array([1, *LABELS[1:]], np.int64)},
        {"class_names": ("a", "b", "c")},
    ],
    ids=["other images", "other labels", "other classes"],
)
def test_refuses_a_reference_of_other_data(change: dict[str, object]) -> None:
    dataset, reference = _pair(LABELS)
    with pytest.raises(DataError, match=r"--data PATH"):
        choose_evaluation(dataset, replace(reference, **change))  # type: ignore[arg-type]


def test_refuses_zero_images() -> None:
    with pytest.raises(DataError, match="no evaluation images"):
        choose_evaluation(*_pair(LABELS), images=0)


def test_refuses_a_reference_with_nan() -> None:
    dataset, reference = _pair(LABELS)
    reference.scores[3, 1] = np.nan
    with pytest.raises(ScoreError, match="1 of 60"):
        choose_evaluation(dataset, reference)
