from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edgecnn.recipe.sections import Optimizer
from edgecnn.train.architectures import build_network
from edgecnn.train.optimizers import Rate, make_optimizer


def rate(steps: int = 10, epochs: int = 8, **settings: Any) -> Rate:
    return Rate.of(Optimizer(**settings), steps_per_epoch=steps, epochs=epochs)


def test_constant_rate_is_constant() -> None:
    constant = rate(learning_rate=0.5, schedule="constant")
    assert constant.is_constant
    assert {constant.at(step) for step in range(80)} == {0.5}


def test_warm_up_is_linear_from_the_first_step() -> None:
    warm = rate(learning_rate=1.0, schedule="constant", warmup_epochs=2)
    assert [warm.at(step) for step in (0, 1, 9, 19, 20, 79)] == pytest.approx(
        [0.05, 0.1, 0.5, 1, 1, 1]
    )


def test_cosine_falls_from_the_peak_to_nearly_zero() -> None:
    cosine = rate(learning_rate=2.0, schedule="cosine")
    for step in range(80):
        assert cosine.at(step) == pytest.approx(1 + math.cos(math.pi * step / 80))


def test_cosine_begins_where_the_warm_up_ends() -> None:
    both = rate(learning_rate=1.0, schedule="cosine", warmup_epochs=3)
    values = [both.at(step) for step in range(80)]
    assert max(values) == values[30] == 1.0
    assert values[55] == pytest.approx(0.5)
    assert values[:30] == sorted(values[:30])
    assert values[30:] == sorted(values[30:], reverse=True)


@pytest.mark.parametrize("name", ["rmsprop", "sgd", "adam", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("warmup", [0, 1.5])
def test_keras_steps_with_the_rate(name: str, schedule: str, warmup: float) -> None:
    settings = Optimizer(
        name=name,  # type: ignore[arg-type]
        learning_rate=0.01,
        schedule=schedule,  # type: ignore[arg-type]
        warmup_epochs=warmup,
    )
    wanted = Rate.of(settings, steps_per_epoch=10, epochs=8)
    optimizer = make_optimizer(settings, wanted, ema=0.0, variables=[])
    for step in (0, 3, 14, 15, 16, 40, 79):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(wanted.at(step), rel=1e-5, abs=1e-8)


def test_optimizers_have_the_settings_of_the_recipe() -> None:
    constant = rate()

    def made(**settings: Any) -> Any:
        return make_optimizer(Optimizer(**settings), constant, ema=0.0, variables=[])

    assert made(name="rmsprop", momentum=0.5).momentum == 0.5
    assert made(name="rmsprop").rho == 0.9
    sgd = made(name="sgd", momentum=0.9)
    assert (sgd.momentum, sgd.nesterov) == (0.9, True)
    assert made(name="sgd").nesterov is False
    assert made(name="adamw", weight_decay=0.01).weight_decay == 0.01
    assert type(made(name="adam")).__name__ == "Adam"


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_only_kernels_decay(name: Any) -> None:
    network = build_network("wren", shape=(8, 8, 1), classes=3, precision="float32", seed=0)
    for variable in network.trainable_variables:
        variable.assign(np.ones(variable.shape))
    settings = Optimizer(name=name, learning_rate=0.5, weight_decay=0.1)
    optimizer = make_optimizer(
        settings, rate(learning_rate=0.5), ema=0.0, variables=network.trainable_variables
    )
    nothing = [np.zeros(variable.shape, "float32") for variable in network.trainable_variables]
    optimizer.apply(nothing)
    after: dict[str, set[float]] = {
        variable.name: set() for variable in network.trainable_variables
    }
    for variable in network.trainable_variables:
        after[variable.name] |= {round(float(value), 6) for value in np.ravel(variable)}
    assert after == {"kernel": {0.95}, "gamma": {1.0}, "beta": {1.0}, "bias": {1.0}}


def test_the_average_of_the_weights_follows_them_at_its_momentum() -> None:
    network = build_network("tiny_cnn", shape=(8, 8, 1), classes=3, precision="float32", seed=0)
    variables = network.trainable_variables
    optimizer = make_optimizer(
        Optimizer(name="sgd", learning_rate=1.0),
        rate(learning_rate=1.0, schedule="constant"),
        ema=0.75,
        variables=variables,
    )
    start = np.asarray(variables[0])
    for _ in range(3):
        optimizer.apply([np.ones(variable.shape, "float32") for variable in variables])
    # Weights after each step: w-1, w-2, w-3. The average begins with the first of them.
    expected = start - (0.75 * (0.75 * 1 + 0.25 * 2) + 0.25 * 3)
    optimizer.finalize_variable_values(variables)
    np.testing.assert_allclose(np.asarray(variables[0]), expected, rtol=1e-5, atol=1e-6)
