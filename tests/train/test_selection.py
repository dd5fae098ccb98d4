from __future__ import annotations

from edgecnn.train.history import Epoch
from edgecnn.train.selection import best_of, is_out_of_patience


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


def test_without_validation_nothing_is_best_and_patience_never_ends() -> None:
    assert best(None, None, None) is None
    assert not is_out_of_patience(history(None, None, None), 1)
    assert not is_out_of_patience([], 1)


def test_patience_counts_the_epochs_since_the_best() -> None:
    rows = history((0.5, 1.0), (0.7, 1.0), (0.6, 1.0), (0.7, 1.1))
    assert is_out_of_patience(rows, 2)
    assert not is_out_of_patience(rows, 3)
    assert not is_out_of_patience(rows, 0)
