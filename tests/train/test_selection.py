from __future__ import annotations

import numpy as np

from edgecnn.train.history import Epoch
from edgecnn.train.selection import best_of, is_out_of_patience, shipped_of


def history(*figures: tuple[float, float] | None) -> list[Epoch]:
    return [
        Epoch(
            epoch=number,
            lr=0.1,
            loss=1.0,
            accuracy=0.5,
            val_accuracy=None if figure is None else figure[0],
            val_loss=None if figure is None else figure[1],
            images_per_second=100.0,
            seconds=1.0,
        )
        for number, figure in enumerate(figures, 1)
    ]


def best(*figures: tuple[float, float] | None) -> int | None:
    found = best_of(history(*figures))
    return None if found is None else found.epoch


def test_the_highest_accuracy_is_best_then_the_lowest_loss_then_the_earliest() -> None:
    assert best((0.5, 1.0), (0.7, 2.0), (0.6, 0.1)) == 2
    assert best((0.7, 1.0), (0.7, 0.9), (0.7, 0.95)) == 2
    assert best((0.7, 0.9), (0.7, 0.9), (0.0, 0.9)) == 1


def shipped(images: int, *accuracies: float | None) -> int | None:
    found = shipped_of(history(*(None if a is None else (a, 1.0) for a in accuracies)), images)
    return None if found is None else found.epoch


def test_of_few_images_one_more_by_luck_does_not_decide_against_what_came_later() -> None:
    # One standard error of 24 right of 30 is 2.2 images.
    assert shipped(30, 24 / 30, 20 / 30, 22 / 30, 21 / 30) == 3
    # An epoch that was measurably better ships, however late the training ended.
    assert shipped(36, 0.5, 34 / 36, 0.8, 0.708) == 2
    assert shipped(10_000, 0.85, 0.84, 0.846, 0.8459) == 1
    assert shipped(10_000, 0.85, 0.84, 0.847, 0.8459) == 3
    # Where all are right, as where none is, there is no error.
    assert shipped(30, 0.5, 1.0, 1.0, 29 / 30) == 3
    assert shipped(30, 0.0, 0.0) == 2
    assert shipped(30, None, None) is None


def test_what_ships_can_be_kept_as_training_goes_on() -> None:
    """Whatever ships at the end shipped at its own epoch, too: only then were its weights kept."""
    generator = np.random.default_rng(0)
    for _ in range(300):
        images = int(generator.integers(1, 60))
        rows = history(*((right / images, 1.0) for right in generator.integers(0, images + 1, 12)))
        last = shipped_of(rows, images)
        assert last is not None
        assert shipped_of(rows[: last.epoch], images) is last
        kept = None
        for until in range(1, len(rows) + 1):
            if shipped_of(rows[:until], images) is rows[until - 1]:
                kept = rows[until - 1]
        assert kept is last


def test_without_validation_nothing_is_best_and_patience_never_ends() -> None:
    assert best(None, None, None) is None
    assert not is_out_of_patience(history(None, None, None), 1)
    assert not is_out_of_patience([], 1)


def test_patience_counts_the_epochs_since_the_best() -> None:
    rows = history((0.5, 1.0), (0.7, 1.0), (0.6, 1.0), (0.7, 1.1))
    assert is_out_of_patience(rows, 2)
    assert not is_out_of_patience(rows, 3)
    assert not is_out_of_patience(rows, 0)
