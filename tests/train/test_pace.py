from __future__ import annotations

import pytest

from edgecnn.recipe.sections import Train
from edgecnn.train.pace import Pace


@pytest.mark.parametrize(
    ("images", "batch", "steps"),
    [(40_000, 128, 313), (1920, 128, 15), (1919, 64, 30), (240, 16, 15), (239, 8, 30), (5, 8, 1)],
)
def test_the_batch_leaves_an_epoch_fifteen_steps_where_it_can(
    images: int, batch: int, steps: int
) -> None:
    pace = Pace.of(Train(), images)
    assert (pace.batch_size, pace.steps) == (batch, steps)


def test_moving_averages_look_back_over_a_tenth_of_the_training_at_most() -> None:
    assert Pace.of(Train(), 40_000).norm_momentum == 0.99  # as Keras has it
    assert Pace.of(Train(epochs=25), 240).norm_momentum == pytest.approx(1 - 10 / 375)
    assert Pace.of(Train(epochs=1), 8).norm_momentum == 0.5


def test_what_a_recipe_states_counts() -> None:
    pace = Pace.of(Train(batch_size=100, batch_norm_momentum=0.8, patience=3, epochs=9), 1000)
    assert (pace.batch_size, pace.steps, pace.norm_momentum, pace.patience) == (100, 10, 0.8, 3)
    assert Pace.of(Train(patience=0), 1000).patience == 0


def test_patience_is_half_of_the_epochs_and_none_without_validation() -> None:
    assert Pace.of(Train(epochs=9), 100).patience == 5
    assert Pace.of(Train(epochs=9, include_validation=True, patience=4), 100).patience == 0
